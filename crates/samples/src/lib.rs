//! What the demo needs besides the gateway: three sample servers and the development issuer.
//!
//! The servers are also the example to read of what a team has to write: a description and the work itself. Nothing
//! but the binary depends on this room, and it never touches the gateway's own path.

pub mod dev_issuer;
pub mod finance;
pub mod legal;
pub mod operations;
pub mod server;
