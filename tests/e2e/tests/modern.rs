//! What a modern client (2026-07-28) sees.

use anyhow::{Result, ensure};
use base64::Engine as _;
use e2e::{Pair, corp, eventually, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::{Endpoint, MODERN, Modern, Session, meta, notification, request};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Gate, Hostile};

const K: &str = "io.modelcontextprotocol";

#[tokio::test]
async fn discover_names_only_versions_that_work_with_it() -> Result<()> {
    let pair = Pair::start(Era::Legacy).await?;
    let result = pair.modern().call("server/discover", json!({})).await?.result()?;
    assert_eq!(result["supportedVersions"], json!([MODERN]));
    assert_eq!(result["resultType"], "complete");
    ensure!(result["ttlMs"].is_u64() && result["cacheScope"].is_string(), "{result}");
    let capabilities = &result["capabilities"];
    for works in ["tools", "prompts", "resources", "completions"] {
        assert!(capabilities.get(works).is_some(), "{works} in {capabilities}");
    }
    ensure!(result["_meta"][format!("{K}/serverInfo")]["name"].is_string(), "{result}");
    Ok(())
}

#[tokio::test]
async fn every_kind_of_content_passes_from_every_era() -> Result<()> {
    for era in [Era::Dual, Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let client = pair.modern();
        for (tool, kind) in
            [("test_simple_text", "text"), ("test_image_content", "image"), ("test_audio_content", "audio")]
        {
            let result = client.tool(tool, json!({})).await?;
            assert_eq!(result["content"][0]["type"], kind, "{tool} from {era:?}");
            assert_eq!(result["resultType"], "complete", "{tool} from {era:?}");
        }
        let prompt = client.call("prompts/get", json!({"name": "test_simple_prompt"})).await?.result()?;
        assert_eq!(prompt["resultType"], "complete", "{era:?}");
        let read = client.call("resources/read", json!({"uri": "test://static-text"})).await?.result()?;
        assert_eq!(read["contents"][0]["uri"], "test://static-text");
        ensure!(read["ttlMs"].is_u64() && read["cacheScope"].is_string(), "{era:?}: {read}");
        for (method, key) in
            [("tools/list", "tools"), ("prompts/list", "prompts"), ("resources/list", "resources")]
        {
            let list = client.call(method, json!({})).await?.result()?;
            ensure!(list[key].as_array().is_some_and(|items| !items.is_empty()), "{method} from {era:?}");
            ensure!(
                list["ttlMs"].is_u64() && list["cacheScope"].is_string(),
                "{method} from {era:?}: {list}"
            );
        }
    }
    Ok(())
}

/// A request built by hand: the header and body a test wants, right in every other respect.
fn discover(endpoint: &Endpoint, params: Value, version: &str) -> testkit::client::Call {
    endpoint
        .post(request(5, "server/discover", params))
        .header("mcp-protocol-version", version)
        .header("mcp-method", "server/discover")
}

#[tokio::test]
async fn metadata_is_required_but_for_the_client_info() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let (version, capabilities, info) =
        (format!("{K}/protocolVersion"), format!("{K}/clientCapabilities"), format!("{K}/clientInfo"));
    let without = |key: &str| {
        let mut metadata = meta(json!({}));
        metadata.as_object_mut().map(|map| map.remove(key));
        json!({"_meta": metadata})
    };
    for params in [json!({}), json!({"_meta": {}}), without(&version), without(&capabilities)] {
        let reply = discover(&pair.endpoint(), params.clone(), MODERN).send().await?;
        assert_eq!((reply.status, reply.error_code()?), (400, -32602), "{params}");
        assert_eq!(reply.message()?["id"], 5);
    }
    assert_eq!(discover(&pair.endpoint(), without(&info), MODERN).send().await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn versions_that_are_not_spoken_are_named_with_those_that_are() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let mut metadata = meta(json!({}));
    metadata[format!("{K}/protocolVersion")] = json!("2199-01-01");
    let reply = discover(&pair.endpoint(), json!({"_meta": metadata}), "2199-01-01").send().await?;
    assert_eq!((reply.status, reply.error_code()?), (400, -32022));
    let data = reply.message()?["error"]["data"].clone();
    assert_eq!(data["requested"], "2199-01-01");
    assert_eq!(data["supported"], json!([MODERN]));
    Ok(())
}

