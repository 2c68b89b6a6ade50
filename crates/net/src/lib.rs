//! HTTP, sockets, TLS and their bounds: the server, the client, the egress guard and the drain.
//!
//! Everything that opens or accepts a socket does it here, so that limits, timeouts and the check of the address
//! happen in one place. It never knows what the bytes mean: no MCP, no identity, no policy.

pub mod body;
pub mod client;
mod drain;
pub mod egress;
pub mod headers;
pub mod origin;
pub mod server;

pub use body::{Body, BodyError, BodySender, Gone, next_frame, read_body};
pub use client::{Client, ClientError, ClientOptions, Phase, ReplyBody, Tls};
pub use drain::Drain;
pub use egress::{Denied, Guard, Provenance};
pub use origin::{Forbidden, HostPolicy};
pub use server::{Listener, Options, Peer, Server, serve};
