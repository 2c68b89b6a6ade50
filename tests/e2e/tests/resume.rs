//! Streams of legacy clients that break and are taken up: nothing is missing, nothing comes twice, and where that cannot be
//! promised the answer is 404.

use anyhow::{Context as _, Result, ensure};
use e2e::{Pair, corp, corp_with, listed, plain};
use serde_json::{Value, json};
use testkit::client::{Session, Streaming};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Gate, Hostile};
use testkit::idp::Idp;
use testkit::sse::Event;

const AUDIENCE: &str = "https://mcp.example.test/corp/mcp";

fn progress(step: u32, filling: usize) -> String {
    let filling = "x".repeat(filling);
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{{token}},"progress":{step},"message":"{filling}"}}}}"#
    )
}

fn answer() -> String {
    r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"the true answer"}]}}"#
        .to_owned()
}

/// A server whose tool says something before the gate and the rest after it.
async fn backend(gate: &Gate, filling: usize) -> Result<Hostile> {
    let rest = vec![progress(2, filling), progress(3, filling), answer()];
    let told = Behaviour::EventsAround(vec![progress(1, filling)], gate.clone(), rest);
    Hostile::legacy().tool("told", told).start().await
}

fn call(session: &Session) -> testkit::client::Call {
    session.request(
        1,
        "tools/call",
        json!({ "name": "told", "arguments": {}, "_meta": { "progressToken": "p" } }),
    )
}

fn resume(session: &Session, from: &str) -> testkit::client::Call {
    session.stream().header("last-event-id", from)
}

async fn next(stream: &mut Streaming) -> Result<Event> {
    stream.event().await?.context("the stream ended")
}

