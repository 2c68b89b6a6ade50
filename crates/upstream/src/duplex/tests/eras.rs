//! How a server is found to be modern or legacy.

use mcp::Version;

use super::*;

async fn settled(mode: &str, era: Era) -> Result<Version, UpstreamError> {
    let mut fixture = Fixture::new(mode);
    fixture.stdio.era = era;
    let connections = fixture.open();
    let version = connections.facts(None).await.map(|facts| facts.version);
    connections.shutdown().await;
    version
}

#[tokio::test]
async fn any_refusal_of_discover_means_initialize() {
    for mode in ["legacy", "null-id-on-discover", "unsupported-version", "dies-on-discover"] {
        assert_eq!(settled(mode, Era::Auto).await.unwrap(), Version::V2025_06_18, "{mode}");
    }
}

#[tokio::test]
async fn silence_about_discover_means_initialize() {
    let mut fixture = Fixture::new("silent-on-discover");
    fixture.target.connect_timeout = Duration::from_secs(20);
    let connections = fixture.open();
    let facts = connections.facts(Some(&user("alice"))).await.unwrap();
    assert_eq!(facts.version, Version::V2025_06_18);
    // The second child is not asked any more.
    let heard = call(&connections, &user("bob"), "heard", json!({})).await.unwrap();
    assert_eq!(heard, json!(["initialize", "notifications/initialized", "tools/call"]));
    connections.shutdown().await;
}

#[tokio::test]
async fn modern_server_is_never_initialized() {
    let connections = Fixture::new("modern").open();
    let alice = user("alice");
    let facts = connections.facts(Some(&alice)).await.unwrap();
    assert_eq!(facts.version, Version::V2026_07_28);
    assert_eq!(facts.info.as_ref().unwrap().to_value()["name"], "fixture");
    assert_eq!(
        call(&connections, &alice, "heard", json!({})).await.unwrap(),
        json!(["server/discover", "tools/call"])
    );
    let meta = call(&connections, &alice, "meta", json!({})).await.unwrap();
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    // A legacy client's call may become a task, which is waited for.
    let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], tasks);
    connections.shutdown().await;
}

#[tokio::test]
async fn configured_era_is_not_questioned() {
    assert_eq!(settled("modern-too", Era::Legacy).await.unwrap(), Version::V2025_06_18);
    assert!(matches!(settled("legacy", Era::Modern).await, Err(UpstreamError::BrokeProtocol(_))));
}

#[tokio::test]
async fn revision_nobody_knows_is_refused() {
    let refused = settled("old", Era::Auto).await;
    assert!(matches!(refused, Err(UpstreamError::BrokeProtocol(_))), "{refused:?}");
}
