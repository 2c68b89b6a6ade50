//! The servers of the matrix, one of each era behind one gateway process, and the proof that each is what it is called.

use anyhow::{Context as _, Result, ensure};
use e2e::{listed, target};
use serde_json::{Value, json};
use testkit::client::{Endpoint, MODERN, Modern, Session};
use testkit::fixture::{Era, FixtureServer, Seen};
use testkit::gateway::Gateway;

/// The backends, in the order of the table.
pub const NAMES: [&str; 3] = ["legacy", "modern", "dual"];
const ERAS: [Era; 3] = [Era::Legacy, Era::Modern, Era::Dual];
/// The newest version that has a handshake.
const NEWEST_LEGACY: &str = "2025-11-25";

/// Three fixtures, and a gateway with one path for each.
pub struct Backends {
    fixtures: Vec<FixtureServer>,
    gateway: Gateway,
}

impl Backends {
    /// Starts everything and waits until the gateway lists the fixtures.
    pub async fn start() -> Result<Self> {
        let (mut fixtures, mut sections) = (Vec::new(), "gateways:\n".to_owned());
        for (name, era) in NAMES.into_iter().zip(ERAS) {
            let fixture = FixtureServer::start(era).await?;
            let settings = format!("mcp: {{ url: \"{}\" }}, prefix: none, sampling: {{}}", fixture.url());
            sections.push_str(&format!(
                "  {name}:\n    inbound: none\n    streaming: true\n    sessions: {{}}\n    targets:\n{}",
                target("fixture", &settings)
            ));
            fixtures.push(fixture);
        }
        let gateway = Gateway::start(&sections).await?;
        for name in NAMES {
            listed(&gateway.endpoint(name), &["fixture_ask_two"]).await?;
        }
        Ok(Self { fixtures, gateway })
    }

    /// Where clients connect, in the order of [`NAMES`].
    pub fn urls(&self) -> Vec<String> {
        NAMES.iter().map(|name| self.gateway.endpoint(name).url()).collect()
    }

    /// Asks each fixture directly what it speaks; a line about each.
    pub async fn prove(&self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for (at, fixture) in self.fixtures.iter().enumerate() {
            let spoken = Spoken::ask(fixture).await?;
            let expected = match ERAS[at] {
                Era::Legacy => spoken.legacy(),
                Era::Modern => spoken.modern(),
                Era::Dual => spoken.handshake.as_deref() == Some(NEWEST_LEGACY) && spoken.discovers_modern(),
            };
            ensure!(expected, "the fixture called {} is not: {spoken:?}", NAMES[at]);
            lines.push(format!("{:<6} {}", NAMES[at], spoken.sentence()));
        }
        Ok(lines)
    }

    /// Looks at what reached each fixture in the run; a line about each.
    pub fn confirm(&self) -> Result<Vec<String>> {
        let lines = self.fixtures.iter().enumerate().map(|(at, fixture)| {
            let calls: Vec<_> = fixture.seen().into_iter().filter(calls_a_tool).collect();
            let in_session = calls.iter().filter(|call| call.header("mcp-session-id").is_some()).count();
            let modern =
                calls.iter().filter(|call| call.header("mcp-protocol-version") == Some(MODERN)).count();
            let pure = match ERAS[at] {
                Era::Legacy => in_session == calls.len() && modern == 0,
                Era::Modern => in_session == 0 && modern == calls.len(),
                Era::Dual => in_session + modern == calls.len(),
            };
            let counts = format!("{} tool calls: {in_session} in sessions, {modern} modern", calls.len());
            ensure!(pure && !calls.is_empty(), "{}: {counts}", NAMES[at]);
            Ok(format!("{:<6} got {counts}", NAMES[at]))
        });
        lines.collect()
    }
}

fn calls_a_tool(seen: &Seen) -> bool {
    serde_json::from_str::<Value>(&seen.body).is_ok_and(|body| body["method"] == "tools/call")
}

/// What a server says to the first words of both eras.
#[derive(Debug)]
struct Spoken {
    /// The version it answers to `initialize` for the newest legacy version.
    handshake: Option<String>,
    /// The same for `initialize` with the modern version, which a legacy client would never send.
    modern_handshake: Option<String>,
    /// The versions `server/discover` names.
    discovered: Option<Vec<String>>,
}

impl Spoken {
    async fn ask(fixture: &FixtureServer) -> Result<Self> {
        let endpoint = Endpoint::new(fixture.address(), "/mcp");
        let discovered = Modern::new(&endpoint).call("server/discover", json!({})).await?.message()?;
        let versions = discovered.pointer("/result/supportedVersions");
        Ok(Self {
            handshake: handshake(&endpoint, NEWEST_LEGACY).await?,
            modern_handshake: handshake(&endpoint, MODERN).await?,
            discovered: versions.map(|versions| serde_json::from_value(versions.clone())).transpose()?,
        })
    }

    fn legacy(&self) -> bool {
        let answers = |version: &Option<String>| version.as_deref() == Some(NEWEST_LEGACY);
        answers(&self.handshake) && answers(&self.modern_handshake) && self.discovered.is_none()
    }

    fn modern(&self) -> bool {
        let only = self.discovered.as_deref().is_some_and(|versions| versions == [MODERN]);
        self.handshake.is_none() && self.modern_handshake.is_none() && only
    }

    fn discovers_modern(&self) -> bool {
        self.discovered.iter().flatten().any(|version| version == MODERN)
    }

    fn sentence(&self) -> String {
        let agreed = |version: &Option<String>| version.as_deref().unwrap_or("refused").to_owned();
        let discovered = self.discovered.as_ref().map_or("refused".to_owned(), |versions| versions.join(" "));
        format!(
            "initialize {NEWEST_LEGACY}: {}; initialize {MODERN}: {}; server/discover: {discovered}",
            agreed(&self.handshake),
            agreed(&self.modern_handshake)
        )
    }
}

/// The version a server agrees on, `None` when it refuses.
async fn handshake(endpoint: &Endpoint, version: &str) -> Result<Option<String>> {
    let reply = endpoint.post(Session::initialize(version, json!({}))).send().await?;
    let message = reply.message().context("initialize")?;
    Ok(message.pointer("/result/protocolVersion").and_then(Value::as_str).map(str::to_owned))
}
