//! An HTTP and MCP client that sends exactly what it is told, one connection per request, and shows exactly what
//! came back. It repairs nothing, follows nothing and retries nothing.

mod call;
pub mod http2;
mod legacy;
mod modern;
mod reply;
mod streaming;

pub use call::{Call, Endpoint, raw_exchange};
pub use legacy::{LEGACY_VERSIONS, Session};
pub use modern::{MODERN, Modern, meta};
pub use reply::Reply;
pub use streaming::Streaming;

use serde_json::{Value, json};

/// A JSON-RPC request.
pub fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A JSON-RPC notification.
pub fn notification(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}
