//! The finance sample, through its socket, and with tokens of an issuer the test owns.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use bytes::Bytes;
use clock::Clock;
use http::{Method, Response, StatusCode};
use net::{Body, Drain, Options, Server};
use portcullis_samples::finance;
use portcullis_samples::server::http::Endpoint;
use seal::SigningKey;
use serde_json::{Value, json};
use support::{Reply, Running, each, modern, post, request, send};
use url::Url;

const NOW: u64 = 1_800_000_000;

struct World {
    finance: Running,
    issuer: String,
    key: SigningKey,
    _issuer: Running,
    _dir: tempfile::TempDir,
}

async fn start() -> World {
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::load_or_create(&dir.path().join("key")).unwrap();
    let listener = Server::bind("127.0.0.1:0".parse().unwrap(), Options::default()).unwrap();
    let issuer = format!("http://{}/sts", listener.local_addr());
    let keys = Running { url: Url::parse(&issuer).unwrap(), drain: Drain::default() };
    let document = Bytes::from(key.jwk_set().to_string());
    let serve = move |request: http::Request<_>, _| {
        let found = request.uri().path() == "/sts/jwks.json";
        let mut response = Response::new(Body::from(document.clone()));
        *response.status_mut() = if found { StatusCode::OK } else { StatusCode::NOT_FOUND };
        async move { response }
    };
    tokio::spawn(net::serve(listener, serve, keys.drain.clone()));
    let endpoint = Endpoint::bind().unwrap();
    let server = Running { url: endpoint.url().clone(), drain: Drain::default() };
    tokio::spawn(finance::serve(endpoint, &keys.url, Clock::manual(NOW), server.drain.clone()).unwrap());
    World { finance: server, issuer, key, _issuer: keys, _dir: dir }
}

impl World {
    fn claims(&self, subject: &str, roles: &[&str]) -> Value {
        json!({
            "iss": self.issuer, "sub": subject, "aud": "finance", "iat": NOW, "exp": NOW + 300, "jti": "1", "roles": roles,
        })
    }

    fn token(&self, subject: &str, roles: &[&str]) -> String {
        self.key.sign("at+jwt", &self.claims(subject, roles))
    }

