//! The feed of changed lists.
#![allow(clippy::allow_attributes, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use mcp::Kind;
use serde_json::json;
use support::*;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn legacy_get_stream_tells_what_changed() {
    let gone = CancellationToken::new();
    let inner = legacy(|seen| result(seen, json!({})));
    let open = gone.clone();
    let server = Server::start(move |seen: &Seen| match seen.verb.as_str() {
        "GET" => open_stream(
            &[
                json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }),
                notification("notifications/prompts/list_changed", json!({})),
                notification("notifications/tools/list_changed", json!({})),
            ],
            &open,
        ),
        _ if seen.method().is_empty() => status(202),
        _ => inner(seen),
    })
    .await;
    let upstream = upstream(&server);
    let (changed, mut changes) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let feed = tokio::spawn({
        let (upstream, stop) = (upstream.clone(), stop.clone());
        async move { upstream.feed(changed, stop).await }
    });
    assert_eq!(changes.recv().await, Some(Kind::Tool), "prompts were not declared");
    server
        .until("the ping is answered", |seen| seen.iter().any(|seen| seen.body["result"] == json!({})))
        .await;
    stop.cancel();
    feed.await.unwrap();
    gone.cancelled().await;
    let get = server.seen().into_iter().find(|seen| seen.verb == "GET").unwrap();
    assert_eq!(get.header("mcp-session-id"), Some("s-1"));
    assert_eq!(get.header("accept"), Some("text/event-stream"));
}

#[tokio::test]
async fn modern_subscription_tells_what_changed() {
    let gone = CancellationToken::new();
    let server = Server::start(modern(move |seen| {
        let id = &seen.body["id"];
        let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
        open_stream(
            &[
                notification(
                    "notifications/subscriptions/acknowledged",
                    json!({ "_meta": meta, "notifications": { "toolsListChanged": true } }),
                ),
                notification("notifications/tools/list_changed", json!({ "_meta": meta })),
            ],
            &gone,
        )
    }))
    .await;
    let upstream = upstream(&server);
    let (changed, mut changes) = mpsc::channel(8);
    let feed = tokio::spawn(async move { upstream.feed(changed, CancellationToken::new()).await });
    assert_eq!(changes.recv().await, Some(Kind::Tool));
    assert_eq!(
        server.of("subscriptions/listen")[0].body["params"]["notifications"],
        json!({ "toolsListChanged": true })
    );
    drop(changes);
    feed.await.unwrap();
}

#[tokio::test]
async fn a_feed_that_ends_is_taken_up_where_it_ended() {
    let gone = CancellationToken::new();
    let inner = legacy(|seen| result(seen, json!({})));
    let server = Server::start(move |seen: &Seen| match (seen.verb.as_str(), seen.header("last-event-id")) {
        ("GET", None) => raw_stream(format!(
            "id: e1\nretry: 100\ndata: \n\nid: e2\ndata: {}\n\n",
            notification("notifications/tools/list_changed", json!({}))
        )),
        ("GET", Some(_)) => {
            open_stream(&[notification("notifications/tools/list_changed", json!({}))], &gone)
        }
        _ if seen.method().is_empty() => status(202),
        _ => inner(seen),
    })
    .await;
    let upstream = upstream(&server);
    let (changed, mut changes) = mpsc::channel(8);
    let feed = tokio::spawn(async move { upstream.feed(changed, CancellationToken::new()).await });
    for _ in 0..2 {
        assert_eq!(changes.recv().await, Some(Kind::Tool));
    }
    let gets: Vec<_> = server.seen().into_iter().filter(|seen| seen.verb == "GET").collect();
    assert_eq!((gets[0].header("last-event-id"), gets[1].header("last-event-id")), (None, Some("e2")));
    assert_eq!(server.count("initialize"), 1, "in the same session");
    drop(changes);
    feed.await.unwrap();
}
