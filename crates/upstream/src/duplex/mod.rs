//! Long-lived two-way connections with one server: stdio child processes, and HTTP+SSE of 2024-11-05.
//!
//! Requests are told apart by their id. One task per connection owns the open requests; whatever a server sends reaches
//! the request it belongs to, or nobody. A connection belongs to one user, unless the operator wrote that it is shared.
//! Never repeats a request of which a byte was sent.

mod connection;
mod era;
mod feed;
mod handshake;
mod keeper;
mod link;
mod opener;
mod pool;
mod slot;
mod sse;
mod stdio;
mod stream;
mod table;
mod task;
#[cfg(test)]
mod tests;
mod waiter;

pub(crate) use pool::Connections;
pub(crate) use stream::CallStream;
