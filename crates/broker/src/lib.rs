//! Outbound credentials: what the gateway shows to a server, made for that server and for the caller.
//!
//! The only reader of outbound secrets. A credential it hands out is marked so that no log prints it, and is never
//! the client's own token: where a server has to know the user, it gets an assertion of the embedded security
//! token service ([`Sts`]), for its audience alone.

mod assertion;
mod broker;
mod credential;
mod error;
mod sts;

pub use assertion::ASSERTION_LIFETIME;
pub use broker::Broker;
pub use credential::Credential;
pub use error::BrokerError;
pub use sts::Sts;
