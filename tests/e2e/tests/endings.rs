//! The end of the process: what is in progress is finished and recorded, what is idle does not hold it up, and who is
//! in a hurry says so twice.

use anyhow::{Context as _, Result, ensure};
use e2e::audit::outcomes;
use e2e::{corp, eventually, listed, plain, target, text};
use serde_json::{Value, json};
use testkit::client::{Endpoint, Modern, Session, Streaming, notification, request};
use testkit::gateway::Gateway;
use testkit::hostile::{Arrival, Behaviour, Builder, Gate, Hostile};

const ALL_ANSWERED: &str = "stopped; every request was answered";

/// A backend with a tool that waits at the gate, behind a gateway with these limits.
async fn start(builder: Builder, gate: &Gate, drain: &str) -> Result<(Hostile, Gateway)> {
    let backend = builder.tool("held", Behaviour::text("done").held(gate)).start().await?;
    let sections = corp(&[plain("backend", &backend.url())]);
    let gateway = Gateway::start(&format!("limits: {{ drain: {drain} }}\n{sections}")).await?;
    listed(&gateway.endpoint("corp"), &["held"]).await?;
    Ok((backend, gateway))
}

fn call() -> Value {
    json!({"name": "held", "arguments": {}})
}

/// Sends SIGTERM and waits until the data plane takes no connections any more.
async fn stopping(gateway: &Gateway) -> Result<()> {
    gateway.ask_to_stop().await?;
    gateway.wait_for_log(|log| log.contains("stopping: no new requests")).await?;
    eventually("no connection is taken", || async {
        Ok(tokio::net::TcpStream::connect(gateway.address()).await.is_err().then_some(()))
    })
    .await
}

/// Asks so often that a process which had nothing to wait for would be gone.
async fn still_there(gateway: &mut Gateway) -> Result<()> {
    let ready = gateway.admin().at("/readyz").call("GET");
    let alive = gateway.admin().at("/healthz").call("GET");
    for _ in 0..50 {
        ensure!(gateway.is_alive(), "it did not wait:\n{}", gateway.log());
        let gone = "the admin listener went before the process";
        assert_eq!(ready.send().await.context(gone)?.status, 503);
        assert_eq!(alive.send().await.context(gone)?.status, 200);
    }
    Ok(())
}

fn session_of(arrival: &Arrival) -> Option<String> {
    arrival.header("mcp-session-id").map(str::to_owned)
}

/// A 2024-11-05 client: its stream, and where its messages go.
async fn open_stream(endpoint: &Endpoint) -> Result<(Streaming, Endpoint)> {
    let mut stream =
        endpoint.at("/corp/sse").call("GET").header("accept", "text/event-stream").open().await?;
    let first = stream.event().await?.context("no endpoint event")?;
    let messages = endpoint.at(&first.data);
    messages.post(Session::initialize("2024-11-05", json!({}))).send().await?;
    ensure!(stream.message().await?.context("no answer")?["id"] == "init");
    messages.post(notification("notifications/initialized", json!({}))).send().await?;
    Ok((stream, messages))
}

#[tokio::test]
async fn a_call_whose_client_has_left_is_carried_to_its_end_and_recorded() -> Result<()> {
    for builder in [Hostile::legacy(), Hostile::modern()] {
        let gate = Gate::default();
        let (backend, mut gateway) = start(builder, &gate, "10m").await?;
        let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
        let held = session.request(1, "tools/call", call());
        let leaving = tokio::spawn(async move { held.send().await });
        backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 1).await?;
        leaving.abort();
        stopping(&gateway).await?;
        still_there(&mut gateway).await?;
        assert_eq!(backend.ledger().hung_up(), 0, "the backend is still at work");
        gate.open();
        assert!(gateway.ended().await?.success());
        gateway.wait_for_log(|log| log.contains(ALL_ANSWERED)).await?;
        assert_eq!(outcomes(&gateway.log(), "tools/call"), ["ok"], "{}", gateway.log());
    }
    Ok(())
}

