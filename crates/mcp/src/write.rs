//! Whole requests and notifications, written around their parameters. Responses are written by [`crate::code`].

use crate::{Payload, Raw};

#[cfg(test)]
mod tests;

/// A whole request.
#[must_use]
pub fn request(id: u64, method: &str, params: Payload) -> Payload {
    let method = Raw::string(method);
    around(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{},\"params\":", method.as_str()), params)
}

/// A whole notification.
#[must_use]
pub fn notification(method: &str, params: Payload) -> Payload {
    let method = Raw::string(method);
    around(format!("{{\"jsonrpc\":\"2.0\",\"method\":{},\"params\":", method.as_str()), params)
}

/// A whole notification that has nothing to say but its method.
#[must_use]
pub fn signal(method: &str) -> Payload {
    let method = Raw::string(method);
    let mut whole = Payload::default();
    whole.push(format!("{{\"jsonrpc\":\"2.0\",\"method\":{}}}", method.as_str()));
    whole
}

fn around(head: String, params: Payload) -> Payload {
    let mut whole = Payload::default();
    whole.push(head);
    whole.append(params);
    whole.push(&b"}"[..]);
    whole
}
