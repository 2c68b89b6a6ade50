//! Tasks: made by servers of both eras, looked after by clients of both eras, and by nobody else.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::{Pair, corp, corp_with, eventually, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::{Modern, Session, Streaming};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::{self, Gateway};
use testkit::hostile::{Behaviour, Hostile};
use testkit::idp::Idp;
use testkit::tools;
use tokio::process::{Child, Command};

const TASKS: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";
const AUDIENCE: &str = "https://mcp.corp.example/corp/mcp";
const RESEARCH: &str = "simulate-research-query";

/// A client that knows the extension, and can be asked things besides.
fn able(mut capabilities: Value) -> Value {
    capabilities["extensions"] = json!({ TASKS: {} });
    capabilities
}

fn forms() -> Value {
    json!({ "elicitation": { "form": {} } })
}

/// The reference server, which has the tasks of 2025-11-25.
async fn everything() -> Result<(Child, Gateway)> {
    let address = gateway::free_port();
    let mut command = Command::new(tools::node());
    command.arg(tools::npm("@modelcontextprotocol/server-everything/dist/index.js")).arg("streamableHttp");
    command.env("PORT", address.port().to_string()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().context("run `make setup`")?;
    eventually("the reference server listens", || async {
        Ok(tokio::net::TcpStream::connect(address).await.ok().map(drop))
    })
    .await?;
    let gateway = Gateway::start(&corp(&[plain("everything", &format!("http://{address}/mcp"))])).await?;
    listed(&gateway.endpoint("corp"), &[RESEARCH]).await?;
    Ok((child, gateway))
}

async fn made(client: &Modern, tool: &str, arguments: Value) -> Result<Value> {
    let created = client.tool(tool, arguments).await?;
    ensure!(created["resultType"] == "task" && created["taskId"].is_string(), "no task: {created}");
    Ok(created["taskId"].clone())
}

async fn get(client: &Modern, id: &Value) -> Result<Value> {
    client.call("tasks/get", json!({ "taskId": id })).await?.result()
}

/// Asks how a task is until it is like this.
async fn until(client: &Modern, id: &Value, status: &str) -> Result<Value> {
    eventually(&format!("the task is {status}"), || async {
        let task = get(client, id).await?;
        assert_eq!(&task["taskId"], id);
        Ok((task["status"] == status).then_some(task))
    })
    .await
}

async fn research(session: &Session, arguments: Value) -> Result<Value> {
    let params = json!({ "name": RESEARCH, "arguments": arguments, "task": { "ttl": 60000 } });
    let created = session.call("tools/call", params).await?.result()?;
    ensure!(created["task"]["taskId"].is_string(), "no task: {created}");
    Ok(created["task"].clone())
}

/// The last message of a stream, with every question on the way answered.
async fn converse(session: &Session, mut stream: Streaming, answer: Value) -> Result<(Vec<Value>, Value)> {
    let mut questions = Vec::new();
    if stream.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Ok((questions, stream.finish().await?.message()?));
    }
    while let Some(message) = stream.message().await? {
        match (message.get("method"), message.get("id")) {
            (Some(_), Some(id)) => {
                let reply = json!({ "jsonrpc": "2.0", "id": id, "result": answer });
                assert_eq!(session.post(reply).send().await?.status, 202);
                questions.push(message);
            }
            (Some(_), None) => {}
            (None, _) => return Ok((questions, message)),
        }
    }
    bail!("the stream ended without an answer")
}

#[tokio::test]
async fn modern_client_looks_after_the_tasks_of_a_modern_server() -> Result<()> {
    for era in [Era::Modern, Era::Dual] {
        let pair = Pair::start(era).await?;
        let client = Modern::with(&pair.endpoint(), able(forms()));
        let id = made(&client, "slow_compute", json!({ "seconds": 0.2, "label": "sum" })).await?;
        ensure!(id.as_str().is_some_and(|id| id.len() < 1024), "{id}");
        let done = until(&client, &id, "completed").await?;
        ensure!(text(&done["result"]).starts_with("sum: computed"), "{done}");

        let id = made(&client, "slow_compute", json!({ "seconds": 600 })).await?;
        let ack = client.call("tasks/cancel", json!({ "taskId": id })).await?.result()?;
        assert_eq!(ack["resultType"], "complete");
        until(&client, &id, "cancelled").await?;

        let id = made(&client, "confirm_delete", json!({ "filename": "a.txt" })).await?;
        let asks = until(&client, &id, "input_required").await?;
        let question = &asks["inputRequests"]["confirm"];
        assert_eq!(question["params"]["message"], "[fixture] Delete a.txt?", "it says who asks");
        let answer = json!({ "confirm": { "action": "accept", "content": { "confirm": true } } });
        client.call("tasks/update", json!({ "taskId": id, "inputResponses": answer })).await?.result()?;
        let done = until(&client, &id, "completed").await?;
        assert_eq!(text(&done["result"]), "a.txt: deleted");
    }
    Ok(())
}