#[tokio::test]
async fn a_call_whose_client_waits_is_answered_on_a_stream_that_has_begun() -> Result<()> {
    let gate = Gate::default();
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{token},"progress":1}}"#;
    let result = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"late"}]}}"#;
    let around = Behaviour::EventsAround(vec![progress.to_owned()], gate.clone(), vec![result.to_owned()]);
    let (_backend, mut gateway) = start(Hostile::modern().tool("streams", around), &gate, "10m").await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let params = json!({"name": "streams", "arguments": {}, "_meta": {"progressToken": "p"}});
    let mut legacy = session.request(1, "tools/call", params.clone()).open().await?;
    let mut modern = Modern::new(&gateway.endpoint("corp")).request(1, "tools/call", params).open().await?;
    for stream in [&mut legacy, &mut modern] {
        stream.until("notifications/progress").await?;
    }
    stopping(&gateway).await?;
    gate.open();
    for stream in [&mut legacy, &mut modern] {
        assert_eq!(text(&stream.message().await?.context("ended early")?["result"]), "late");
    }
    assert!(gateway.ended().await?.success());
    gateway.wait_for_log(|log| log.contains(ALL_ANSWERED)).await?;
    assert_eq!(outcomes(&gateway.log(), "tools/call"), ["ok", "ok"]);
    Ok(())
}

#[tokio::test]
async fn a_call_on_a_target_that_was_replaced_is_answered_too() -> Result<()> {
    for builder in [Hostile::legacy(), Hostile::modern()] {
        let gate = Gate::default();
        let (backend, mut gateway) = start(builder, &gate, "10m").await?;
        let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
        let waiting = [
            session.request(1, "tools/call", call()),
            Modern::new(&gateway.endpoint("corp")).request(1, "tools/call", call()),
        ]
        .map(|call| tokio::spawn(async move { call.send().await }));
        backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 2).await?;
        let settings = format!("mcp: {{ url: \"{}\" }}, prefix: none, call_timeout: 4m", backend.url());
        let replaced = corp(&[target("backend", &settings)]);
        gateway.rewrite(&format!("limits: {{ drain: 10m }}\n{replaced}"))?;
        gateway.wait_for_log(|log| log.contains("configuration taken over")).await?;
        stopping(&gateway).await?;
        still_there(&mut gateway).await?;
        let held = backend.ledger().calls("held");
        let ended = backend.ledger().of("DELETE");
        let within = |call: &Arrival| {
            ended.iter().any(|end| session_of(end).is_some() && session_of(end) == session_of(call))
        };
        ensure!(!held.iter().any(within), "a session was ended under a running call");
        gate.open();
        for call in waiting {
            assert_eq!(text(&call.await??.result()?), "done");
        }
        assert!(gateway.ended().await?.success());
        gateway.wait_for_log(|log| log.contains(ALL_ANSWERED)).await?;
        assert_eq!(outcomes(&gateway.log(), "tools/call"), ["ok", "ok"]);
    }
    Ok(())
}

#[tokio::test]
async fn an_idle_stream_does_not_hold_up_the_end() -> Result<()> {
    let (_backend, mut gateway) = start(Hostile::modern(), &Gate::default(), "10m").await?;
    let (mut stream, _messages) = open_stream(&gateway.endpoint("corp")).await?;
    gateway.ask_to_stop().await?;
    assert_eq!(stream.event().await?, None, "the stream ends");
    assert!(gateway.ended().await?.success());
    gateway.wait_for_log(|log| log.contains(ALL_ANSWERED)).await?;
    ensure!(!gateway.log().contains("requests.cut"), "{}", gateway.log());
    Ok(())
}

