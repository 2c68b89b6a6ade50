//! What is withheld from clients, and what they are told instead: answers of servers that could be read in two ways or
//! speak of the gateway, and requests that could be.

use anyhow::{Context as _, Result, ensure};
use e2e::{Pair, audit, corp, corp_with, listed, plain, text};
use serde_json::json;
use testkit::client::{Endpoint, Modern, Reply, Session, Streaming, request};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Gate, Hostile};
use testkit::idp::Idp;

/// What clients of both eras get from servers of both when a tool answers in this way.
async fn both(behaviour: Behaviour) -> Result<Vec<(&'static str, Reply)>> {
    let mut replies = Vec::new();
    for builder in [Hostile::legacy(), Hostile::modern()] {
        let backend = builder.tool("odd", behaviour.clone()).start().await?;
        let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
        let endpoint = gateway.endpoint("corp");
        listed(&endpoint, &["odd"]).await?;
        let call = json!({"name": "odd", "arguments": {}});
        replies.push(("modern", Modern::new(&endpoint).call("tools/call", call.clone()).await?));
        let session = Session::open(&endpoint, "2025-11-25").await?;
        replies.push(("legacy", session.call("tools/call", call).await?));
    }
    Ok(replies)
}

/// HTTP 200, so that client libraries show the sentence; 1502; and a sentence that names the target and repeats nothing.
fn is_withheld(what: &str, reply: &Reply) -> Result<()> {
    assert_eq!((reply.status, reply.error_code()?), (200, 1502), "{what}: {}", reply.text());
    let sentence = reply.error_message()?;
    ensure!(sentence.contains("`backend`"), "{what}: {sentence}");
    ensure!(!reply.text().contains("canary"), "{what}: {}", reply.text());
    Ok(())
}