#[tokio::test]
async fn extension_is_advertised_and_needed_to_look_after_a_task() -> Result<()> {
    let pair = Pair::start(Era::Modern).await?;
    let about = pair.modern().call("server/discover", json!({})).await?.result()?;
    assert_eq!(about["capabilities"]["extensions"][TASKS], json!({}));
    ensure!(about["capabilities"].get("tasks").is_none(), "{about}");
    for (method, params) in [
        ("tasks/get", json!({ "taskId": "x" })),
        ("tasks/update", json!({ "taskId": "x", "inputResponses": {} })),
        ("tasks/cancel", json!({ "taskId": "x" })),
    ] {
        let reply = pair.modern().call(method, params).await?;
        assert_eq!((reply.status, reply.error_code()?), (400, -32021), "{method}");
        let needs = &reply.message()?["error"]["data"]["requiredCapabilities"];
        assert_eq!(needs["extensions"][TASKS], json!({}));
    }
    let client = Modern::with(&pair.endpoint(), able(json!({})));
    for method in ["tasks/list", "tasks/result"] {
        let reply = client.call(method, json!({ "taskId": "x" })).await?;
        assert_eq!((reply.status, reply.error_code()?), (404, -32601), "{method}");
    }
    let plain = pair.modern().tool("slow_compute", json!({ "seconds": 0 })).await?;
    assert_eq!(plain["resultType"], "complete");
    Ok(())
}

#[tokio::test]
async fn header_has_to_name_the_task_of_the_body() -> Result<()> {
    let pair = Pair::start(Era::Modern).await?;
    let client = Modern::with(&pair.endpoint(), able(json!({})));
    let id = made(&client, "slow_compute", json!({ "seconds": 600 })).await?;
    let params = json!({ "taskId": id, "_meta": testkit::client::meta(able(json!({}))) });
    let body = testkit::client::request(1, "tasks/get", params);
    let bare = || {
        let call = pair.endpoint().post(body.clone()).header("mcp-protocol-version", "2026-07-28");
        call.header("mcp-method", "tasks/get")
    };
    for call in [bare(), bare().header("mcp-name", "another")] {
        let reply = call.send().await?;
        assert_eq!((reply.status, reply.error_code()?), (400, -32020));
    }
    client.call("tasks/cancel", json!({ "taskId": id })).await?.result()?;
    Ok(())
}

#[tokio::test]
async fn nobody_learns_anything_of_the_tasks_of_others() -> Result<()> {
    let idp = Idp::start().await?;
    let settings = format!(
        "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [\"{AUDIENCE}\"] }} }}\n    streaming: true\n    sessions: {{}}\n",
        idp.issuer(),
        idp.jwks_uri()
    );
    let fixture = FixtureServer::start(Era::Modern).await?;
    let gateway = Gateway::start(&corp_with(&settings, &[plain("fixture", &fixture.url())])).await?;
    let endpoint = |name: &str| gateway.endpoint("corp").as_bearer(&idp.token(name, AUDIENCE));
    listed(&endpoint("alice"), &["slow_compute"]).await?;
    let of = |name: &str| Modern::with(&endpoint(name), able(json!({})));
    let (alice, bob) = (of("alice"), of("bob"));
    let id = made(&alice, "slow_compute", json!({ "seconds": 600 })).await?;
    let text = id.as_str().context("no id")?.to_owned();
    let mut tampered = text.clone();
    tampered.replace_range(30..31, if &text[30..31] == "A" { "B" } else { "A" });
    let session = Session::open(&endpoint("bob"), "2025-11-25").await?;
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let unknown = bob.call(method, json!({ "taskId": "never-issued", "inputResponses": {} })).await?;
        assert_eq!((unknown.status, unknown.error_code()?), (200, -32602));
        for id in [&text, &tampered, &"x".repeat(10_000), &String::new()] {
            let reply = bob.call(method, json!({ "taskId": id, "inputResponses": {} })).await?;
            assert_eq!(reply.fingerprint(), unknown.fingerprint(), "{method}");
        }
        let reply = alice.call(method, json!({ "taskId": tampered, "inputResponses": {} })).await?;
        assert_eq!(reply.fingerprint(), unknown.fingerprint(), "{method}");
    }
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        let unknown = session.call(method, json!({ "taskId": "never-issued" })).await?;
        assert_eq!(unknown.error_code()?, -32602);
        let reply = session.call(method, json!({ "taskId": text })).await?;
        assert_eq!(reply.body, unknown.body, "{method}");
    }
    assert_eq!(get(&alice, &id).await?["status"], "working", "the owner was not disturbed");
    alice.call("tasks/cancel", json!({ "taskId": id })).await?.result()?;
    Ok(())
}