#[tokio::test]
async fn headers_that_contradict_the_body_are_refused_and_nothing_is_forwarded() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let client = pair.modern();
    let call = || client.request(1, "tools/call", json!({"name": "greet", "arguments": {"name": "x"}}));
    let sentinel =
        |text: &str| format!("=?base64?{}?=", base64::engine::general_purpose::STANDARD.encode(text));
    let refused = [
        ("no version", call().without("mcp-protocol-version")),
        ("another version", call().replace("mcp-protocol-version", "2025-11-25")),
        ("no method", call().without("mcp-method")),
        ("another method", call().replace("mcp-method", "tools/list")),
        ("method in another case", call().replace("mcp-method", "Tools/Call")),
        ("two methods", call().header("mcp-method", "tools/call")),
        ("no name", call().without("mcp-name")),
        ("another name", call().replace("mcp-name", "delete")),
        ("two names", call().header("mcp-name", "greet")),
        ("bad padding", call().replace("mcp-name", "=?base64?Z3JlZXQ?=")),
        ("bad alphabet", call().replace("mcp-name", "=?base64?Z3Jl!!Q=?=")),
        ("encoded other name", call().replace("mcp-name", sentinel("delete"))),
    ];
    let before = pair.fixture.stats().calls;
    for (what, call) in refused {
        let reply = call.send().await?;
        assert_eq!((reply.status, reply.error_code()?), (400, -32020), "{what}");
    }
    assert_eq!(pair.fixture.stats().calls, before);
    for (what, call) in [
        ("spaces around", call().replace("mcp-name", "  greet  ")),
        ("encoded", call().replace("mcp-name", sentinel("greet"))),
        ("unknown parameter headers", call().header("mcp-param-unheard", "x")),
    ] {
        assert_eq!(call.send().await?.status, 200, "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn parameter_headers_are_checked_and_sent_on() -> Result<()> {
    let pair = Pair::start(Era::Modern).await?;
    let client = pair.modern();
    let call = || {
        client.request(1, "tools/call", json!({"name": "test_custom_header", "arguments": {"value": "v1"}}))
    };
    for (what, bad) in [("missing", call()), ("another value", call().header("mcp-param-value", "v2"))] {
        let reply = bad.send().await?;
        assert_eq!((reply.status, reply.error_code()?), (400, -32020), "{what}");
    }
    assert_eq!(text(&call().header("mcp-param-value", "v1").send().await?.result()?), "v1");
    let seen = pair.fixture.seen();
    let arrived = seen.iter().rfind(|seen| seen.body.contains("test_custom_header"));
    assert_eq!(arrived.and_then(|seen| seen.header("mcp-param-value")), Some("v1"));
    Ok(())
}

#[tokio::test]
async fn the_gateway_computes_parameter_headers_for_legacy_clients() -> Result<()> {
    let pair = Pair::start(Era::Modern).await?;
    let session = pair.session().await?;
    assert_eq!(text(&session.tool("test_custom_header", json!({"value": "naïve"})).await?), "naïve");
    Ok(())
}

#[tokio::test]
async fn unknown_and_removed_methods_are_404() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let client = pair.modern();
    let removed = [
        ("no/such/method", json!({})),
        ("ping", json!({})),
        ("logging/setLevel", json!({"level": "info"})),
        ("resources/subscribe", json!({"uri": "test://static-text"})),
        ("resources/unsubscribe", json!({"uri": "test://static-text"})),
        (
            "initialize",
            json!({"protocolVersion": MODERN, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}),
        ),
    ];
    for (method, params) in removed {
        let reply = client.call(method, params).await?;
        assert_eq!((reply.status, reply.error_code()?), (404, -32601), "{method}");
        assert_eq!(reply.message()?["id"], 7);
    }
    Ok(())
}

