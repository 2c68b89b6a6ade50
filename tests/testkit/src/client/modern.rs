//! A modern client: every request carries its own metadata and the headers that mirror it.

use serde_json::{Value, json};

use super::call::{Call, Endpoint};
use super::reply::Reply;
use super::request;

/// The modern revision.
pub const MODERN: &str = "2026-07-28";

/// The metadata every modern request carries.
pub fn meta(capabilities: Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "portcullis-e2e", "version": "1.0.0"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

/// A modern client of one endpoint.
#[derive(Clone, Debug)]
pub struct Modern {
    endpoint: Endpoint,
    capabilities: Value,
}

impl Modern {
    /// A client that declares nothing.
    pub fn new(endpoint: &Endpoint) -> Self {
        Self::with(endpoint, json!({}))
    }

    /// A client with these capabilities.
    pub fn with(endpoint: &Endpoint, capabilities: Value) -> Self {
        Self { endpoint: endpoint.clone(), capabilities }
    }

    /// A request, not sent yet. Metadata the caller wrote into `params._meta` wins over the usual one.
    pub fn request(&self, id: impl Into<Value>, method: &str, mut params: Value) -> Call {
        let mut merged = meta(self.capabilities.clone());
        if let (Some(merged), Some(own)) = (merged.as_object_mut(), params["_meta"].as_object()) {
            merged.extend(own.clone());
        }
        params["_meta"] = merged;
        let name = match method {
            "tools/call" | "prompts/get" => params["name"].as_str().map(str::to_owned),
            "resources/read" => params["uri"].as_str().map(str::to_owned),
            "tasks/get" | "tasks/update" | "tasks/cancel" => params["taskId"].as_str().map(str::to_owned),
            _ => None,
        };
        let call = self
            .endpoint
            .post(request(id, method, params))
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method);
        match name {
            Some(name) => call.header("mcp-name", name),
            None => call,
        }
    }

    /// Sends a request and reads its whole answer.
    pub async fn call(&self, method: &str, params: Value) -> anyhow::Result<Reply> {
        self.request(7, method, params).send().await
    }

    /// Calls a tool and gives its result.
    pub async fn tool(&self, name: &str, arguments: Value) -> anyhow::Result<Value> {
        self.call("tools/call", json!({"name": name, "arguments": arguments})).await?.result()
    }

    /// Every item of a list, following its cursors.
    pub async fn list(&self, method: &str, key: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut params = json!({});
        loop {
            let page = self.call(method, params).await?.result()?;
            items.extend(page[key].as_array().cloned().unwrap_or_default());
            match page.get("nextCursor") {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return Ok(items),
            }
        }
    }

    /// The names of all tools.
    pub async fn tool_names(&self) -> anyhow::Result<Vec<String>> {
        let tools = self.list("tools/list", "tools").await?;
        Ok(tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect())
    }
}
