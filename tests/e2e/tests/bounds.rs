//! What is open has a bound: requests in progress, in all and of one principal, and sessions. A place is held until its
//! call has ended, also when its client has left.

use anyhow::{Context as _, Result, ensure};
use e2e::{corp, corp_with, listed, plain, served_again, text};
use serde_json::{Value, json};
use testkit::client::{Endpoint, Modern, Reply, Session, Streaming, request};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Gate, Hostile};
use testkit::idp::Idp;
use tokio::task::JoinHandle;

const AUDIENCE: &str = "e2e";
/// As often as it takes for a gateway to have noticed whatever there is to notice.
const OFTEN: usize = 50;

/// A backend with a tool that waits and one that does not, behind a gateway that knows its callers.
struct Site {
    backend: Hostile,
    gate: Gate,
    idp: Idp,
    gateway: Gateway,
}

impl Site {
    async fn start(limits: &str) -> Result<Self> {
        let (idp, gate) = (Idp::start().await?, Gate::default());
        let backend = backend(&gate).await?;
        let inbound = format!(
            "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [{AUDIENCE}] }} }}\n",
            idp.issuer(),
            idp.jwks_uri()
        );
        let settings = format!("{inbound}    streaming: true\n    sessions: {{}}\n");
        let sections = corp_with(&settings, &[plain("backend", &backend.url())]);
        let gateway = Gateway::start(&format!("limits: {{ {limits} }}\n{sections}")).await?;
        let site = Self { backend, gate, idp, gateway };
        listed(&site.user("alice"), &["held", "quick"]).await?;
        Ok(site)
    }

    fn user(&self, name: &str) -> Endpoint {
        self.gateway.endpoint("corp").as_bearer(&self.idp.token(name, AUDIENCE))
    }
}

async fn backend(gate: &Gate) -> Result<Hostile> {
    let held = Behaviour::text("done").held(gate);
    Hostile::modern().tool("held", held).tool("quick", Behaviour::text("quick")).start().await
}

/// A gateway for everybody.
async fn open_to_all(limits: &str, backend: &Hostile) -> Result<Gateway> {
    let sections = corp(&[plain("backend", &backend.url())]);
    let gateway = Gateway::start(&format!("limits: {{ {limits} }}\n{sections}")).await?;
    listed(&gateway.endpoint("corp"), &["held", "quick"]).await?;
    Ok(gateway)
}

fn call(tool: &str) -> Value {
    json!({"name": tool, "arguments": {}})
}

/// Starts a call that waits at the gate.
fn held(session: &Session, id: u64) -> JoinHandle<Result<Reply>> {
    let call = session.request(id, "tools/call", call("held"));
    tokio::spawn(async move { call.send().await })
}

async fn arrived(backend: &Hostile, count: usize) -> Result<()> {
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == count).await
}

#[tokio::test]
async fn a_call_whose_client_has_left_keeps_its_place_until_it_ends() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(&gate).await?;
    let gateway = open_to_all("in_flight: 2", &backend).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    for id in 1..=2 {
        let leaving = held(&session, id);
        arrived(&backend, id as usize).await?;
        leaving.abort();
    }
    let client = Modern::new(&gateway.endpoint("corp"));
    for _ in 0..OFTEN {
        let modern = client.call("tools/call", call("quick")).await?;
        let legacy = session.call("tools/call", call("quick")).await?;
        for reply in [modern, legacy] {
            assert_eq!((reply.status, reply.error_code()?), (503, 1503), "{}", reply.text());
            ensure!(reply.header("retry-after").is_some(), "{:?}", reply.headers);
        }
    }
    ensure!(backend.ledger().calls("quick").is_empty());
    gate.open();
    served_again(&client).await
}

#[tokio::test]
async fn a_modern_call_whose_client_has_left_gives_its_place_back() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(&gate).await?;
    let gateway = open_to_all("in_flight: 1", &backend).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    for count in 1..=3 {
        let leaving = client.request(count, "tools/call", call("held"));
        let leaving = tokio::spawn(async move { leaving.send().await });
        arrived(&backend, count).await?;
        assert_eq!(client.call("tools/list", json!({})).await?.status, 503);
        leaving.abort();
        served_again(&client).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_cancelled_call_gives_its_place_back() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(&gate).await?;
    let gateway = open_to_all("in_flight: 2", &backend).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let call = held(&session, 1);
    arrived(&backend, 1).await?;
    session.notify("notifications/cancelled", json!({"requestId": 1})).await?;
    assert_eq!(call.await??.text(), "", "a cancelled call has no answer");
    let client = Modern::new(&gateway.endpoint("corp"));
    let first = client.request(1, "tools/call", self::call("held"));
    let _waiting = tokio::spawn(async move { first.send().await });
    arrived(&backend, 2).await?;
    served_again(&client).await
}

#[tokio::test]
async fn an_ended_session_gives_the_places_of_its_calls_back() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(&gate).await?;
    let gateway = open_to_all("in_flight: 3", &backend).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    for id in 1..=2 {
        held(&session, id);
        arrived(&backend, id as usize).await?;
    }
    assert_eq!(session.delete().send().await?.status, 204);
    let client = Modern::new(&gateway.endpoint("corp"));
    for count in 3..=4 {
        let call = client.request(count, "tools/call", call("held"));
        tokio::spawn(async move { call.send().await });
        arrived(&backend, count).await?;
    }
    served_again(&client).await
}