#[tokio::test]
async fn there_is_no_get_no_delete_and_no_session() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    for verb in ["GET", "DELETE"] {
        let call = pair.endpoint().call(verb).header("mcp-protocol-version", MODERN);
        let reply = call.header("accept", "text/event-stream").send().await?;
        assert_eq!(reply.status, 405, "{verb}");
    }
    let client = pair.modern();
    let call = client.request(1, "tools/list", json!({})).header("mcp-session-id", "made-up");
    let reply = call.send().await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("mcp-session-id"), None);
    Ok(())
}

#[tokio::test]
async fn who_likes_a_stream_best_gets_one_and_errors_keep_their_status() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let client = pair.modern();
    let ask = |method: &str| {
        client.request(1, method, json!({})).replace("accept", "text/event-stream, application/json")
    };
    let listed = ask("tools/list").send().await?;
    assert_eq!((listed.status, listed.is_stream(), listed.events().len()), (200, true, 1));
    ensure!(listed.result()?["tools"].is_array(), "{}", listed.text());
    let unknown = ask("no/such").send().await?;
    assert_eq!((unknown.status, unknown.is_stream(), unknown.error_code()?), (404, false, -32601));
    Ok(())
}

#[tokio::test]
async fn arrays_and_answers_are_refused_and_notifications_accepted() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let post = |body: Value| pair.endpoint().post(body).header("mcp-protocol-version", MODERN);
    let listed = request(1, "tools/list", json!({"_meta": meta(json!({}))}));
    assert_eq!(post(json!([listed])).header("mcp-method", "tools/list").send().await?.status, 400);
    assert_eq!(post(json!({"jsonrpc": "2.0", "id": 1, "result": {}})).send().await?.status, 400);
    let cancelled =
        notification("notifications/cancelled", json!({"requestId": 1, "_meta": meta(json!({}))}));
    let reply = post(cancelled).header("mcp-method", "notifications/cancelled").send().await?;
    assert_eq!((reply.status, reply.text().as_str()), (202, ""));
    Ok(())
}

#[tokio::test]
async fn streams_carry_no_event_ids_and_logs_only_when_asked() -> Result<()> {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
    let done = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[]}}"#;
    let events = [note, note, note, done].map(str::to_owned).to_vec();
    let backend = Hostile::legacy()
        .capabilities(json!({"tools": {}, "logging": {}}))
        .method("logging/setLevel", Behaviour::Result("{}".to_owned()))
        .tool("test_tool_with_logging", Behaviour::Events(events))
        .start()
        .await?;
    let fixture = FixtureServer::start(Era::Modern).await?;
    for url in [backend.url(), fixture.url()] {
        let gateway = Gateway::start(&corp(&[plain("backend", &url)])).await?;
        listed(&gateway.endpoint("corp"), &["test_tool_with_logging"]).await?;
        let client = Modern::new(&gateway.endpoint("corp"));
        let call =
            |metadata: Value| json!({"name": "test_tool_with_logging", "arguments": {}, "_meta": metadata});
        let quiet = client.call("tools/call", call(json!({}))).await?;
        assert_eq!(quiet.messages()?.len(), 1, "{url}: nobody asked for messages");
        let reply = client.call("tools/call", call(json!({format!("{K}/logLevel"): "debug"}))).await?;
        let logs = reply.messages()?.iter().filter(|one| one["method"] == "notifications/message").count();
        assert_eq!(logs, 3, "{url}");
        assert!(reply.is_stream());
        assert!(reply.events().iter().all(|event| event.id.is_none()), "{url}");
    }
    Ok(())
}