    async fn ask(&self, token: &str, method: &str, params: Value) -> Reply {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![
            ("authorization", authorization.as_str()),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default().to_owned();
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        post(&self.finance.url, &headers, &request(method, modern(params))).await
    }

    async fn approve(&self, token: &str, expense: &str) -> Reply {
        let params = json!({ "name": "approve_expense", "arguments": { "expense_id": expense } });
        self.ask(token, "tools/call", params).await
    }
}

#[tokio::test]
async fn only_managers_see_and_reach_approve_expense() {
    let world = start().await;
    let (alice, bob) = (world.token("alice", &["manager"]), world.token("bob", &["employee"]));
    let list = world.ask(&alice, "tools/list", json!({})).await;
    assert_eq!(
        each(&list.result()["tools"], "name"),
        ["budget_summary", "list_expenses", "approve_expense", "pay_expense"]
    );
    let list = world.ask(&bob, "tools/list", json!({})).await;
    assert_eq!(each(&list.result()["tools"], "name"), ["budget_summary", "list_expenses"]);
    assert_eq!(list.result()["cacheScope"], "private");
    assert_eq!(list.result()["ttlMs"], 0);

    let reply = world.approve(&bob, "E-1001").await;
    assert_eq!(reply.error(), (-32602, "Unknown tool: approve_expense"));
    let reply = world.approve(&alice, "E-1001").await;
    assert_eq!(reply.result()["structuredContent"]["approved_by"], "alice");
    assert_eq!(reply.result()["resultType"], "complete");
    let again = world.approve(&alice, "E-1001").await;
    assert_eq!(again.result()["isError"], true);
}

#[tokio::test]
async fn asks_in_its_result_and_pays_when_it_is_asked_again() {
    let world = start().await;
    let alice = world.token("alice", &["manager"]);
    let pay = |answers: Option<Value>| {
        let mut params = json!({ "name": "pay_expense", "arguments": { "expense_id": "E-0998" } });
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
        if let Some(answers) = answers {
            params["inputResponses"] = json!({ "account": answers });
        }
        world.ask(&alice, "tools/call", params)
    };
    let asked = pay(None).await;
    let result = asked.result();
    assert_eq!(result["resultType"], "input_required");
    let question = &result["inputRequests"]["account"];
    assert_eq!(
        (&question["method"], &question["params"]["mode"]),
        (&json!("elicitation/create"), &json!("form"))
    );

    let declined = pay(Some(json!({ "action": "decline" }))).await;
    assert_eq!(declined.result()["structuredContent"]["state"], "approved");
    let yes = json!({ "action": "accept", "content": { "account": "travel" } });
    let paid = pay(Some(yes.clone())).await;
    assert_eq!(paid.result()["resultType"], "complete");
    assert_eq!(paid.result()["structuredContent"]["paid_from"], "travel");
    assert_eq!(pay(Some(yes)).await.result()["isError"], true, "once");
}

#[tokio::test]
async fn pays_nothing_that_nobody_approved_and_asks_nobody_who_cannot_answer() {
    let world = start().await;
    let alice = world.token("alice", &["manager"]);
    for (expense, why) in [("E-1001", "approved"), ("E-0998", "cannot ask")] {
        let params = json!({ "name": "pay_expense", "arguments": { "expense_id": expense } });
        let reply = world.ask(&alice, "tools/call", params).await;
        assert_eq!(reply.result()["isError"], true);
        let text = reply.result()["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(why), "{text}");
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_good_token() {
    let world = start().await;
    let other = tempfile::tempdir().unwrap();
    let forger = SigningKey::load_or_create(&other.path().join("key")).unwrap();
    let with = |claim: &str, value: Value| {
        let mut claims = world.claims("alice", &["manager"]);
        claims[claim] = value;
        world.key.sign("at+jwt", &claims)
    };
    for (why, token) in [
        ("a foreign key", forger.sign("at+jwt", &world.claims("alice", &["manager"]))),
        ("another audience", with("aud", json!("legal"))),
        ("another issuer", with("iss", json!("http://127.0.0.1:1/sts"))),
        ("expired", with("exp", json!(NOW - 3600))),
        ("no token at all", "x".to_owned()),
    ] {
        let reply = world.ask(&token, "tools/list", json!({})).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{why}");
        let challenge = reply.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge, "Bearer realm=\"finance\", error=\"invalid_token\"", "{why}");
        assert!(reply.messages.is_empty(), "{why}");
    }
    let reply = post(&world.finance.url, &[], &request("tools/list", modern(json!({})))).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"finance\"");
}

#[tokio::test]
async fn answers_initialize_with_the_revision_it_speaks() {
    let world = start().await;
    let authorization = format!("Bearer {}", world.token("bob", &[]));
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
    let reply = post(
        &world.finance.url,
        &[("authorization", &authorization)],
        &request("initialize", params.clone()),
    )
    .await;
    assert_eq!((reply.status, reply.error().0), (StatusCode::BAD_REQUEST, -32022));
    assert_eq!(
        reply.answer()["error"]["data"],
        json!({ "supported": ["2026-07-28"], "requested": "2025-11-25" })
    );
    assert!(reply.headers.get("mcp-session-id").is_none());
    // Written in the modern way, it is a method that does not exist.
    let reply = world.ask(&world.token("bob", &[]), "initialize", params).await;
    assert_eq!((reply.status, reply.error().0), (StatusCode::NOT_FOUND, -32601));
}

#[tokio::test]
async fn introduces_itself_and_reads_its_budget() {
    let world = start().await;
    let bob = world.token("bob", &[]);
    let discovered = world.ask(&bob, "server/discover", json!({})).await;
    let result = discovered.result();
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["capabilities"], json!({ "tools": {}, "resources": {} }));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "finance");
    let read = world.ask(&bob, "resources/read", json!({ "uri": "finance://budget/2026" })).await;
    let text = read.result()["contents"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap()["currency"], "EUR");
    let read = world.ask(&bob, "resources/read", json!({ "uri": "finance://budget/1999" })).await;
    assert_eq!((read.status, read.error().0), (StatusCode::OK, -32602));
    let get =
        send(&world.finance.url, Method::GET, &[("authorization", &format!("Bearer {bob}"))], String::new())
            .await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn headers_have_to_repeat_what_the_body_says() {
    let world = start().await;
    let authorization = format!("Bearer {}", world.token("bob", &[]));
    let good =
        [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "list_expenses")];
    let body = request("tools/call", modern(json!({ "name": "list_expenses" })));
    for wrong in 0..good.len() {
        for value in [None, Some("other")] {
            let mut headers = vec![("authorization", authorization.as_str())];
            headers.extend(good.iter().enumerate().filter_map(|(index, (name, right))| {
                match (index == wrong, value) {
                    (true, None) => None,
                    (true, Some(other)) => Some((*name, other)),
                    (false, _) => Some((*name, *right)),
                }
            }));
            let reply = post(&world.finance.url, &headers, &body).await;
            assert_eq!((reply.status, reply.error().0), (StatusCode::BAD_REQUEST, -32020), "{headers:?}");
        }
    }
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(good);
    assert_eq!(post(&world.finance.url, &headers, &body).await.status, StatusCode::OK);
    let bare = request("tools/call", json!({ "name": "list_expenses" }));
    let reply = post(&world.finance.url, &headers, &bare).await;
    assert_eq!((reply.status, reply.error().0), (StatusCode::BAD_REQUEST, -32602));
    let mut later = body.clone();
    later["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2027-01-01".into();
    headers[1].1 = "2027-01-01";
    let reply = post(&world.finance.url, &headers, &later).await;
    assert_eq!((reply.status, reply.error().0), (StatusCode::BAD_REQUEST, -32022));
}
