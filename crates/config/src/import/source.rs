//! The shapes of client configurations.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use super::ImportError;

/// One server as the client names and describes it.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) value: Value,
}

/// A file of a client. Other keys, such as VS Code's `inputs`, say nothing about servers.
#[derive(serde::Deserialize)]
struct File {
    /// Claude, Cursor, Windsurf, Gemini.
    #[serde(default, rename = "mcpServers")]
    mcp_servers: Servers,
    /// VS Code, `mcp.json`.
    #[serde(default)]
    servers: Servers,
    /// VS Code, `settings.json`.
    #[serde(default)]
    mcp: Nested,
}

#[derive(Default, serde::Deserialize)]
struct Nested {
    #[serde(default)]
    servers: Servers,
}

/// In the order written: the first of two servers keeps its name.
#[derive(Default)]
struct Servers(Vec<Server>);

/// Every server of `json`, in order.
pub(super) fn read(json: &str) -> Result<Vec<Server>, ImportError> {
    // The error's own words may quote a value.
    let file: File = serde_json::from_str(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => ImportError::Shape { line, column },
            Category::Syntax | Category::Eof | Category::Io => ImportError::NotJson { line, column },
        }
    })?;
    Ok([file.mcp_servers.0, file.servers.0, file.mcp.servers.0].into_iter().flatten().collect())
}

impl<'de> Deserialize<'de> for Servers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Servers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from a name to a server")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Servers, A::Error> {
        let mut servers = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            servers.push(Server { name, value });
        }
        Ok(Servers(servers))
    }
}