#[tokio::test]
async fn legacy_client_looks_after_the_tasks_of_a_legacy_server() -> Result<()> {
    let (_server, gateway) = everything().await?;
    let endpoint = gateway.endpoint("corp");
    let session = Session::open_with(&endpoint, "2025-11-25", forms()).await?;
    let tasks = &session.initialized["capabilities"]["tasks"];
    assert_eq!(*tasks, json!({ "requests": { "tools": { "call": {} } }, "cancel": {} }));
    let tools = session.call("tools/list", json!({})).await?.result()?;
    let tool = tools["tools"].as_array().and_then(|all| all.iter().find(|tool| tool["name"] == RESEARCH));
    assert_eq!(tool.context("no tool")?["execution"]["taskSupport"], "required");

    let task = research(&session, json!({ "topic": "python", "ambiguous": true })).await?;
    let id = task["taskId"].as_str().context("no id")?;
    let seen = session.call("tasks/get", json!({ "taskId": id })).await?.result()?;
    assert_eq!((&seen["taskId"], &seen["ttl"]), (&task["taskId"], &task["ttl"]));
    let stream = session.request(3, "tasks/result", json!({ "taskId": id })).open().await?;
    let answer = json!({
        "action": "accept",
        "content": { "interpretation": "snake" },
        "_meta": { RELATED: { "taskId": id } },
    });
    let (questions, result) = converse(&session, stream, answer).await?;
    assert_eq!(questions.len(), 1, "{result}");
    assert_eq!(questions[0]["params"]["_meta"][RELATED]["taskId"], id);
    let said = questions[0]["params"]["message"].as_str().unwrap_or_default();
    ensure!(said.starts_with("[everything] "), "{said}");
    ensure!(text(&result["result"]).contains("snake"), "{result}");
    assert_eq!(result["result"]["_meta"][RELATED]["taskId"], id);

    let task = research(&session, json!({ "topic": "cats" })).await?;
    let over = session.call("tasks/cancel", json!({ "taskId": task["taskId"] })).await?.result()?;
    assert_eq!((&over["taskId"], &over["status"]), (&task["taskId"], &json!("cancelled")));
    assert_eq!(session.call("tasks/list", json!({})).await?.error_code()?, -32601);
    Ok(())
}

#[tokio::test]
async fn task_lives_as_long_as_the_session_it_was_made_in() -> Result<()> {
    let (_server, gateway) = everything().await?;
    let endpoint = gateway.endpoint("corp");
    let first = Session::open(&endpoint, "2025-11-25").await?;
    let second = Session::open(&endpoint, "2025-11-25").await?;
    let task = research(&first, json!({ "topic": "cats" })).await?;
    let asks = json!({ "taskId": task["taskId"] });
    let seen = second.call("tasks/get", asks.clone()).await?.result()?;
    assert_eq!(seen["taskId"], task["taskId"], "another session of the same principal's finds it");
    assert_eq!(first.delete().send().await?.status, 204);
    let gone = eventually("the session is over", || async {
        let reply = second.call("tasks/get", asks.clone()).await?;
        Ok(reply.message()?.get("error").cloned())
    })
    .await?;
    assert_eq!(gone["code"], -32602);
    let sentence = gone["message"].as_str().unwrap_or_default();
    ensure!(sentence.contains("a session that is over"), "{sentence}");
    Ok(())
}

