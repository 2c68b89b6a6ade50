//! A legacy session: `initialize`, then requests that carry its id and version.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::call::{Call, Endpoint};
use super::reply::Reply;
use super::{notification, request};

/// The legacy revisions of Streamable HTTP, oldest first.
pub const LEGACY_VERSIONS: &[&str] = &["2025-03-26", "2025-06-18", "2025-11-25"];

/// A client session, as the server sees one.
#[derive(Clone, Debug)]
pub struct Session {
    endpoint: Endpoint,
    /// What the server put into `Mcp-Session-Id`; `None` from a server without sessions.
    pub id: Option<String>,
    /// The version the server agreed to.
    pub version: String,
    /// The whole `initialize` result.
    pub initialized: Value,
}

impl Session {
    /// Opens a session for a client that declares nothing.
    pub async fn open(endpoint: &Endpoint, version: &str) -> anyhow::Result<Self> {
        Self::open_with(endpoint, version, json!({})).await
    }

    /// Opens a session for a client with these capabilities.
    pub async fn open_with(endpoint: &Endpoint, version: &str, capabilities: Value) -> anyhow::Result<Self> {
        let reply = endpoint.post(Self::initialize(version, capabilities)).send().await?;
        let initialized = reply.result()?;
        let version = initialized["protocolVersion"].as_str().context("no protocolVersion")?.to_owned();
        let id = reply.header("mcp-session-id").map(str::to_owned);
        let session = Self { endpoint: endpoint.clone(), id, version, initialized };
        session.notify("notifications/initialized", json!({})).await?;
        Ok(session)
    }

    /// The same client with another session id.
    pub fn named(&self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self.clone() }
    }

    /// The `initialize` request itself.
    pub fn initialize(version: &str, capabilities: Value) -> Value {
        let client = json!({"name": "portcullis-e2e", "version": "1.0.0"});
        request(
            "init",
            "initialize",
            json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": client}),
        )
    }

    /// A request of this session, not sent yet.
    pub fn request(&self, id: impl Into<Value>, method: &str, params: Value) -> Call {
        self.stamp(self.endpoint.post(request(id, method, params)))
    }

    /// Sends a request and reads its whole answer.
    pub async fn call(&self, method: &str, params: Value) -> anyhow::Result<Reply> {
        self.request(7, method, params).send().await
    }

    /// Calls a tool and gives its result.
    pub async fn tool(&self, name: &str, arguments: Value) -> anyhow::Result<Value> {
        self.call("tools/call", json!({"name": name, "arguments": arguments})).await?.result()
    }

    /// Sends a notification.
    pub async fn notify(&self, method: &str, params: Value) -> anyhow::Result<Reply> {
        self.stamp(self.endpoint.post(notification(method, params))).send().await
    }

    /// Any body, with this session's headers.
    pub fn post(&self, body: impl ToString) -> Call {
        self.stamp(self.endpoint.post(body))
    }

    /// The GET that opens the session's own stream.
    pub fn stream(&self) -> Call {
        self.stamp(self.endpoint.call("GET").header("accept", "text/event-stream"))
    }

    /// The DELETE that ends it.
    pub fn delete(&self) -> Call {
        self.stamp(self.endpoint.call("DELETE"))
    }

    fn stamp(&self, call: Call) -> Call {
        let call = match &self.id {
            Some(id) => call.header("mcp-session-id", id),
            None => call,
        };
        // The header came with 2025-06-18; older clients do not know it.
        if self.version.as_str() >= "2025-06-18" {
            call.header("mcp-protocol-version", &self.version)
        } else {
            call
        }
    }
}
