//! Which endpoint a path leads to. Paths are compared as they were sent: nothing is decoded, so there is one spelling of each.

use identity::METADATA_ROOT;

/// An endpoint of the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Streamable HTTP of a gateway; `None` for `/mcp`, which is the only gateway's.
    Mcp(Option<&'a str>),
    /// HTTP+SSE: the stream.
    Sse(&'a str),
    /// HTTP+SSE: where messages are posted.
    SseMessages(&'a str),
    /// Protected-resource metadata (RFC 9728) of a gateway; `None` for the host's own.
    Metadata(Option<&'a str>),
    /// Something fixed, such as a key set.
    Document(&'a str),
}

impl<'a> Route<'a> {
    /// The endpoint at `path`.
    #[must_use]
    pub fn of(path: &'a str) -> Self {
        if let Some(resource) = path.strip_prefix(METADATA_ROOT) {
            return match resource {
                "" | "/" | "/mcp" => Self::Metadata(None),
                other => {
                    gateway_in(other, "mcp").map_or(Self::Document(path), |name| Self::Metadata(Some(name)))
                }
            };
        }
        if path == "/mcp" {
            return Self::Mcp(None);
        }
        gateway_in(path, "mcp")
            .map(|name| Self::Mcp(Some(name)))
            .or_else(|| gateway_in(path, "sse").map(Self::Sse))
            .or_else(|| gateway_in(path, "sse/messages").map(Self::SseMessages))
            .unwrap_or(Self::Document(path))
    }
}

/// The name in `/{name}/{tail}`.
fn gateway_in<'a>(path: &'a str, tail: &str) -> Option<&'a str> {
    let name = path.strip_prefix('/')?.strip_suffix(tail)?.strip_suffix('/')?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}