#[tokio::test]
async fn legacy_client_waits_for_the_task_that_a_modern_server_makes() -> Result<()> {
    let pair = Pair::start(Era::Modern).await?;
    let session = Session::open_with(&pair.endpoint(), "2025-11-25", forms()).await?;
    let result = session.tool("slow_compute", json!({ "seconds": 0.2, "label": "sum" })).await?;
    ensure!(text(&result).starts_with("sum: computed"), "{result}");
    ensure!(result.get("resultType").is_none(), "{result}");
    let failed = session.call("tools/call", json!({ "name": "protocol_error_job" })).await?;
    assert_eq!(failed.error_code()?, -32603);

    let params = json!({ "name": "confirm_delete", "arguments": { "filename": "a.txt" } });
    let stream = session.request(1, "tools/call", params).open().await?;
    let answer = json!({ "action": "accept", "content": { "confirm": true } });
    let (questions, result) = converse(&session, stream, answer).await?;
    assert_eq!((questions.len(), text(&result["result"])), (1, "a.txt: deleted"));
    Ok(())
}

#[tokio::test]
async fn legacy_client_looks_after_the_task_of_a_modern_server_in_its_own_words() -> Result<()> {
    let pair = Pair::start(Era::Modern).await?;
    let session = Session::open(&pair.endpoint(), "2025-11-25").await?;
    ensure!(session.initialized["capabilities"]["tasks"].is_object(), "{}", session.initialized);
    let start = |seconds: f64| {
        let arguments = json!({ "seconds": seconds });
        session.call("tools/call", json!({ "name": "slow_compute", "arguments": arguments, "task": {} }))
    };
    let created = start(0.2).await?.result()?;
    let task = &created["task"];
    ensure!(task.get("ttl").is_some() && task.get("ttlMs").is_none(), "{created}");
    let asks = json!({ "taskId": task["taskId"] });
    assert_eq!(session.call("tasks/get", asks.clone()).await?.result()?["taskId"], task["taskId"]);
    let result = session.call("tasks/result", asks).await?.result()?;
    ensure!(text(&result).contains("computed"), "{result}");
    assert_eq!(result["_meta"][RELATED]["taskId"], task["taskId"]);

    let created = start(600.0).await?.result()?;
    let asks = json!({ "taskId": created["task"]["taskId"] });
    let over = session.call("tasks/cancel", asks.clone()).await?.result()?;
    assert_eq!(over["taskId"], asks["taskId"]);
    eventually("it is cancelled", || async {
        let task = session.call("tasks/get", asks.clone()).await?.result()?;
        Ok((task["status"] == "cancelled").then_some(()))
    })
    .await
}

#[tokio::test]
async fn modern_client_calls_a_legacy_tool_that_only_works_as_a_task() -> Result<()> {
    let (_server, gateway) = everything().await?;
    let endpoint = gateway.endpoint("corp");
    let tools = Modern::new(&endpoint).list("tools/list", "tools").await?;
    ensure!(tools.iter().all(|tool| tool.get("execution").is_none()), "{tools:?}");
    let waited = Modern::new(&endpoint).tool(RESEARCH, json!({ "topic": "cats" })).await?;
    ensure!(text(&waited).contains("Research Report"), "{waited}");
    ensure!(!waited.to_string().contains(RELATED), "{waited}");

    let client = Modern::with(&endpoint, able(json!({})));
    let created = client.tool(RESEARCH, json!({ "topic": "cats" })).await?;
    assert_eq!(created["resultType"], "task");
    ensure!(created.get("ttlMs").is_some() && created.get("task").is_none(), "{created}");
    let done = until(&client, &created["taskId"], "completed").await?;
    ensure!(text(&done["result"]).contains("Research Report"), "{done}");
    ensure!(done["result"].pointer(&format!("/_meta/{}", RELATED.replace('/', "~1"))).is_none(), "{done}");
    let ack = client.call("tasks/cancel", json!({ "taskId": created["taskId"] })).await?.result()?;
    assert_eq!(ack["resultType"], "complete");
    Ok(())
}

#[tokio::test]
async fn modern_client_is_asked_what_a_legacy_task_needs() -> Result<()> {
    let (_server, gateway) = everything().await?;
    for capabilities in [forms(), able(forms())] {
        let client = Modern::with(&gateway.endpoint("corp"), capabilities);
        let mut params = json!({ "name": RESEARCH, "arguments": { "topic": "python", "ambiguous": true } });
        let asks = client.call("tools/call", params.clone()).await?.result()?;
        assert_eq!(asks["resultType"], "input_required", "{asks}");
        ensure!(!asks.to_string().contains(RELATED), "{asks}");
        let keys = asks["inputRequests"].as_object().context("no questions")?.keys();
        let answer = json!({ "action": "accept", "content": { "interpretation": "comedy" } });
        params["inputResponses"] = keys.map(|key| (key.clone(), answer.clone())).collect();
        params["requestState"] = asks["requestState"].clone();
        let result = client.call("tools/call", params).await?.result()?;
        ensure!(text(&result).contains("comedy"), "{result}");
        ensure!(!result.to_string().contains(RELATED), "{result}");
    }
    Ok(())
}

