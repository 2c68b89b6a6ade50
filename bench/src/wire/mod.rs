//! HTTP/1.1 and MCP as the load generator speaks them: requests rendered once, answers read with as little work as possible,
//! so that the machine's time goes to what is measured.

mod connection;
mod reception;
mod request;
#[cfg(test)]
mod tests;

pub use connection::{Blocking, Connection, Session};
pub use reception::Reply;
pub use request::{Era, Place, QUESTION_KEY, Template};
