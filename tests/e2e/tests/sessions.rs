//! Legacy sessions: made, bound, ended, healed.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use e2e::{Pair, corp, corp_with, listed, plain, text};
use serde_json::json;
use testkit::client::{Session, request};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Hostile};

#[tokio::test]
async fn ids_are_long_random_and_never_the_clients_choice() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let mut ids = HashSet::new();
    for _ in 0..50 {
        let opening = pair.endpoint().post(Session::initialize("2025-11-25", json!({})));
        let reply = opening.header("mcp-session-id", "chosen-by-the-client").send().await?;
        let id = reply.header("mcp-session-id").unwrap_or_default().to_owned();
        ensure!(id.len() >= 43, "256 bits need 43 characters at least: {id}");
        ensure!(id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{id}");
        ids.insert(id);
    }
    assert_eq!(ids.len(), 50);
    let (first, rest): (Vec<_>, Vec<_>) = (ids.iter().take(1).collect(), ids.iter().skip(1).collect());
    let shared = rest.iter().map(|id| common_prefix(first[0], id)).max().unwrap_or(0);
    ensure!(shared < 8, "ids share {shared} leading characters");
    Ok(())
}

fn common_prefix(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
}

#[tokio::test]
async fn without_an_id_400_and_with_an_unknown_one_404() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let list = request(1, "tools/list", json!({}));
    assert_eq!(pair.endpoint().post(&list).send().await?.status, 400);
    let mut stranger = pair.session().await?;
    stranger.id = Some("A".repeat(43));
    assert_eq!(stranger.call("tools/list", json!({})).await?.status, 404);
    assert_eq!(stranger.stream().send().await?.status, 404);
    assert_eq!(stranger.delete().send().await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn an_ended_session_looks_like_one_that_never_was() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    session.tool("test_simple_text", json!({})).await?;
    let status = session.delete().send().await?.status;
    ensure!(status == 200 || status == 204, "{status}");
    let mut stranger = session.clone();
    stranger.id = Some("never-issued".to_owned());
    for method in ["tools/list", "ping"] {
        let ended = session.call(method, json!({})).await?;
        assert_eq!(ended.status, 404);
        assert_eq!(ended.fingerprint(), stranger.call(method, json!({})).await?.fingerprint());
    }
    assert_eq!(session.delete().send().await?.fingerprint(), stranger.delete().send().await?.fingerprint());
    Ok(())
}

#[tokio::test]
async fn a_missing_version_header_means_the_negotiated_version_and_a_bad_one_is_refused() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    let call = session.request(1, "ping", json!({}));
    assert_eq!(call.clone().without("mcp-protocol-version").send().await?.status, 200);
    for bad in ["1999-01-01", "garbage", ""] {
        let reply = call.clone().replace("mcp-protocol-version", bad).send().await?;
        assert_eq!(reply.status, 400, "{bad:?}");
    }
    assert_eq!(session.call("ping", json!({})).await?.status, 200, "the session survives");
    Ok(())
}

#[tokio::test]
async fn one_session_here_is_one_session_there() -> Result<()> {
    let pair = Pair::start(Era::Legacy).await?;
    let before = pair.fixture.stats().initializes;
    let session = pair.session().await?;
    assert_eq!(pair.fixture.stats().initializes, before, "it is opened when it is needed");
    for _ in 0..10 {
        session.tool("test_simple_text", json!({})).await?;
    }
    assert_eq!(pair.fixture.stats().initializes, before + 1);
    let other = pair.session().await?;
    other.tool("test_simple_text", json!({})).await?;
    assert_eq!(pair.fixture.stats().initializes, before + 2, "sessions are not shared");
    Ok(())
}

#[tokio::test]
async fn concurrent_first_calls_open_one_session_upstream() -> Result<()> {
    let pair = Pair::start(Era::Legacy).await?;
    let before = pair.fixture.stats().initializes;
    let session = pair.session().await?;
    let calls: Vec<_> = (0..16)
        .map(|at| {
            let session = session.clone();
            tokio::spawn(async move {
                session
                    .request(at, "tools/call", json!({"name": "test_simple_text", "arguments": {}}))
                    .send()
                    .await
            })
        })
        .collect();
    for call in calls {
        call.await??.result()?;
    }
    assert_eq!(pair.fixture.stats().initializes, before + 1);
    Ok(())
}

#[tokio::test]
async fn ending_a_session_ends_it_upstream() -> Result<()> {
    let backend = Hostile::legacy().tool("work", Behaviour::text("done")).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["work"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    session.tool("work", json!({})).await?;
    let upstream = backend
        .ledger()
        .calls("work")
        .pop()
        .and_then(|call| call.header("mcp-session-id").map(str::to_owned));
    session.delete().send().await?;
    backend
        .ledger()
        .wait_for(|ledger| {
            ledger.of("DELETE").iter().any(|arrival| arrival.header("mcp-session-id") == upstream.as_deref())
        })
        .await
}

#[tokio::test]
async fn a_session_the_backend_forgot_is_healed_once_and_unseen() -> Result<()> {
    let forgot = || Behaviour::Http(404, Vec::new(), "session not found".to_owned());
    let backend = Hostile::legacy()
        .tool("forgets_once", Behaviour::sequence(vec![forgot(), Behaviour::text("healed")]))
        .tool("forgets_always", forgot())
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["forgets_once"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    assert_eq!(text(&session.tool("forgets_once", json!({})).await?), "healed");
    let ids: Vec<_> = backend
        .ledger()
        .calls("forgets_once")
        .iter()
        .filter_map(|call| call.header("mcp-session-id").map(str::to_owned))
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1], "the second try is in a new session");

    let reply = session.call("tools/call", json!({"name": "forgets_always", "arguments": {}})).await?;
    assert_eq!(reply.status, 200, "the client's own session is fine");
    ensure!([1502, 1503].contains(&reply.error_code()?), "{}", reply.text());
    assert_eq!(backend.ledger().calls("forgets_always").len(), 2, "once is enough");
    Ok(())
}

#[tokio::test]
async fn a_healed_session_keeps_its_log_level() -> Result<()> {
    let mut capabilities = json!({"tools": {}});
    capabilities["logging"] = json!({});
    let backend = Hostile::legacy()
        .capabilities(capabilities)
        .method("logging/setLevel", Behaviour::Result("{}".to_owned()))
        .tool(
            "forgets_once",
            Behaviour::sequence(vec![
                Behaviour::text("first"),
                Behaviour::Http(404, Vec::new(), String::new()),
                Behaviour::text("healed"),
            ]),
        )
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["forgets_once"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    session.call("logging/setLevel", json!({"level": "debug"})).await?.result()?;
    for expected in ["first", "healed"] {
        assert_eq!(text(&session.tool("forgets_once", json!({})).await?), expected);
    }
    let levels: HashSet<_> = backend
        .ledger()
        .of("logging/setLevel")
        .iter()
        .filter_map(|arrival| arrival.header("mcp-session-id").map(str::to_owned))
        .collect();
    assert_eq!(levels.len(), 2, "both upstream sessions were told");
    Ok(())
}

#[tokio::test]
async fn without_sessions_no_id_is_made_and_none_is_needed() -> Result<()> {
    let fixture = FixtureServer::start(Era::Legacy).await?;
    let settings = "    inbound: none\n    streaming: true\n";
    let gateway = Gateway::start(&corp_with(settings, &[plain("fixture", &fixture.url())])).await?;
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    assert_eq!(session.id, None);
    assert_eq!(text(&session.tool("greet", json!({"name": "S"})).await?), "Hello, S!");
    Ok(())
}
