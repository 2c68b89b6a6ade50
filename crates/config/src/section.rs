//! The sections of the file, one module each: which keys there are, what each may hold, what it becomes.
//!
//! A section holds no state and touches nothing outside its arguments.

pub(crate) mod gateway;
pub(crate) mod inbound;
pub(crate) mod limits;
pub(crate) mod outbound;
pub(crate) mod questions;
pub(crate) mod root;
pub(crate) mod sessions;
pub(crate) mod target;
pub(crate) mod transport;

use std::net::SocketAddr;

use url::Url;

/// How clients reach the process: what gateways need to know of the top of the file.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Url,
}

impl Front {
    /// Whether only this machine can reach the process.
    pub(crate) fn is_loopback(&self) -> bool {
        self.listen.ip().is_loopback() && crate::address::is_loopback(&self.public_url)
    }
}
