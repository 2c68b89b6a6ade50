//! The crate through real sockets on 127.0.0.1.

#[cfg(test)]
mod client;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod wire;