#[tokio::test]
async fn a_stream_on_which_a_call_runs_gets_its_answer_before_the_end() -> Result<()> {
    let gate = Gate::default();
    let (backend, mut gateway) = start(Hostile::modern(), &gate, "10m").await?;
    let (mut stream, messages) = open_stream(&gateway.endpoint("corp")).await?;
    messages.post(request("last", "tools/call", call())).send().await?;
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 1).await?;
    stopping(&gateway).await?;
    still_there(&mut gateway).await?;
    gate.open();
    let answer = stream.message().await?.context("the stream ended without an answer")?;
    assert_eq!((answer["id"].as_str(), text(&answer["result"])), (Some("last"), "done"));
    assert_eq!(stream.event().await?, None);
    assert!(gateway.ended().await?.success());
    gateway.wait_for_log(|log| log.contains(ALL_ANSWERED)).await?;
    assert_eq!(outcomes(&gateway.log(), "tools/call"), ["ok"]);
    Ok(())
}

#[tokio::test]
async fn a_second_signal_stops_at_once() -> Result<()> {
    let (backend, mut gateway) = start(Hostile::modern(), &Gate::default(), "1h").await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let legacy = session.request(1, "tools/call", call());
    let modern = Modern::new(&gateway.endpoint("corp")).request(1, "tools/call", call());
    let waiting = [legacy, modern].map(|call| tokio::spawn(async move { call.send().await }));
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 2).await?;
    stopping(&gateway).await?;
    still_there(&mut gateway).await?;
    gateway.ask_to_stop().await?;
    assert!(gateway.ended().await?.success());
    gateway.wait_for_log(|log| log.contains("stopping at once") && log.contains("requests.cut")).await?;
    for call in waiting {
        ensure!(call.await?.is_err(), "its connection was cut");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_that_outlasts_the_grace_period_is_cut_and_said_to_be() -> Result<()> {
    let (backend, mut gateway) = start(Hostile::modern(), &Gate::default(), "1s").await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let held = session.request(1, "tools/call", call());
    let leaving = tokio::spawn(async move { held.send().await });
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 1).await?;
    leaving.abort();
    gateway.ask_to_stop().await?;
    assert!(gateway.ended().await?.success());
    gateway.wait_for_log(|log| log.contains("\"requests.cut\":1")).await?;
    Ok(())
}

#[tokio::test]
async fn calls_that_wait_for_their_clients_are_cancelled_at_their_server() -> Result<()> {
    let question = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{}}}}"#;
    let asks = Behaviour::EventsThenSilence(vec![question.to_owned()]);
    let (backend, mut gateway) = start(Hostile::legacy().tool("asks", asks), &Gate::default(), "1m").await?;
    let client = Modern::with(&gateway.endpoint("corp"), json!({"elicitation": {"form": {}}}));
    for _ in 0..60 {
        let waits = client.call("tools/call", json!({"name": "asks", "arguments": {}})).await?.result()?;
        assert_eq!(waits["resultType"], "input_required", "{waits}");
    }
    gateway.ask_to_stop().await?;
    assert!(gateway.ended().await?.success());
    let ledger = backend.ledger();
    assert_eq!((ledger.calls("asks").len(), ledger.of("notifications/cancelled").len()), (60, 60));
    let dismissed = |seen: &&Arrival| seen.body.contains("\"action\":\"cancel\"");
    assert_eq!(ledger.arrivals().iter().filter(dismissed).count(), 60);
    Ok(())
}

#[tokio::test]
async fn sessions_with_servers_end_with_the_process() -> Result<()> {
    let backend = Hostile::legacy().tool("quick", Behaviour::text("quick")).start().await?;
    let mut gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["quick"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    session.tool("quick", json!({})).await?;
    Modern::new(&gateway.endpoint("corp")).tool("quick", json!({})).await?;
    let used: Vec<_> = backend.ledger().calls("quick").iter().filter_map(session_of).collect();
    assert_eq!(used.len(), 2);
    gateway.ask_to_stop().await?;
    assert!(gateway.ended().await?.success());
    let ended: Vec<_> = backend.ledger().of("DELETE").iter().filter_map(session_of).collect();
    for id in used {
        ensure!(ended.contains(&id), "{id} in {ended:?}");
    }
    Ok(())
}