#[tokio::test]
async fn one_principal_has_no_more_in_progress_than_its_share_and_others_are_served() -> Result<()> {
    let site = Site::start("in_flight_per_principal: 2").await?;
    let alice = Session::open(&site.user("alice"), "2025-11-25").await?;
    for id in 1..=2 {
        let leaving = held(&alice, id);
        arrived(&site.backend, id as usize).await?;
        leaving.abort();
    }
    let modern = Modern::new(&site.user("alice"));
    for _ in 0..OFTEN {
        for reply in [alice.call("ping", json!({})).await?, modern.call("tools/list", json!({})).await?] {
            assert_eq!((reply.status, reply.error_code()?), (429, 1429), "{}", reply.text());
            ensure!(reply.header("retry-after").is_some(), "{:?}", reply.headers);
        }
    }
    let bob = Modern::new(&site.user("bob"));
    assert_eq!(text(&bob.tool("quick", json!({})).await?), "quick");
    Session::open(&site.user("bob"), "2025-11-25").await?.call("ping", json!({})).await?.result()?;
    site.gate.open();
    served_again(&modern).await
}

#[tokio::test]
async fn without_authentication_nobody_has_a_share() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(&gate).await?;
    let gateway = open_to_all("in_flight_per_principal: 1", &backend).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let waiting: Vec<_> = (1..=3).map(|id| held(&session, id)).collect();
    arrived(&backend, 3).await?;
    assert_eq!(text(&session.tool("quick", json!({})).await?), "quick");
    gate.open();
    for call in waiting {
        assert_eq!(text(&call.await??.result()?), "done");
    }
    Ok(())
}

/// A batch of four calls that wait, of which two find a place.
async fn batch_of_four(stream: &mut Streaming, backend: &Hostile, gate: &Gate, code: i64) -> Result<()> {
    for _ in 0..2 {
        let refused = stream.message().await?.context("the stream ended")?;
        assert_eq!(refused["error"]["code"], code, "{refused}");
        ensure!(["c", "d"].contains(&refused["id"].as_str().unwrap_or_default()), "{refused}");
    }
    arrived(backend, 2).await?;
    gate.open();
    for _ in 0..2 {
        let served = stream.message().await?.context("the stream ended")?;
        assert_eq!(text(&served["result"]), "done", "{served}");
    }
    assert_eq!(stream.message().await?, None);
    assert_eq!(backend.ledger().calls("held").len(), 2);
    Ok(())
}

fn four() -> Value {
    ["a", "b", "c", "d"].map(|id| request(id, "tools/call", call("held"))).to_vec().into()
}

#[tokio::test]
async fn every_request_of_a_batch_needs_a_place_of_its_own() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(&gate).await?;
    let gateway = open_to_all("in_flight: 2", &backend).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-03-26").await?;
    let mut stream = session.post(four()).open().await?;
    assert_eq!(stream.status, 200);
    batch_of_four(&mut stream, &backend, &gate, 1503).await?;
    served_again(&Modern::new(&gateway.endpoint("corp"))).await
}

#[tokio::test]
async fn every_request_of_a_batch_counts_in_the_share_of_its_principal() -> Result<()> {
    let site = Site::start("in_flight_per_principal: 2").await?;
    let session = Session::open(&site.user("alice"), "2025-03-26").await?;
    let mut stream = session.post(four()).open().await?;
    assert_eq!(stream.status, 200);
    batch_of_four(&mut stream, &site.backend, &site.gate, 1429).await?;
    served_again(&Modern::new(&site.user("alice"))).await
}

#[tokio::test]
async fn initialize_over_the_bound_is_an_error_that_a_client_can_read() -> Result<()> {
    let gate = Gate::default();
    let backend = backend(&gate).await?;
    let gateway = open_to_all("sessions: 2", &backend).await?;
    let endpoint = gateway.endpoint("corp");
    let first = Session::open(&endpoint, "2025-11-25").await?;
    let _second = Session::open(&endpoint, "2025-11-25").await?;
    let refused = endpoint.post(Session::initialize("2025-11-25", json!({}))).send().await?;
    assert_eq!((refused.status, refused.error_code()?), (200, 1429), "{}", refused.text());
    assert_eq!(refused.message()?["id"], "init");
    assert_eq!(refused.header("mcp-session-id"), None);
    let stream = endpoint.at("/corp/sse").call("GET").header("accept", "text/event-stream").send().await?;
    assert_eq!((stream.status, stream.error_code()?), (429, 1429), "a stream is a session, too");
    assert_eq!(
        text(&Modern::new(&endpoint).tool("quick", json!({})).await?),
        "quick",
        "nothing else is affected"
    );
    assert_eq!(first.delete().send().await?.status, 204);
    Session::open(&endpoint, "2025-11-25").await?;
    Ok(())
}

#[tokio::test]
async fn the_sessions_of_one_principal_take_none_from_another() -> Result<()> {
    let site = Site::start("sessions_per_principal: 1").await?;
    let alice = Session::open(&site.user("alice"), "2025-11-25").await?;
    let again = site.user("alice").post(Session::initialize("2025-11-25", json!({}))).send().await?;
    assert_eq!((again.status, again.error_code()?), (200, 1429), "{}", again.text());
    let bob = Session::open(&site.user("bob"), "2025-11-25").await?;
    assert_eq!(text(&bob.tool("quick", json!({})).await?), "quick");
    assert_eq!(alice.delete().send().await?.status, 204);
    Session::open(&site.user("alice"), "2025-11-25").await?;
    Ok(())
}
