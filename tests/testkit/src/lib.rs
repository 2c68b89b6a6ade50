//! What the end-to-end tests stand on: fixture MCP servers that behave, one that does not, a client that sends
//! exactly the bytes it is told to, and a handle on the gateway binary. It never holds product code, and nothing
//! in it is reachable from the product.

#![expect(
    deprecated,
    reason = "sampling, roots and logging are deprecated in the SDK and still have to be relayed"
)]

pub mod client;
pub mod fixture;
pub mod gateway;
pub mod hostile;
pub mod idp;
pub mod sdk;
pub mod sse;
pub mod tools;