#[tokio::test]
async fn an_answer_that_could_be_read_in_two_ways_is_withheld() -> Result<()> {
    let text = r#"[{"type":"text","text":"canary"}]"#;
    let cases = [
        format!(r#"{{"content":{text},"content":[]}}"#),
        format!(r#"{{"content":{text},"\u0063ontent":[]}}"#),
        format!(r#"{{"isError":true,"content":{text},"isError":false}}"#),
        format!(r#"{{"content":{text},"_meta":{{}},"_meta":{{"canary":1}}}}"#),
        format!(r#"{{"content":{text},"_meta":{{"canary":1,"canary":2}}}}"#),
        format!(r#"{{"content":{text},"_meta":{{"canary":1,"\u0063anary":2}}}}"#),
        format!(r#"{{"resultType":"complete","content":{text},"resultType":"complete"}}"#),
    ];
    for case in cases {
        for (client, reply) in both(Behaviour::Result(case.clone())).await? {
            is_withheld(&format!("{client}: {case}"), &reply)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_of_a_type_that_nobody_knows_is_withheld() -> Result<()> {
    for kind in ["7", "null", r#"["complete"]"#] {
        let result = format!(r#"{{"resultType":{kind},"content":[{{"type":"text","text":"canary"}}]}}"#);
        for (client, reply) in both(Behaviour::Result(result)).await? {
            is_withheld(&format!("{client}: {kind}"), &reply)?;
        }
    }
    let surprise = r#"{"resultType":"surprise","content":[{"type":"text","text":"canary"}]}"#;
    for (client, reply) in both(Behaviour::Result(surprise.to_owned())).await? {
        if client == "modern" {
            is_withheld("surprise", &reply)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_no_object_is_withheld() -> Result<()> {
    for result in ["null", "[]", r#""canary""#] {
        for (client, reply) in both(Behaviour::Result(result.to_owned())).await? {
            is_withheld(&format!("{client}: {result}"), &reply)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn keys_of_the_gateways_own_do_not_come_from_servers() -> Result<()> {
    let result = r#"{"content":[{"type":"text","text":"x"}],"_meta":{"own.test/a":1,"dev.portcullis/target":"forged","\u0064ev.portcullis/b":2}}"#;
    for (client, reply) in both(Behaviour::Result(result.to_owned())).await? {
        let meta = reply.result()?["_meta"].clone();
        assert_eq!(meta["own.test/a"], 1, "{client}: {meta}");
        let keys = meta.as_object().context("no metadata")?.keys();
        ensure!(keys.clone().all(|key| !key.starts_with("dev.portcullis/")), "{client}: {meta}");
    }
    Ok(())
}

#[tokio::test]
async fn errors_about_the_gateways_own_request_are_withheld_and_are_no_bad_request() -> Result<()> {
    for code in [-32020, -32022, -32042] {
        let error = json!({"code": code, "message": "canary", "data": {"supported": ["2099-01-01"]}});
        for (client, reply) in both(Behaviour::Error(error.to_string())).await? {
            is_withheld(&format!("{client}: {code}"), &reply)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_does_not_know_the_method_makes_no_404() -> Result<()> {
    let error = r#"{"code":-32601,"message":"Method not found"}"#;
    for (client, reply) in both(Behaviour::Error(error.to_owned())).await? {
        assert_eq!((reply.status, reply.error_code()?), (200, -32601), "{client}: {}", reply.text());
    }
    Ok(())
}

#[tokio::test]
async fn a_capability_that_the_client_lacks_is_a_bad_request_to_modern_clients_alone() -> Result<()> {
    let error = r#"{"code":-32021,"message":"needs sampling","data":{"requiredCapabilities":["sampling"]}}"#;
    for (client, reply) in both(Behaviour::Error(error.to_owned())).await? {
        let status = if client == "modern" { 400 } else { 200 };
        assert_eq!((reply.status, reply.error_code()?), (status, -32021), "{client}: {}", reply.text());
    }
    Ok(())
}

/// How the calls of tools ended.
fn outcomes(log: &str) -> Vec<String> {
    audit::outcomes(log, "tools/call")
}

#[tokio::test]
async fn what_was_withheld_is_recorded_as_an_error() -> Result<()> {
    let backend = Hostile::modern().tool("odd", Behaviour::Result("[]".to_owned())).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["odd"]).await?;
    let call = json!({"name": "odd", "arguments": {}});
    is_withheld("array", &Modern::new(&gateway.endpoint("corp")).call("tools/call", call).await?)?;
    gateway.wait_for_log(|log| !outcomes(log).is_empty()).await?;
    assert_eq!(outcomes(&gateway.log()), ["error"]);
    let events = audit::events(&gateway.log());
    let call = events.iter().find(|event| event["method"] == "tools/call").context("no event")?;
    assert_eq!(call["code"], 1502, "{call}");
    Ok(())
}

#[tokio::test]
async fn a_call_that_was_cancelled_is_recorded_as_cancelled_in_every_way_there_is() -> Result<()> {
    let gate = Gate::default();
    let backend = Hostile::modern().tool("held", Behaviour::text("late").held(&gate)).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["held"]).await?;
    let call = json!({"name": "held", "arguments": {}});
    let session = Session::open(&endpoint, "2025-11-25").await?;
    for way in ["notification", "end of the session", "closing the connection"] {
        let before = backend.ledger().calls("held").len();
        let running = match way {
            "closing the connection" => Modern::new(&endpoint).request(1, "tools/call", call.clone()),
            _ => session.request(1, "tools/call", call.clone()),
        };
        let running = tokio::spawn(async move { running.send().await });
        backend.ledger().wait_for(|ledger| ledger.calls("held").len() == before + 1).await?;
        match way {
            "notification" => {
                session.notify("notifications/cancelled", json!({"requestId": 1})).await?;
            }
            "end of the session" => assert_eq!(session.delete().send().await?.status, 204),
            _ => running.abort(),
        }
        gateway.wait_for_log(|log| outcomes(log).len() > before).await?;
        assert_eq!(outcomes(&gateway.log()).pop().as_deref(), Some("cancelled"), "{way}");
        backend.ledger().wait_for(|ledger| ledger.hung_up() as usize > before).await?;
    }
    gate.open();
    Ok(())
}

#[tokio::test]
async fn headers_that_say_two_things_are_refused() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    let ping = session.request(1, "ping", json!({}));
    for second in ["2025-11-25", "2025-06-18"] {
        let reply = ping.clone().header("mcp-protocol-version", second).send().await?;
        assert_eq!(reply.status, 400, "MCP-Protocol-Version and {second}");
    }
    let own = session.id.clone().context("no session id")?;
    let reply = ping.clone().header("mcp-session-id", &own).send().await?;
    assert_eq!(reply.status, 400, "Mcp-Session-Id");
    for second in ["application/json", "text/plain"] {
        for call in [ping.clone(), pair.modern().request(1, "tools/list", json!({}))] {
            let reply = call.header("content-type", second).send().await?;
            assert_eq!(reply.status, 415, "Content-Type and {second}");
        }
    }
    assert_eq!(ping.send().await?.result()?, json!({}));
    Ok(())
}

#[tokio::test]
async fn the_admin_listener_answers_to_its_own_address_only() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    for path in ["/healthz", "/readyz", "/"] {
        for host in ["evil.test", "evil.test:80", "127.0.0.1.evil.test"] {
            let call = pair.gateway.admin().at(path).call("GET").replace("host", host);
            assert_eq!(call.send().await?.status, 403, "{path} of {host}");
        }
    }
    let foreign = pair.gateway.admin().at("/readyz").call("GET").header("origin", "http://evil.test");
    assert_eq!(foreign.send().await?.status, 403);
    let port = pair.gateway.admin().address.port();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let call = pair.gateway.admin().at("/readyz").call("GET").replace("host", &host);
        assert_eq!(call.send().await?.status, 200, "{host}");
    }
    Ok(())
}

/// The stream of a 2024-11-05 client, and where its messages go.
async fn open_stream(endpoint: &Endpoint) -> Result<(Streaming, Endpoint)> {
    let mut stream =
        endpoint.at("/corp/sse").call("GET").header("accept", "text/event-stream").open().await?;
    let first = stream.event().await?.context("no endpoint event")?;
    Ok((stream, endpoint.at(&first.data)))
}

#[tokio::test]
async fn a_stream_of_somebody_else_looks_like_one_that_never_was() -> Result<()> {
    let (idp, fixture) = (Idp::start().await?, FixtureServer::start(Era::Dual).await?);
    let settings = format!(
        "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [e2e] }} }}\n    streaming: true\n    sessions: {{}}\n",
        idp.issuer(),
        idp.jwks_uri()
    );
    let gateway = Gateway::start(&corp_with(&settings, &[plain("fixture", &fixture.url())])).await?;
    let user = |name: &str| gateway.endpoint("corp").as_bearer(&idp.token(name, "e2e"));
    listed(&user("alice"), &["greet"]).await?;
    let (mut stream, messages) = open_stream(&user("alice")).await?;
    let mallory = user("mallory");
    let call = request(1, "tools/call", json!({"name": "greet", "arguments": {"name": "M"}}));
    let calls = fixture.stats().calls.get("greet").copied();
    for body in [call.to_string(), "not JSON".to_owned()] {
        let unknown = mallory.at("/corp/sse/messages?sessionId=never-issued").post(&body).send().await?;
        let foreign = mallory.at(&messages.path).post(&body).send().await?;
        assert_eq!(foreign.status, 404);
        assert_eq!(foreign.fingerprint(), unknown.fingerprint());
    }
    // Nor can the id be used where sessions of Streamable HTTP go, or be ended there.
    let id = messages.path.split("sessionId=").nth(1).context("no session id")?.to_owned();
    let delete = |endpoint: Endpoint, id: &str| endpoint.call("DELETE").header("mcp-session-id", id);
    let foreign = delete(mallory.clone(), &id).send().await?;
    assert_eq!(foreign.status, 404);
    assert_eq!(foreign.fingerprint(), delete(mallory, "never-issued").send().await?.fingerprint());
    assert_eq!(fixture.stats().calls.get("greet").copied(), calls, "nothing was forwarded");
    messages.post(&call).send().await?;
    assert_eq!(text(&stream.message().await?.context("no answer")?["result"]), "Hello, M!");
    Ok(())
}
