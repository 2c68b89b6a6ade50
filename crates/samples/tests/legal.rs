//! The legal sample, through its socket.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use http::{Method, StatusCode};
use net::Drain;
use portcullis_samples::legal;
use portcullis_samples::server::http::Endpoint;
use serde_json::{Value, json};
use support::{Reply, Running, Stream, each, modern, open, post, request, send, send_page};

const V: (&str, &str) = ("mcp-protocol-version", "2025-11-25");

fn start() -> Running {
    let endpoint = Endpoint::bind().unwrap();
    let running = Running { url: endpoint.url().clone(), drain: Drain::default() };
    tokio::spawn(legal::serve(endpoint, running.drain.clone()));
    running
}

async fn initialize(server: &Running, version: &str) -> (String, Value) {
    initialize_with(server, version, json!({})).await
}

async fn initialize_with(server: &Running, version: &str, capabilities: Value) -> (String, Value) {
    let params = json!({
        "protocolVersion": version, "capabilities": capabilities, "clientInfo": { "name": "t", "version": "0" },
    });
    let reply = post(&server.url, &[], &request("initialize", params)).await;
    assert_eq!(reply.status, StatusCode::OK);
    let session = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let noted = post(&server.url, &[V, ("mcp-session-id", &session)], &initialized).await;
    assert_eq!(noted.status, StatusCode::ACCEPTED);
    (session, reply.result().clone())
}

async fn ask(server: &Running, session: &str, method: &str, params: Value) -> Reply {
    post(&server.url, &[V, ("mcp-session-id", session)], &request(method, params)).await
}

/// A session of a client that can be asked.
async fn askable(server: &Running) -> String {
    initialize_with(server, "2025-11-25", json!({ "elicitation": { "form": {}, "url": {} } })).await.0
}

/// Calls a tool about one contract; answers the question, and the stream on which the result will come.
async fn ask_about(server: &Running, session: &str, tool: &str) -> (Value, Stream) {
    let call = json!({ "name": tool, "arguments": { "contract_id": "msa-2026" } });
    let headers = [V, ("mcp-session-id", session)];
    let mut stream = open(&server.url, &headers, &request("tools/call", call)).await;
    let question = stream.next().await;
    assert_eq!(question["method"], "elicitation/create");
    (question, stream)
}

