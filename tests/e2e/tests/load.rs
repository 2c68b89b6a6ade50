//! Many things at once: what holds, and what it costs. Numbers of speed belong to the benchmark.

use anyhow::{Context as _, Result, ensure};
use e2e::{corp, listed, plain, text};
use serde_json::json;
use testkit::client::{Modern, Session};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Gate, Hostile};

const STREAMS: usize = 1000;
const LARGE: usize = 10 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streaming_calls_hold() -> Result<()> {
    let gate = Gate::default();
    let note = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{token},"progress":1}}"#;
    let done = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"done"}]}}"#;
    let behaviour = Behaviour::EventsAround(vec![note.to_owned()], gate.clone(), vec![done.to_owned()]);
    let backend =
        Hostile::modern().tool("watched", behaviour).tool("quick", Behaviour::text("quick")).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["watched"]).await?;
    let (session, client) = (Session::open(&endpoint, "2025-11-25").await?, Modern::new(&endpoint));
    let mut streams = Vec::new();
    for at in 0..STREAMS {
        let params = json!({"name": "watched", "arguments": {}, "_meta": {"progressToken": at}});
        let call = if at % 2 == 0 {
            session.request(at, "tools/call", params)
        } else {
            client.request(at, "tools/call", params)
        };
        let mut stream = call.open().await?;
        let progress = stream.until("notifications/progress").await?;
        ensure!(progress["params"]["progressToken"] == at, "{progress}");
        streams.push(stream);
    }
    assert_eq!(text(&client.tool("quick", json!({})).await?), "quick", "there is room for more");
    gate.open();
    for (at, mut stream) in streams.into_iter().enumerate() {
        let last = stream.message().await?.with_context(|| format!("stream {at} ended without an answer"))?;
        ensure!(last["id"] == at && text(&last["result"]) == "done", "{last}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_result_in_flight_costs_less_than_three_times_its_size() -> Result<()> {
    let backend = Hostile::modern()
        .tool("json", Behaviour::Large(LARGE))
        .tool("event", Behaviour::LargeEvent(LARGE))
        .start()
        .await?;
    for tool in ["json", "event"] {
        let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
        listed(&gateway.endpoint("corp"), &[tool]).await?;
        let one = peak_with(&gateway, tool, 1).await?;
        let sixteen = peak_with(&gateway, tool, 16).await?;
        let each = sixteen.saturating_sub(one) / 15;
        ensure!(
            each < 3 * (LARGE as u64 / 1024),
            "{tool}: {each} KiB for each further one ({one}, {sixteen})"
        );
    }
    Ok(())
}

async fn peak_with(gateway: &Gateway, tool: &'static str, at_once: usize) -> Result<u64> {
    let calls: Vec<_> = (0..at_once)
        .map(|_| {
            let client = Modern::new(&gateway.endpoint("corp"));
            tokio::spawn(async move { client.tool(tool, json!({})).await })
        })
        .collect();
    for call in calls {
        assert_eq!(text(&call.await??).len(), LARGE);
    }
    gateway.memory_kib("VmHWM")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_calls_is_answered_each_with_its_own_result() -> Result<()> {
    let fixture = testkit::fixture::FixtureServer::start(testkit::fixture::Era::Dual).await?;
    let gateway = Gateway::start(&corp(&[plain("fixture", &fixture.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["fixture_echo"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    let calls: Vec<_> = (0..300_u32)
        .map(|at| {
            let params = json!({"name": "fixture_echo", "arguments": {"mine": at}});
            let call = if at % 2 == 0 {
                session.request(at, "tools/call", params)
            } else {
                // The same id from many clients at once.
                Modern::new(&endpoint).request(1, "tools/call", params)
            };
            tokio::spawn(async move { anyhow::Ok((at, call.send().await?.result()?)) })
        })
        .collect();
    for call in calls {
        let (at, result) = call.await??;
        assert_eq!(result["structuredContent"], json!({"mine": at}));
    }
    Ok(())
}