#[tokio::test]
async fn progress_arrives_while_the_call_runs() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let params = json!({
            "name": "fixture_slow",
            "arguments": {"steps": 3, "step_ms": 30},
            "_meta": {"progressToken": 12},
        });
        let reply = pair.modern().call("tools/call", params).await?;
        let progress = reply.messages()?.into_iter().filter(|one| one["method"] == "notifications/progress");
        let values: Vec<_> = progress
            .map(|one| (one["params"]["progressToken"].clone(), one["params"]["progress"].as_f64()))
            .collect();
        assert_eq!(values, [0.0, 50.0, 100.0].map(|value| (json!(12), Some(value))), "{era:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_away_cancels() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let params = json!({
            "name": "fixture_slow",
            "arguments": {"steps": 100_000, "step_ms": 20},
            "_meta": {"progressToken": "p"},
        });
        let mut stream = pair.modern().request(1, "tools/call", params).open().await?;
        stream.until("notifications/progress").await?;
        drop(stream);
        eventually("the backend's call is cancelled", || async {
            Ok((pair.fixture.stats().cancelled == 1).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_away_before_any_byte_cancels_too() -> Result<()> {
    let gate = Gate::default();
    let backend = Hostile::modern().tool("held", Behaviour::text("done").held(&gate)).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["held"]).await?;
    let call = Modern::new(&gateway.endpoint("corp")).request(
        1,
        "tools/call",
        json!({"name": "held", "arguments": {}}),
    );
    let leaving = tokio::spawn(async move { call.send().await });
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 1).await?;
    leaving.abort();
    backend.ledger().wait_for(|ledger| ledger.hung_up() == 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_missing_resource_has_the_modern_code_and_names_the_uri() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let reply = pair.modern().call("resources/read", json!({"uri": "test://no-such-thing"})).await?;
        assert_eq!(reply.error_code()?, -32602, "{era:?}");
        assert_eq!(reply.message()?["error"]["data"]["uri"], "test://no-such-thing", "{era:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_with_http_200() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let reply = pair.modern().call("tools/call", json!({"name": "no_such_tool", "arguments": {}})).await?;
    assert_eq!((reply.status, reply.error_code()?), (200, -32602));
    ensure!(reply.error_message()?.contains("no_such_tool"), "{}", reply.text());
    Ok(())
}

#[tokio::test]
async fn a_modern_backend_gets_the_clients_metadata_and_the_right_headers() -> Result<()> {
    let backend = Hostile::modern().tool("take", Behaviour::text("taken")).start().await?;
    let gateway = Gateway::start(&corp(&[e2e::prefixed("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["backend___take"]).await?;
    let capabilities = json!({"extensions": {"example.test/charts": {"version": 2}}});
    let client = Modern::with(&gateway.endpoint("corp"), capabilities.clone());
    let params = json!({
        "name": "backend___take",
        "arguments": {},
        "_meta": {"example.test/note": "kept", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    });
    client.call("tools/call", params).await?.result()?;
    let arrived = backend.ledger().calls("take").pop().ok_or_else(|| anyhow::anyhow!("nothing arrived"))?;
    assert_eq!(arrived.header("mcp-name"), Some("take"));
    assert_eq!(arrived.header("mcp-method"), Some("tools/call"));
    assert_eq!(arrived.header("mcp-protocol-version"), Some(MODERN));
    assert_eq!(arrived.header("mcp-session-id"), None);
    let metadata = arrived.message()["params"]["_meta"].clone();
    assert_eq!(metadata["example.test/note"], "kept");
    assert_eq!(metadata[format!("{K}/clientCapabilities")], capabilities);
    ensure!(
        metadata["traceparent"]
            .as_str()
            .is_some_and(|trace| trace.contains("0af7651916cd43dd8448eb211c80319c"))
    );
    Ok(())
}

#[tokio::test]
async fn both_eras_live_on_one_url_at_the_same_time() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let (session, client) = (pair.session().await?, pair.modern());
    let (legacy, modern) =
        tokio::join!(session.tool("greet", json!({"name": "L"})), client.tool("greet", json!({"name": "M"})));
    assert_eq!((text(&legacy?), text(&modern?)), ("Hello, L!", "Hello, M!"));
    let mismatch = Session::open(&pair.endpoint(), "2025-11-25").await?;
    assert_eq!(mismatch.version, "2025-11-25");
    Ok(())
}
