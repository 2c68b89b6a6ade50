//! What a server may not do: redirect, challenge, flood, compress, mumble.
#![allow(clippy::allow_attributes, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use portcullis_upstream::{Upstream, UpstreamError};
use serde_json::json;
use support::*;

fn small(server: &Server) -> Upstream {
    let limits = config::Limits { upstream_event: 4096, ..config::Limits::default() };
    Upstream::new("corp", target(&server.url, config::Era::Auto), deps_with(limits))
}

async fn failure(script: impl Fn(&Seen) -> Answer + Send + Sync + Clone + 'static) -> Vec<UpstreamError> {
    let mut failures = Vec::new();
    let copy = script.clone();
    for server in [Server::start(legacy(script)).await, Server::start(modern(copy)).await] {
        failures.push(call(&small(&server), &alice(), tool_call()).await.unwrap_err());
        assert_eq!(server.count("tools/call"), 1);
    }
    failures
}

#[tokio::test]
async fn huge_body_is_refused() {
    for failure in failure(|seen| json(200, &response(seen, &"x".repeat(5000)))).await {
        assert!(matches!(failure, UpstreamError::TooLarge(4096)), "{failure:?}");
    }
}

#[tokio::test]
async fn huge_event_is_refused() {
    for failure in failure(|seen| stream(&[response(seen, &"x".repeat(5000))])).await {
        assert!(matches!(failure, UpstreamError::TooLarge(4096)), "{failure:?}");
    }
}

#[tokio::test]
async fn many_small_events_pass() {
    let server = Server::start(legacy(|seen| {
        let mut messages = vec![json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "x".repeat(500) } }); 100];
        messages.push(response(seen, "done"));
        stream(&messages)
    }))
    .await;
    let (notifications, outcome) = call(&small(&server), &alice(), tool_call()).await.unwrap();
    assert_eq!((notifications.len(), text(&outcome)), (0, "done"));
}

#[tokio::test]
async fn redirect_is_refused() {
    for failure in failure(|_| status(307).header("location", "http://127.0.0.1:1/")).await {
        assert!(matches!(failure, UpstreamError::BrokeProtocol(_)), "{failure:?}");
    }
}

#[tokio::test]
async fn challenge_stays_here() {
    for (code, failures) in [(401, failure(|_| status(401)).await), (403, failure(|_| html(403)).await)] {
        for failure in failures {
            assert!(matches!(failure, UpstreamError::Unauthorized(seen) if seen == code), "{failure:?}");
            assert!(!failure.to_error("files").message.contains(&code.to_string()));
        }
    }
}

#[tokio::test]
async fn compressed_answer_is_refused() {
    for failure in failure(|seen| result(seen, json!({})).header("content-encoding", "gzip")).await {
        assert!(matches!(failure, UpstreamError::TooLarge(_)), "{failure:?}");
    }
}

#[tokio::test]
async fn mumbling_breaks_the_protocol() {
    let deep = || "[".repeat(100_000);
    for failures in [
        failure(|_| html(200)).await,
        failure(|_| status(202)).await,
        failure(|_| raw_json(200, "{\"jsonrpc\":".to_owned())).await,
        failure(|_| raw_json(200, r#"{"jsonrpc":"2.0","id":1,"result":1,"result":2}"#.to_owned())).await,
        failure(|_| raw_json(200, r#"{"tools":[]}"#.to_owned())).await,
        failure(|seen| result(seen, json!(1))).await,
        failure(|seen| stream(&[json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": null })])).await,
        failure(move |_| raw_json(200, format!("{:.4000}", deep()))).await,
        failure(|_| raw_stream("data: nonsense\n\n".to_owned())).await,
    ] {
        for failure in failures {
            assert!(matches!(failure, UpstreamError::BrokeProtocol(_)), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn overloaded_server_is_busy_and_broken_one_lost() {
    for failure in failure(|_| status(429)).await {
        assert!(matches!(failure, UpstreamError::Busy(_)), "{failure:?}");
    }
    for failure in failure(|_| html(502)).await {
        assert!(matches!(failure, UpstreamError::Lost(_)), "{failure:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/mcp").parse().unwrap();
    let upstream = Upstream::new("corp", target(&url, config::Era::Auto), deps());
    let failure = call(&upstream, &alice(), tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Unreachable(_)), "{failure:?}");
    assert!(failure.nothing_sent());
}

#[tokio::test]
async fn configured_header_is_sent_and_never_stands_in_for_the_protocols_own() {
    use secrecy::SecretString;
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let mut target = target(&server.url, config::Era::Legacy);
    let headers = [
        ("X-Api-Key", "k"),
        ("Accept", "text/plain"),
        ("Mcp-Session-Id", "stolen"),
        ("Accept-Encoding", "gzip"),
    ];
    let secret = |(name, value): (&str, &str)| (name.to_owned(), config::Secret(SecretString::from(value)));
    target.outbound = config::Outbound::Headers(headers.into_iter().map(secret).collect());
    let upstream = Upstream::new("corp", target, deps());
    call(&upstream, &alice(), tool_call()).await.unwrap();
    let sent = &server.of("tools/call")[0];
    assert_eq!(sent.header("x-api-key"), Some("k"));
    for (name, value) in [
        ("accept", "application/json, text/event-stream"),
        ("mcp-session-id", "s-1"),
        ("accept-encoding", "identity"),
    ] {
        let values: Vec<_> = sent.headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
}

#[tokio::test]
async fn server_that_needs_to_know_the_user_is_never_asked_without_one() {
    let server = Server::start(modern(|seen| result(seen, json!({})))).await;
    let mut target = target(&server.url, config::Era::Auto);
    target.outbound = config::Outbound::Assertion { audience: "files".to_owned() };
    let upstream = Upstream::new("corp", target, deps());
    assert!(matches!(upstream.facts(None).await, Err(UpstreamError::NoCredential(_))));
    assert!(server.seen().is_empty());
    for subject in ["alice", "bob"] {
        call(&upstream, &caller(subject, None), tool_call()).await.unwrap();
    }
    let shown: std::collections::HashSet<_> =
        server.of("tools/call").iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(shown.len(), 2);
}
