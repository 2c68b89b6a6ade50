//! How a server's era is found out, remembered and found out again.
#![allow(clippy::allow_attributes, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mcp::Version;
use portcullis_upstream::{Upstream, UpstreamError};
use serde_json::json;
use support::*;

/// What a server answers to `server/discover`, and the era that follows.
#[tokio::test]
async fn answer_to_discover_decides() {
    type Discover = fn(&Seen) -> Answer;
    let unsupported = |seen: &Seen| {
        let error = json!({ "code": -32022, "message": "no", "data": { "supported": ["2025-11-25"], "requested": "2026-07-28" } });
        json(400, &json!({ "jsonrpc": "2.0", "id": seen.body["id"], "error": error }))
    };
    let table: [(&str, Discover, bool); 10] = [
        ("a discover result", |seen| result(seen, discovered()), true),
        (
            "a discover result on a stream",
            |seen| stream(&[json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": discovered() })]),
            true,
        ),
        ("header mismatch", |seen| error(seen, 400, -32020, "no"), true),
        ("missing capability", |seen| error(seen, 400, -32021, "no"), true),
        ("method not found", |seen| error(seen, 200, -32601, "no"), false),
        ("an old code for a session", |seen| error(seen, 400, -32001, "no session"), false),
        ("unsupported version, legacy offered", unsupported, false),
        ("a web page", |_| html(404), false),
        ("an empty 405", |_| status(405), false),
        ("a result that is none", |seen| result(seen, json!({ "ok": true })), false),
    ];
    for (what, discover, is_modern) in table {
        let server = Server::start(move |seen: &Seen| match seen.method() {
            "server/discover" => discover(seen),
            "initialize" => result(seen, initialized("2025-06-18")),
            "notifications/initialized" => status(202),
            _ => result(seen, json!({ "content": [] })),
        })
        .await;
        let upstream = upstream(&server);
        for _ in 0..3 {
            call(&upstream, &alice(), tool_call()).await.unwrap();
        }
        assert_eq!(server.count("initialize"), usize::from(!is_modern), "{what}");
        assert_eq!(server.count("server/discover"), 1, "{what}");
        let version = if is_modern { "2026-07-28" } else { "2025-06-18" };
        assert_eq!(server.of("tools/call")[2].header("mcp-protocol-version"), Some(version), "{what}");
    }
}

#[tokio::test]
async fn server_in_trouble_is_asked_again_next_time() {
    for trouble in [500, 401, 429] {
        let troubled = Arc::new(AtomicBool::new(true));
        let switch = troubled.clone();
        let server = Server::start(move |seen: &Seen| match seen.method() {
            _ if switch.load(Ordering::SeqCst) => status(trouble),
            "server/discover" => result(seen, discovered()),
            _ => result(seen, json!({})),
        })
        .await;
        let upstream = upstream(&server);
        call(&upstream, &alice(), tool_call()).await.unwrap_err();
        assert_eq!((server.count("server/discover"), server.count("initialize")), (1, 0), "HTTP {trouble}");
        troubled.store(false, Ordering::SeqCst);
        call(&upstream, &alice(), tool_call()).await.unwrap();
    }
}

#[tokio::test]
async fn configured_era_is_not_questioned() {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let upstream = Upstream::new("corp", target(&server.url, config::Era::Legacy), deps());
    call(&upstream, &alice(), tool_call()).await.unwrap();
    assert_eq!(server.count("server/discover"), 0);

    let server = Server::start(legacy(|seen| error(seen, 400, -32000, "no session"))).await;
    let upstream = Upstream::new("corp", target(&server.url, config::Era::Modern), deps());
    let (_, outcome) = call(&upstream, &alice(), tool_call()).await.unwrap();
    assert_eq!(outcome["code"], -32000);
    assert_eq!((server.count("initialize"), server.count("tools/call")), (0, 1));
}

#[tokio::test]
async fn many_callers_cause_one_question() {
    let server = Server::start(modern(|seen| result(seen, json!({})))).await;
    let upstream = upstream(&server);
    let calls: Vec<_> = (0..10)
        .map(|index| {
            let upstream = upstream.clone();
            tokio::spawn(async move {
                call(&upstream, &caller(&format!("user-{index}"), None), tool_call()).await.unwrap()
            })
        })
        .collect();
    for running in calls {
        running.await.unwrap();
    }
    assert_eq!(server.count("server/discover"), 1);
}

#[tokio::test]
async fn server_that_was_upgraded_is_found_out_again() {
    let upgraded = Arc::new(AtomicBool::new(false));
    let switch = upgraded.clone();
    let (old, new) = (
        legacy(|seen| result(seen, json!({ "era": "old" }))),
        modern(|seen| result(seen, json!({ "era": "new" }))),
    );
    let server = Server::start(move |seen: &Seen| match (switch.load(Ordering::SeqCst), seen.method()) {
        (false, _) => old(seen),
        // What it does with a session it never had: nothing.
        (true, "tools/call") if seen.header("mcp-method").is_none() => status(404),
        (true, _) => new(seen),
    })
    .await;
    let upstream = upstream(&server);
    assert_eq!(call(&upstream, &alice(), tool_call()).await.unwrap().1["era"], "old");
    upgraded.store(true, Ordering::SeqCst);
    assert_eq!(call(&upstream, &alice(), tool_call()).await.unwrap().1["era"], "new");
    assert_eq!(upstream.facts(Some(&alice())).await.unwrap().version, Version::NEWEST);
}

#[tokio::test]
async fn server_that_was_downgraded_is_found_out_again() {
    let downgraded = Arc::new(AtomicBool::new(false));
    let switch = downgraded.clone();
    let old = legacy(|seen| match seen.header("mcp-session-id") {
        None => error(seen, 400, -32000, "Bad Request: Mcp-Session-Id header is required"),
        Some(_) => result(seen, json!({ "era": "old" })),
    });
    let new = modern(|seen| result(seen, json!({ "era": "new" })));
    let server =
        Server::start(move |seen: &Seen| if switch.load(Ordering::SeqCst) { old(seen) } else { new(seen) })
            .await;
    let upstream = upstream(&server);
    assert_eq!(call(&upstream, &alice(), tool_call()).await.unwrap().1["era"], "new");
    downgraded.store(true, Ordering::SeqCst);
    assert_eq!(call(&upstream, &alice(), tool_call()).await.unwrap().1["era"], "old");
}

#[tokio::test]
async fn failure_is_shared_by_those_who_waited_for_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let server = Server::start(move |_: &Seen| {
        counter.fetch_add(1, Ordering::SeqCst);
        status(503)
    })
    .await;
    let upstream = upstream(&server);
    let (one, other) = (alice(), caller("bob", None));
    let (first, second) =
        tokio::join!(call(&upstream, &one, tool_call()), call(&upstream, &other, tool_call()));
    assert!(matches!((first, second), (Err(UpstreamError::Lost(_)), Err(UpstreamError::Lost(_)))));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn unknown_revision_is_not_spoken() {
    let server = Server::start(|seen: &Seen| match seen.method() {
        "initialize" => result(seen, initialized("1999-01-01")),
        _ => status(404),
    })
    .await;
    let failure = call(&upstream(&server), &alice(), tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::BrokeProtocol(_)), "{failure:?}");
    assert_eq!(server.count("tools/call"), 0);
}

#[tokio::test]
async fn server_of_2024_is_spoken_to_over_its_stream() {
    let (say, said) = tokio::sync::mpsc::channel(8);
    let said = std::sync::Mutex::new(Some(said));
    let server = Server::start(move |seen: &Seen| match (seen.verb.as_str(), seen.path.as_str()) {
        ("GET", "/mcp") => match said.lock().unwrap().take() {
            Some(said) => fed_stream("event: endpoint\ndata: /messages?s=1\n\n", said),
            None => status(503),
        },
        ("POST", "/messages?s=1") => {
            let answer = match seen.method() {
                "initialize" => {
                    json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": initialized("2024-11-05") })
                }
                "notifications/initialized" => return status(202),
                _ => response(seen, "over the stream"),
            };
            say.try_send(format!("event: message\ndata: {answer}\n\n")).unwrap();
            status(202)
        }
        _ => status(404),
    })
    .await;
    let upstream = upstream(&server);
    for _ in 0..2 {
        let (_, outcome) = call(&upstream, &alice(), tool_call()).await.unwrap();
        assert_eq!(text(&outcome), "over the stream");
    }
    assert_eq!(upstream.facts(Some(&alice())).await.unwrap().version, Version::V2024_11_05);
    assert_eq!(server.of("tools/call")[1].header("mcp-protocol-version"), None);
    assert_eq!(server.seen().iter().filter(|seen| seen.verb == "GET").count(), 1);
    upstream.shutdown().await;
}

#[tokio::test]
async fn server_that_refuses_every_call_is_not_found_out_again_each_time() {
    let server = Server::start(modern(|seen| error(seen, 400, -32000, "no"))).await;
    let upstream = upstream(&server);
    for _ in 0..5 {
        let (_, outcome) = call(&upstream, &alice(), tool_call()).await.unwrap();
        assert_eq!(outcome["code"], -32000);
    }
    assert_eq!((server.count("tools/call"), server.count("server/discover")), (5, 2));
}

#[tokio::test]
async fn wrong_path_is_asked_about() {
    let server = Server::start(|_: &Seen| status(404)).await;
    let failure = call(&upstream(&server), &alice(), tool_call()).await.unwrap_err();
    assert!(failure.to_string().ends_with("is the path right? most servers are at `/mcp`"), "{failure}");
}
