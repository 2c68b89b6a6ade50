//! What the end-to-end tests share beyond [`testkit`]: the configurations they start from, and polling for things
//! that become true by themselves.

pub mod audit;

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use testkit::client::{Endpoint, Modern, Session};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::Gateway;

/// A target whose tools keep their names.
pub fn plain(name: &str, url: &str) -> String {
    format!("      {name}: {{ mcp: {{ url: \"{url}\" }}, prefix: none }}\n")
}

/// A target whose tools get its name as prefix.
pub fn prefixed(name: &str, url: &str) -> String {
    format!("      {name}: {{ mcp: {{ url: \"{url}\" }} }}\n")
}

/// A target with settings of its own, written as the inside of a flow mapping.
pub fn target(name: &str, settings: &str) -> String {
    format!("      {name}: {{ {settings} }}\n")
}

/// A gateway `corp` for everybody, with streams and sessions.
pub fn corp(targets: &[String]) -> String {
    corp_with("    inbound: none\n    streaming: true\n    sessions: {}\n", targets)
}

/// A gateway `corp` with settings of its own (indented lines).
pub fn corp_with(settings: &str, targets: &[String]) -> String {
    format!("gateways:\n  corp:\n{settings}    targets:\n{}", targets.concat())
}

/// One fixture behind a gateway, its names unchanged.
pub struct Pair {
    /// The backend.
    pub fixture: FixtureServer,
    /// The process in front of it.
    pub gateway: Gateway,
}

impl Pair {
    /// Starts both.
    pub async fn start(era: Era) -> anyhow::Result<Self> {
        let fixture = FixtureServer::start(era).await?;
        let gateway = Gateway::start(&corp(&[plain("fixture", &fixture.url())])).await?;
        listed(&gateway.endpoint("corp"), &["test_simple_text"]).await?;
        Ok(Self { fixture, gateway })
    }

    /// Where clients connect.
    pub fn endpoint(&self) -> Endpoint {
        self.gateway.endpoint("corp")
    }

    /// A modern client.
    pub fn modern(&self) -> Modern {
        Modern::new(&self.endpoint())
    }

    /// A legacy session of the newest legacy version.
    pub async fn session(&self) -> anyhow::Result<Session> {
        Session::open(&self.endpoint(), "2025-11-25").await
    }
}

/// Waits until a modern client sees all these tools; the catalogue is captured while the gateway already serves.
pub async fn listed(endpoint: &Endpoint, tools: &[&str]) -> anyhow::Result<Vec<String>> {
    let client = Modern::new(endpoint);
    eventually(&format!("{tools:?} are listed"), || async {
        let names = client.tool_names().await?;
        Ok(tools.iter().all(|tool| names.iter().any(|name| name == tool)).then_some(names))
    })
    .await
}

/// How a target's lists stand, once it has answered or failed to: its entry in `portcullis://status`.
pub async fn standing(endpoint: &Endpoint, target: &str) -> anyhow::Result<Value> {
    let client = Modern::new(endpoint);
    eventually(&format!("`{target}` was asked for its lists"), || async {
        let read = client.call("resources/read", json!({"uri": "portcullis://status"})).await?.result()?;
        let text = read["contents"][0]["text"].as_str().unwrap_or_default();
        let status: Value = serde_json::from_str(text)?;
        let mut targets = status["targets"].as_array().into_iter().flatten();
        let entry = targets.find(|entry| entry["target"] == target).context("no such target")?;
        let asked = !entry["reason"].as_str().is_some_and(|reason| reason.contains("has not answered yet"));
        Ok(asked.then(|| entry.clone()))
    })
    .await
}

/// Waits until a call of `quick` finds a place: those that held all of them have given one back.
pub async fn served_again(client: &Modern) -> anyhow::Result<()> {
    let reply = eventually("there is a place again", || async {
        let reply = client.call("tools/call", json!({ "name": "quick" })).await?;
        Ok((reply.status == 200).then_some(reply))
    })
    .await?;
    match text(&reply.result()?) {
        "quick" => Ok(()),
        other => bail!("it said {other}"),
    }
}

/// Repeats until the value is there. For what becomes true by itself and cannot be waited for otherwise.
pub async fn eventually<T, F, W>(what: &str, mut attempt: F) -> anyhow::Result<T>
where
    F: FnMut() -> W,
    W: Future<Output = anyhow::Result<Option<T>>>,
{
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while tokio::time::Instant::now() < end {
        if let Some(value) = attempt().await? {
            return Ok(value);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("never became true: {what}")
}

/// The text of a tool result with one text block.
pub fn text(result: &Value) -> &str {
    result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default()
}
