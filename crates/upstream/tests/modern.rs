//! Modern servers: headers, `_meta`, streams.
#![allow(clippy::allow_attributes, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::{Principal, Verified};
use mcp::{Method, Raw, TaskMethod};
use policy::Action;
use portcullis_upstream::{Call, Caller, Level, Logs, Upkeep, UpstreamError};
use serde_json::json;
use support::*;
use tokio_util::sync::CancellationToken;

const KEY: &str = "io.modelcontextprotocol";

#[tokio::test]
async fn request_says_who_asks_and_what() {
    let server = Server::start(modern(|seen| result(seen, json!({ "resultType": "complete" })))).await;
    let mut alice = alice();
    alice.era = mcp::Era::Modern;
    alice.capabilities = Raw::value(
        &json!({ "sampling": {}, "roots": {}, "extensions": { "a/b": {}, "io.modelcontextprotocol/tasks": {} } }),
    );
    alice.abilities = portcullis_upstream::Abilities::of(&alice.capabilities);
    let mut call_ = tool_call();
    call_.logs = Logs::From(Level::Error);
    call_.progress = Some(portcullis_upstream::ProgressToken::new(Raw::number(5)));
    call_.param_headers =
        vec![("Mcp-Param-Region".to_owned(), "eu".to_owned()), ("Authorization".to_owned(), "x".to_owned())];
    call_.params = params(
        &json!({ "name": "x", "_meta": { "traceparent": "00-1", "io.modelcontextprotocol/clientInfo": { "name": "liar" } } }),
    );
    call(&upstream(&server), &alice, call_).await.unwrap();
    let sent = &server.of("tools/call")[0];
    assert_eq!(sent.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(sent.header("mcp-method"), Some("tools/call"));
    assert_eq!(sent.header("mcp-name"), Some("read"));
    assert_eq!(sent.header("mcp-param-region"), Some("eu"));
    assert_eq!(sent.header("authorization"), None);
    assert_eq!(sent.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(sent.header("accept-encoding"), Some("identity"));
    assert_eq!(sent.header("mcp-session-id"), None);
    assert_eq!(sent.body["params"]["name"], "read");
    assert_eq!(sent.meta(&format!("{KEY}/protocolVersion")), "2026-07-28");
    assert_eq!(sent.meta(&format!("{KEY}/clientInfo"))["name"], "ide");
    assert_eq!(
        sent.meta(&format!("{KEY}/clientCapabilities")),
        &json!({ "roots": {}, "extensions": { "a/b": {}, "io.modelcontextprotocol/tasks": {} } })
    );
    assert_eq!(sent.meta(&format!("{KEY}/logLevel")), "error");
    assert_eq!(sent.meta("progressToken"), &sent.body["id"]);
    assert_eq!(sent.meta("traceparent"), "00-1");
    assert_eq!(server.count("initialize"), 0);
    assert_eq!(server.count("server/discover"), 1);
}

#[tokio::test]
async fn tasks_are_declared_for_a_legacy_client_where_they_can_be_waited_for() {
    let server = Server::start(modern(|seen| result(seen, json!({ "resultType": "complete" })))).await;
    let (upstream, alice) = (upstream(&server), alice());
    call(&upstream, &alice, tool_call()).await.unwrap();
    let get = Call { method: Method::Task(TaskMethod::Get), ..tool_call() };
    let permit = permit(&alice, Action::CallTool, "read").for_task("own").unwrap();
    upstream.dispatch(&permit, &alice, get).await.unwrap();
    let declared = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    for method in ["tools/call", "tasks/get"] {
        assert_eq!(server.of(method)[0].meta(&format!("{KEY}/clientCapabilities")), &declared, "{method}");
    }
    let sent = &server.of("tasks/get")[0];
    assert_eq!((sent.header("mcp-name"), &sent.body["params"]["taskId"]), (Some("own"), &json!("own")));
}

#[tokio::test]
async fn name_that_is_not_ascii_travels_encoded() {
    let server = Server::start(modern(|seen| result(seen, json!({})))).await;
    let upstream = upstream(&server);
    let alice = alice();
    let mut read = tool_call();
    read.method = Method::ReadResource;
    read.params = params(&json!({ "uri": "x" }));
    let permit = permit(&alice, Action::ReadResource, "file:///ä");
    upstream.dispatch(&permit, &alice, read).await.unwrap();
    assert_eq!(server.of("resources/read")[0].header("mcp-name"), Some("=?base64?ZmlsZTovLy/DpA==?="));
}

#[tokio::test]
async fn dropped_reply_closes_the_stream() {
    let gone = CancellationToken::new();
    let closed = gone.clone();
    let server = Server::start(modern(move |_| open_stream(&[], &gone))).await;
    let reply = dispatch(&upstream(&server), &alice(), tool_call()).await.unwrap();
    drop(reply);
    closed.cancelled().await;
    assert_eq!(server.count("notifications/cancelled"), 0);
}

#[tokio::test]
async fn server_may_not_ask_and_gets_no_answer() {
    let server = Server::start(modern(|seen| {
        stream(&[json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }), response(seen, "done")])
    }))
    .await;
    let upstream = upstream(&server);
    let (_, outcome) = call(&upstream, &alice(), tool_call()).await.unwrap();
    assert_eq!(text(&outcome), "done");
    upstream.upkeep(None, Upkeep::Ping).await.unwrap();
    assert!(server.seen().iter().all(|seen| !seen.method().is_empty()));
}

#[tokio::test]
async fn error_is_the_answer_whatever_the_status() {
    for (status, code) in
        [(400, -32602), (404, -32601), (400, -32020), (400, -32021), (500, -32603), (200, -32000)]
    {
        let server = Server::start(modern(move |seen| error(seen, status, code, "no"))).await;
        let (_, outcome) = call(&upstream(&server), &alice(), tool_call()).await.unwrap();
        assert_eq!(outcome["code"], code, "HTTP {status}");
        assert_eq!(server.count("tools/call"), 1);
    }
}

#[tokio::test]
async fn list_may_not_ask_for_input() {
    let server = Server::start(modern(|seen| {
        result(seen, json!({ "resultType": "input_required", "requestState": "x" }))
    }))
    .await;
    let list = Upkeep::List { kind: mcp::Kind::Tool, cursor: None };
    let failure = upstream(&server).upkeep(None, list).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::BrokeProtocol(_)), "{failure:?}");
}

#[tokio::test]
async fn permit_for_something_else_sends_nothing() {
    let server = Server::start(modern(|seen| result(seen, json!({})))).await;
    let upstream = upstream(&server);
    let (alice, bob) = (alice(), caller("bob", None));
    for permit in [permit(&bob, Action::CallTool, "read"), permit(&alice, Action::GetPrompt, "read")] {
        assert!(upstream.dispatch(&permit, &alice, tool_call()).await.unwrap_err().nothing_sent());
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn nothing_is_sent_for_a_caller_whose_credential_has_ended() {
    let server = Server::start(modern(|seen| result(seen, json!({})))).await;
    let ended_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let verified =
        Verified { subject: "alice".to_owned(), expires_at: Some(ended_at), ..Verified::default() };
    let alice = Caller { principal: Arc::new(Principal::from(verified)), ..alice() };
    let permit = permit(&alice, Action::CallTool, "read");
    let failure = upstream(&server).dispatch(&permit, &alice, tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Ended) && failure.nothing_sent(), "{failure:?}");
    assert!(server.seen().is_empty());
}
