//! An HTTP and MCP client that sends exactly what it is told, one connection per request, and shows exactly what
//! came back. It repairs nothing, follows nothing and retries nothing.

mod http;
mod legacy;
mod modern;

pub use http::{Call, Endpoint, Reply, Streaming, raw_exchange};
pub use legacy::{LEGACY_VERSIONS, Session};
pub use modern::{MODERN, Modern, meta};

use serde_json::{Value, json};

/// A JSON-RPC request.
pub fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A JSON-RPC notification.
pub fn notification(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}