#[tokio::test]
async fn servers_id_of_a_task_never_reaches_the_client() -> Result<()> {
    let status = r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"own-1","status":"working","createdAt":"x","lastUpdatedAt":"x","ttl":1}}"#;
    let other = status.replace("own-1", "own-2");
    let created = r#"{"jsonrpc":"2.0","id":{id},"result":{"task":{"taskId":"own-1","status":"working","createdAt":"x","lastUpdatedAt":"x","ttl":1,"more":1.50}}}"#;
    let events = vec![status.to_owned(), other, created.to_owned()];
    let backend = Hostile::legacy()
        .capabilities(json!({ "tools": {}, "tasks": { "requests": { "tools": { "call": {} } } } }))
        .tool("job", Behaviour::Events(events))
        .method(
            "tasks/get",
            Behaviour::sequence(vec![
                Behaviour::Result(r#"{"taskId":"own-2","status":"working"}"#.to_owned()),
                Behaviour::Error(r#"{"code":-32602,"message":"no task own-1"}"#.to_owned()),
            ]),
        )
        .method("tasks/cancel", Behaviour::Error(r#"{"code":-32602,"message":"own-1 is over"}"#.to_owned()))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["job"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let params = json!({ "name": "job", "arguments": {}, "task": {} });
    let reply = session.call("tools/call", params).await?;
    let messages = reply.messages()?;
    ensure!(messages.len() == 2 && !reply.text().contains("own-"), "{}", reply.text());
    let id = messages[1]["result"]["task"]["taskId"].clone();
    assert_eq!(messages[0]["params"]["taskId"], id);
    ensure!(reply.text().contains(r#""more":1.50"#), "every other byte is the server's");

    let asks = json!({ "taskId": id });
    assert_eq!(session.call("tasks/get", asks.clone()).await?.error_code()?, 1502, "it spoke of another");
    let unknown = session.call("tasks/get", json!({ "taskId": "x" })).await?;
    assert_eq!(session.call("tasks/get", asks.clone()).await?.body, unknown.body);
    let over = session.call("tasks/cancel", asks).await?.error_message()?;
    assert_eq!(over, format!("{} is over", id.as_str().unwrap_or_default()));
    assert_eq!(backend.ledger().of("tasks/get")[0].message()["params"]["taskId"], "own-1");
    Ok(())
}

#[tokio::test]
async fn task_is_cancelled_when_its_waiting_client_goes_away() -> Result<()> {
    let task = |status: &str| {
        format!(
            r#""taskId":"own-1","status":"{status}","createdAt":"x","lastUpdatedAt":"x","ttlMs":1,"pollIntervalMs":1"#
        )
    };
    let backend = Hostile::modern()
        .capabilities(json!({ "tools": {}, "extensions": { TASKS: {} } }))
        .tool("job", Behaviour::Result(format!(r#"{{"resultType":"task",{}}}"#, task("working"))))
        .method("tasks/get", Behaviour::Result(format!(r#"{{"resultType":"complete",{}}}"#, task("working"))))
        .method("tasks/cancel", Behaviour::Result(r#"{"resultType":"complete"}"#.to_owned()))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["job"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let call = session.request(9, "tools/call", json!({ "name": "job", "arguments": {} }));
    let waiting = tokio::spawn(async move { call.send().await });
    backend.ledger().wait_for(|ledger| ledger.of("tasks/get").len() > 1).await?;
    session.notify("notifications/cancelled", json!({ "requestId": 9 })).await?;
    backend.ledger().wait_for(|ledger| ledger.of("tasks/cancel").len() == 1).await?;
    let cancelled = &backend.ledger().of("tasks/cancel")[0];
    assert_eq!(cancelled.message()["params"]["taskId"], "own-1");
    assert_eq!(cancelled.header("mcp-name"), Some("own-1"));
    waiting.await??;
    Ok(())
}
