//! What a client does not take, and what it keeps open, costs it its own share and nobody else anything.

use anyhow::{Result, ensure};
use e2e::{corp, eventually, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::{Call, Endpoint, Modern, Session, request};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Hostile};

/// More than the sockets between a client and the gateway hold.
const LARGE: usize = 24 * 1024 * 1024;
/// As often as it takes for a gateway to have noticed whatever there is to notice.
const OFTEN: usize = 20;

fn call(tool: &str) -> Value {
    json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": "p" } })
}

/// A gateway with a tool whose answer is large, one that says something before it, and one that is quick.
async fn large(limits: &str) -> Result<(Hostile, Gateway)> {
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{token},"progress":1}}"#;
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"content":[{{"type":"text","text":"{}"}}]}}}}"#,
        "x".repeat(LARGE)
    );
    let backend = Hostile::modern()
        .tool("large", Behaviour::Large(LARGE))
        .tool("streamed", Behaviour::Events(vec![progress.to_owned(), answer]))
        .tool("quick", Behaviour::text("quick"))
        .start()
        .await?;
    let sections = corp(&[plain("backend", &backend.url())]);
    let gateway = Gateway::start(&format!("limits: {{ {limits} }}\n{sections}")).await?;
    listed(&gateway.endpoint("corp"), &["large", "streamed", "quick"]).await?;
    Ok((backend, gateway))
}

async fn served_again(endpoint: &Endpoint) -> Result<()> {
    let client = Modern::new(endpoint);
    let reply = eventually("there is a place again", || async {
        let reply = client.call("tools/call", call("quick")).await?;
        Ok((reply.status == 200).then_some(reply))
    })
    .await?;
    assert_eq!(text(&reply.result()?), "quick");
    Ok(())
}

#[tokio::test]
async fn an_answer_that_nobody_takes_keeps_its_place() -> Result<()> {
    let (_backend, gateway) = large("in_flight: 1").await?;
    let endpoint = gateway.endpoint("corp");
    let (modern, legacy) = (Modern::new(&endpoint), Session::open(&endpoint, "2025-11-25").await?);
    let old = Session::open(&endpoint, "2025-03-26").await?;
    let batch = json!([request(1, "tools/call", call("large"))]);
    let calls: [(&str, Call); 6] = [
        ("modern", modern.request(1, "tools/call", call("large"))),
        ("modern, streamed", modern.request(1, "tools/call", call("streamed"))),
        ("legacy", legacy.request(1, "tools/call", call("large"))),
        ("legacy, streamed", legacy.request(2, "tools/call", call("streamed"))),
        ("batch", old.post(&batch)),
        ("batch, in one piece", old.post(&batch).replace("accept", "application/json")),
    ];
    for (how, large) in calls {
        let mut unread = large.open().await?;
        assert_eq!(unread.status, 200, "{how}");
        for _ in 0..OFTEN {
            let reply = modern.call("tools/call", call("quick")).await?;
            assert_eq!((reply.status, reply.error_code()?), (503, 1503), "{how}");
        }
        ensure!(unread.finish().await?.body.len() > LARGE, "{how}");
        served_again(&endpoint).await?;
        let dropped = large.open().await?;
        drop(dropped);
        served_again(&endpoint).await?;
    }
    Ok(())
}