/// The steps and the answer among events.
fn said(events: &[Event]) -> Vec<String> {
    let messages = events.iter().filter_map(|event| serde_json::from_str::<Value>(&event.data).ok());
    messages
        .map(|message| match message.pointer("/params/progress") {
            Some(step) => step.to_string(),
            None => message["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

async fn rest(mut stream: Streaming) -> Result<Vec<Event>> {
    assert_eq!(stream.status, 200);
    let mut events = Vec::new();
    while let Some(event) = stream.event().await? {
        events.push(event);
    }
    Ok(events)
}

#[tokio::test]
async fn a_call_cut_in_the_middle_is_taken_up_without_gap_or_repetition() -> Result<()> {
    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let gate = Gate::default();
        let backend = backend(&gate, 0).await?;
        let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
        listed(&gateway.endpoint("corp"), &["told"]).await?;
        let session = Session::open(&gateway.endpoint("corp"), version).await?;
        let mut stream = call(&session).open().await?;
        let mut first = next(&mut stream).await?;
        if version == "2025-11-25" && first.data.is_empty() {
            ensure!(first.id.is_some() && first.retry.is_some(), "{first:?}");
            first = next(&mut stream).await?;
        }
        assert_eq!(said(std::slice::from_ref(&first)), ["1"], "{version}");
        let from = first.id.context("an event without id")?;
        drop(stream);
        gate.open();
        let events = rest(resume(&session, &from).open().await?).await?;
        assert_eq!(said(&events), ["2", "3", "the true answer"], "{version}");
        let mut ids: Vec<_> = events.iter().filter_map(|event| event.id.clone()).chain([from]).collect();
        assert_eq!(ids.len(), 4);
        let from_second = ids[0].clone();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4, "ids are unique");
        let events = rest(resume(&session, &from_second).open().await?).await?;
        assert_eq!(said(&events), ["3", "the true answer"], "{version}: from where it was told");
        assert_eq!(backend.ledger().calls("told").len(), 1, "nothing was sent twice");
        assert_eq!(backend.ledger().hung_up(), 0, "nothing was cancelled");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_is_taken_up_while_it_runs() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(&gate, 0).await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["told"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-06-18").await?;
    let mut stream = call(&session).open().await?;
    let from = next(&mut stream).await?.id.context("an event without id")?;
    // Taken over while the first one still reads, and then once more.
    let first = resume(&session, &from).open().await?;
    while stream.event().await?.is_some() {}
    let second = resume(&session, &from).open().await?;
    assert_eq!(said(&rest(first).await?), Vec::<String>::new());
    gate.open();
    assert_eq!(said(&rest(second).await?), ["2", "3", "the true answer"]);
    Ok(())
}

#[tokio::test]
async fn a_stream_without_a_message_can_be_taken_up_too() -> Result<()> {
    let gate = Gate::default();
    let backend = Hostile::legacy().tool("told", Behaviour::text("late").held(&gate)).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["told"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let mut stream = call(&session).open().await?;
    let primed = next(&mut stream).await?;
    ensure!(primed.data.is_empty() && primed.retry.is_some(), "{primed:?}");
    drop(stream);
    gate.open();
    let events = rest(resume(&session, &primed.id.context("no id")?).open().await?).await?;
    assert_eq!(said(&events), ["late"]);
    Ok(())
}

#[tokio::test]
async fn beyond_the_window_the_answer_is_404() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(&gate, 3000).await?;
    let limits = "limits: { resume_bytes: 4KiB }\n";
    let gateway = Gateway::start(&format!("{limits}{}", corp(&[plain("backend", &backend.url())]))).await?;
    listed(&gateway.endpoint("corp"), &["told"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-06-18").await?;
    let mut stream = call(&session).open().await?;
    let first = next(&mut stream).await?.id.context("no id")?;
    gate.open();
    let events = rest(stream).await?;
    assert_eq!(said(&events), ["2", "3", "the true answer"], "who reads on misses nothing");
    let unknown = session.named("never-issued");
    let gone = resume(&session, &first).send().await?;
    assert_eq!(gone.fingerprint(), unknown.stream().send().await?.fingerprint());
    let second = events[0].id.clone().context("no id")?;
    let kept = rest(resume(&session, &second).open().await?).await?;
    assert_eq!(said(&kept), ["3", "the true answer"], "what is kept has no gap");
    assert_eq!(session.call("ping", json!({})).await?.status, 200, "the session goes on");
    Ok(())
}

#[tokio::test]
async fn an_event_id_leads_nowhere_but_in_its_own_session() -> Result<()> {
    let (idp, gate) = (Idp::start().await?, Gate::default());
    let backend = backend(&gate, 0).await?;
    let inbound = format!(
        "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [\"{AUDIENCE}\"] }} }}\n    streaming: true\n    sessions: {{}}\n",
        idp.issuer(),
        idp.jwks_uri()
    );
    let gateway = Gateway::start(&corp_with(&inbound, &[plain("backend", &backend.url())])).await?;
    let user = |name: &str| gateway.endpoint("corp").as_bearer(&idp.token(name, AUDIENCE));
    listed(&user("alice"), &["told"]).await?;
    let alice = Session::open(&user("alice"), "2025-06-18").await?;
    let mut stream = call(&alice).open().await?;
    let from = next(&mut stream).await?.id.context("no id")?;
    let bob = Session::open(&user("bob"), "2025-06-18").await?;
    let second_of_alice = Session::open(&user("alice"), "2025-06-18").await?;
    let stolen = bob.named(alice.id.as_deref().unwrap_or_default());
    let unknown = bob.named("never-issued");
    let nothing = unknown.stream().send().await?.fingerprint();
    for session in [&bob, &second_of_alice, &stolen] {
        assert_eq!(resume(session, &from).send().await?.fingerprint(), nothing);
    }
    for made_up in ["1", "0", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &from[1..]] {
        assert_eq!(resume(&alice, made_up).send().await?.fingerprint(), nothing, "{made_up:?}");
    }
    gate.open();
    assert_eq!(said(&rest(stream).await?), ["2", "3", "the true answer"], "the owner is undisturbed");
    Ok(())
}

#[tokio::test]
async fn the_sessions_own_stream_is_taken_up_without_gap_or_repetition() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let (session, modern) = (pair.session().await?, pair.modern());
    let uris = ["test://watched-resource", "test://static-text", "test://static-binary"];
    for uri in uris {
        session.call("resources/subscribe", json!({ "uri": uri })).await?.result()?;
    }
    let mut stream = session.stream().open().await?;
    let primed = next(&mut stream).await?;
    ensure!(primed.data.is_empty() && primed.id.is_some() && primed.retry.is_some(), "{primed:?}");
    let mut told = Vec::new();
    for uri in uris {
        modern.tool("fixture_update_resource", json!({ "uri": uri })).await?;
        told.push(next(&mut stream).await?);
    }
    drop(stream);
    modern.tool("fixture_update_resource", json!({ "uri": uris[0] })).await?;
    let from = told[0].id.clone().context("no id")?;
    let mut stream = resume(&session, &from).open().await?;
    let mut again = Vec::new();
    for _ in 0..3 {
        let event: Value = serde_json::from_str(&next(&mut stream).await?.data)?;
        again.push(event["params"]["uri"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(again, [uris[1], uris[2], uris[0]], "what came after, and what came meanwhile");
    Ok(())
}

#[tokio::test]
async fn a_modern_client_has_nothing_to_take_up() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let gateway = Gateway::start(&corp(&[plain("fixture", &fixture.url())])).await?;
    listed(&gateway.endpoint("corp"), &["fixture_slow"]).await?;
    let client = testkit::client::Modern::new(&gateway.endpoint("corp"));
    let params =
        json!({ "name": "fixture_slow", "arguments": { "steps": 3 }, "_meta": { "progressToken": 1 } });
    let reply = client.request(1, "tools/call", params).header("last-event-id", "x").send().await?;
    ensure!(reply.is_stream() && reply.events().iter().all(|event| event.id.is_none()));
    Ok(())
}
