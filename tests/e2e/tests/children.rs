//! A child process has a state of its own: what it tells of changes is what the caller's own calls have changed.

use anyhow::{Context as _, Result};
use e2e::{corp, listed, target};
use serde_json::json;
use testkit::client::Session;
use testkit::gateway::Gateway;
use testkit::tools;

const WATCHED: &str = "test://watched-resource";

/// The feed is that of the child which serves the calls, whatever the client can be asked and however children are shared.
#[tokio::test]
async fn a_client_that_can_be_asked_is_told_of_what_its_own_child_changed() -> Result<()> {
    let program = tools::fixture_binary().display().to_string();
    for isolation in ["principal", "session", "shared"] {
        for era in ["legacy", "modern"] {
            let settings = format!(
                "mcp: {{ command: \"{program}\", args: [--era, {era}, --stdio], isolation: {isolation} }}, prefix: none, sampling: {{}}"
            );
            let gateway = Gateway::start(&corp(&[target("child", &settings)])).await?;
            let endpoint = gateway.endpoint("corp");
            listed(&endpoint, &["greet"]).await?;
            let capabilities = json!({ "roots": {}, "sampling": {}, "elicitation": {} });
            let session = Session::open_with(&endpoint, "2025-11-25", capabilities).await?;
            let mut stream = session.stream().open().await?;
            let subscribed = session.call("resources/subscribe", json!({ "uri": WATCHED })).await?;
            assert_eq!(subscribed.result()?, json!({}), "{isolation}, {era}");
            let update = json!({ "name": "fixture_update_resource", "arguments": { "uri": WATCHED } });
            session.call("tools/call", update).await?.result()?;
            let told = stream.message().await?.context("the stream ended")?;
            assert_eq!(told["method"], "notifications/resources/updated", "{isolation}, {era}: {told}");
            assert_eq!(told["params"]["uri"], WATCHED, "{isolation}, {era}");
        }
    }
    Ok(())
}
