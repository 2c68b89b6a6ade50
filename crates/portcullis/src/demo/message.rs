//! A message as the tour sends it, in either era: plain text that a shell and the tour's own client send alike.
//!
//! What an earlier answer said stands in it as a variable, such as `$STATE`.

use mcp::Version;

use super::people::Who;

/// As the specification writes it.
const MCP_PROTOCOL_VERSION: &str = "MCP-Protocol-Version";

/// What every message accepts.
pub const ACCEPTS: &str = "application/json, text/event-stream";

/// A message.
pub struct Message {
    /// Who sends it.
    pub who: Who,
    /// The headers besides those that every message has.
    pub headers: Vec<(&'static str, String)>,
    /// The body, of JSON once its variables have values.
    pub body: String,
}

impl Message {
    /// A request of 2026-07-28, which stands for itself: it says which revision it is written in, and what its client can do.
    /// `params` are the members before `_meta`, each with a comma behind it.
    pub fn modern(who: Who, method: &str, params: &str, meta: Meta) -> Self {
        let Meta { progress, capabilities } = meta;
        let version = Version::NEWEST.as_str();
        let (version_key, capabilities_key) = (mcp::meta::PROTOCOL_VERSION, mcp::meta::CLIENT_CAPABILITIES);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}"_meta":{{{progress}"{version_key}":"{version}","{capabilities_key}":{capabilities}}}}}}}"#,
        );
        let headers = vec![(MCP_PROTOCOL_VERSION, version.to_owned()), ("Mcp-Method", method.to_owned())];
        Self { who, headers, body }
    }

    /// The same message, about what is called so: a header repeats it.
    #[must_use]
    pub fn about(mut self, name: &str) -> Self {
        self.headers.push(("Mcp-Name", name.to_owned()));
        self
    }

    /// The first message of a client of 2025-11-25 that can be asked anything.
    pub fn initialize(who: Who) -> Self {
        let version = Version::NEWEST_LEGACY.as_str();
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{ASKABLE},"clientInfo":{{"name":"tour","version":"1"}}}}}}"#
        );
        Self { who, headers: Vec::new(), body }
    }

    /// Any other message of such a client.
    pub fn legacy(who: Who, body: impl Into<String>) -> Self {
        let version = Version::NEWEST_LEGACY.as_str().to_owned();
        let headers = vec![(MCP_PROTOCOL_VERSION, version), ("Mcp-Session-Id", "$SESSION".to_owned())];
        Self { who, headers, body: body.into() }
    }
}

/// What a request of 2026-07-28 says of its client.
#[derive(Clone, Copy)]
pub struct Meta {
    /// The member that asks for progress, with a comma behind it; or nothing.
    progress: &'static str,
    capabilities: &'static str,
}

/// Capabilities of a client that shows forms and opens pages.
const ASKABLE: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;

impl Meta {
    /// It wants nothing but an answer.
    pub const PLAIN: Self = Self { progress: "", capabilities: "{}" };
    /// It wants to hear of progress.
    pub const PROGRESS: Self = Self { progress: r#""progressToken":1,"#, capabilities: "{}" };
    /// It shows forms and opens pages.
    pub const ASKABLE: Self = Self { progress: "", capabilities: ASKABLE };
}