async fn answer(server: &Running, session: &str, question: &Value, result: Value) {
    let response = json!({ "jsonrpc": "2.0", "id": question["id"], "result": result });
    let noted = post(&server.url, &[V, ("mcp-session-id", session)], &response).await;
    assert_eq!(noted.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn asks_on_the_stream_of_the_call() {
    let server = start();
    let session = askable(&server).await;
    for (said, text) in [
        (json!({ "action": "accept", "content": { "approve": true } }), "msa-2026 is approved."),
        (json!({ "action": "accept", "content": { "approve": false } }), "msa-2026 is not approved."),
        (json!({ "action": "decline" }), "Nobody has decided about msa-2026."),
    ] {
        let (question, mut stream) = ask_about(&server, &session, "approve_contract").await;
        let (form, properties) = (&question["params"], &question["params"]["requestedSchema"]["properties"]);
        assert_eq!((&form["mode"], &properties["approve"]["type"]), (&json!("form"), &json!("boolean")));
        answer(&server, &session, &question, said).await;
        assert_eq!(stream.next().await["result"]["content"][0]["text"], text);
    }
}

#[tokio::test]
async fn an_answer_of_another_session_is_none() {
    let server = start();
    let (session, other) = (askable(&server).await, askable(&server).await);
    let (question, mut stream) = ask_about(&server, &session, "approve_contract").await;
    let said = |approve: bool| json!({ "action": "accept", "content": { "approve": approve } });
    answer(&server, &other, &question, said(false)).await;
    answer(&server, &session, &question, said(true)).await;
    assert_eq!(stream.next().await["result"]["content"][0]["text"], "msa-2026 is approved.");
}

#[tokio::test]
async fn a_contract_is_signed_on_its_page_and_nowhere_else() {
    let server = start();
    let session = askable(&server).await;
    let (question, mut stream) = ask_about(&server, &session, "sign_contract").await;
    let page: url::Url = question["params"]["url"].as_str().unwrap().parse().unwrap();
    assert_eq!(page.port(), server.url.port());
    answer(&server, &session, &question, json!({ "action": "accept" })).await;
    assert!(send_page(&page, Method::GET).await.contains("<button>Sign</button>"));
    assert!(send_page(&page, Method::POST).await.contains("Signed."));
    assert_eq!(stream.next().await["result"]["content"][0]["text"], "msa-2026 is signed.");
    let other = page.join("other").unwrap();
    assert_eq!(send(&other, Method::GET, &[], String::new()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_told_so() {
    let server = start();
    let forms_only = initialize_with(&server, "2025-11-25", json!({ "elicitation": {} })).await.0;
    let nothing = initialize(&server, "2025-11-25").await.0;
    for (session, tool) in [(&nothing, "approve_contract"), (&forms_only, "sign_contract")] {
        let call = json!({ "name": tool, "arguments": { "contract_id": "msa-2026" } });
        let reply = ask(&server, session, "tools/call", call).await;
        assert_eq!(reply.result()["isError"], true, "{tool}");
    }
}

#[tokio::test]
async fn answers_initialize_with_its_own_revision_whatever_was_asked_for() {
    let server = start();
    for version in ["2025-11-25", "2025-03-26", "2026-07-28", "1999-01-01"] {
        let (session, result) = initialize(&server, version).await;
        assert_eq!(result["protocolVersion"], "2025-11-25", "{version}");
        assert_eq!(result["serverInfo"]["name"], "legal");
        assert_eq!(
            result["capabilities"],
            json!({ "tools": {}, "prompts": {}, "resources": {}, "completions": {} })
        );
        assert_eq!(session.len(), 43);
    }
}

#[tokio::test]
async fn refuses_later_revisions_as_a_server_that_never_heard_of_them() {
    let server = start();
    let discover = request("server/discover", modern(json!({})));
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "server/discover")];
    let reply = post(&server.url, &headers, &discover).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.error().0, -32000);

    let (session, _) = initialize(&server, "2025-11-25").await;
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-session-id", session.as_str())];
    let reply = post(&server.url, &headers, &discover).await;
    assert_eq!((reply.status, reply.error().0), (StatusCode::BAD_REQUEST, -32000));
    let reply = ask(&server, &session, "server/discover", json!({})).await;
    assert_eq!((reply.status, reply.error().0), (StatusCode::OK, -32601));
}

#[tokio::test]
async fn a_session_is_needed_and_ends_when_it_is_deleted() {
    let server = start();
    let list = request("tools/list", json!({}));
    assert_eq!(post(&server.url, &[V], &list).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(post(&server.url, &[V, ("mcp-session-id", "x")], &list).await.status, StatusCode::NOT_FOUND);
    let (session, _) = initialize(&server, "2025-11-25").await;
    let headers = [V, ("mcp-session-id", session.as_str())];
    assert_eq!(post(&server.url, &headers, &list).await.status, StatusCode::OK);
    assert_eq!(
        send(&server.url, Method::DELETE, &headers, String::new()).await.status,
        StatusCode::NO_CONTENT
    );
    let reply = post(&server.url, &headers, &list).await;
    assert_eq!((reply.status, reply.error().0), (StatusCode::NOT_FOUND, -32001));
    let get = send(&server.url, Method::GET, &headers, String::new()).await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(get.headers["allow"], "POST, DELETE");
}

#[tokio::test]
async fn reviews_a_contract_for_people_and_programs_alike() {
    let server = start();
    let (session, _) = initialize(&server, "2025-11-25").await;
    let list = ask(&server, &session, "tools/list", json!({})).await;
    let tools = &list.result()["tools"];
    assert_eq!(
        each(tools, "name"),
        ["list_contracts", "review_contract", "approve_contract", "sign_contract"]
    );
    for field in ["title", "description", "inputSchema", "outputSchema", "annotations", "icons"] {
        assert!(!tools[1][field].is_null(), "{field}");
    }
    assert!(list.result().get("resultType").is_none(), "a field of later revisions");

    let call = json!({ "name": "review_contract", "arguments": { "contract_id": "msa-2026" } });
    let reply = ask(&server, &session, "tools/call", call).await;
    assert!(!reply.is_stream());
    let result = reply.result();
    assert_eq!(result["structuredContent"]["risk"], "high");
    assert_eq!(each(&result["structuredContent"]["findings"], "topic"), ["Fees", "Liability", "Renewal"]);
    assert!(result["content"][0]["text"].as_str().unwrap().starts_with("Risk: high. 3 findings."));

    let call = json!({ "name": "review_contract", "arguments": { "text": "We agree." } });
    let reply = ask(&server, &session, "tools/call", call).await;
    assert_eq!(each(&reply.result()["structuredContent"]["findings"], "quote"), ["", ""]);
}

#[tokio::test]
async fn streams_progress_to_a_client_that_wants_it() {
    let server = start();
    let (session, _) = initialize(&server, "2025-11-25").await;
    let call = json!({
        "name": "review_contract", "arguments": { "contract_id": "nda-fabrikam" }, "_meta": { "progressToken": "p-1" },
    });
    let reply = ask(&server, &session, "tools/call", call).await;
    assert!(reply.is_stream());
    let (answer, progress) = reply.messages.split_last().unwrap();
    assert_eq!(progress.len(), 5);
    assert!(progress.iter().all(|message| message["params"]["progressToken"] == "p-1"));
    assert_eq!(answer["result"]["structuredContent"]["findings"][0]["topic"], "Data protection");
}

#[tokio::test]
async fn what_a_tool_cannot_do_is_a_result_and_what_does_not_exist_an_error() {
    let server = start();
    let (session, _) = initialize(&server, "2025-11-25").await;
    for arguments in [json!({}), json!({ "contract_id": "none" }), json!({ "contract_id": "a", "text": "b" })]
    {
        let call = json!({ "name": "review_contract", "arguments": arguments });
        let reply = ask(&server, &session, "tools/call", call).await;
        assert_eq!(reply.result()["isError"], true, "{arguments}");
    }
    let reply = ask(&server, &session, "tools/call", json!({ "name": "burn_contract" })).await;
    assert_eq!(reply.error(), (-32602, "Unknown tool: burn_contract"));
    let reply = ask(&server, &session, "resources/read", json!({ "uri": "contract://none" })).await;
    assert_eq!(reply.error().0, -32002);
    assert_eq!(reply.answer()["error"]["data"]["uri"], "contract://none");
    let reply = ask(&server, &session, "tools/list", json!({ "cursor": "x" })).await;
    assert_eq!(reply.error().0, -32602);
}

#[tokio::test]
async fn contracts_are_listed_read_prompted_and_completed() {
    let server = start();
    let (session, _) = initialize(&server, "2025-11-25").await;
    let list = ask(&server, &session, "resources/list", json!({})).await;
    let uris = each(&list.result()["resources"], "uri");
    assert_eq!(uris, ["contract://msa-2026", "contract://nda-fabrikam", "contract://lease-lisbon"]);
    let templates = ask(&server, &session, "resources/templates/list", json!({})).await;
    assert_eq!(each(&templates.result()["resourceTemplates"], "uriTemplate"), ["contract://{id}"]);
    for uri in uris {
        let read = ask(&server, &session, "resources/read", json!({ "uri": uri })).await;
        let contents = &read.result()["contents"][0];
        assert_eq!(contents["uri"], uri);
        assert!(contents["text"].as_str().unwrap().contains("Example Corp"));
    }
    let get = json!({ "name": "contract_review", "arguments": { "contract_id": "msa-2026" } });
    let prompt = ask(&server, &session, "prompts/get", get).await;
    assert_eq!(prompt.result()["messages"][1]["content"]["resource"]["uri"], "contract://msa-2026");
    for reference in [
        json!({ "type": "ref/prompt", "name": "contract_review" }),
        json!({ "type": "ref/resource", "uri": "contract://{id}" }),
    ] {
        let name = if reference["type"] == "ref/prompt" { "contract_id" } else { "id" };
        let params = json!({ "ref": reference, "argument": { "name": name, "value": "le" } });
        let reply = ask(&server, &session, "completion/complete", params).await;
        assert_eq!(reply.result()["completion"]["values"], json!(["lease-lisbon"]));
    }
}

#[tokio::test]
async fn refuses_batches_other_types_other_paths_and_foreign_pages() {
    let server = start();
    let batch = post(&server.url, &[], &json!([request("ping", json!({}))])).await;
    assert_eq!((batch.status, batch.error().0), (StatusCode::BAD_REQUEST, -32600));
    let form = send(&server.url, Method::POST, &[("content-type", "text/plain")], "{}".to_owned()).await;
    assert_eq!(form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let page = post(&server.url, &[("origin", "https://evil.example")], &request("ping", json!({}))).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let elsewhere = server.url.join("/other").unwrap();
    assert_eq!(post(&elsewhere, &[], &request("ping", json!({}))).await.status, StatusCode::NOT_FOUND);
}
