//! Headers on their way through a gateway: what belongs to one connection only, and what no value may hold.

#[cfg(test)]
mod tests;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers that describe one connection, not the message (RFC 9110, 7.6.1, and the older ones still in use).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Removes what describes one connection only: the standard names and each name the `Connection` header lists.
///
/// Call it before setting headers of your own: a peer that lists one of them in `Connection` would delete it
/// (CVE-2024-45410 is of that kind).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in listed.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Keeps the headers that `allowed` names and drops the rest, hop-by-hop ones first.
pub fn keep_only(headers: &mut HeaderMap, allowed: &[HeaderName]) {
    remove_hop_by_hop(headers);
    let kept = headers.iter().filter(|(name, _)| allowed.contains(name));
    *headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
}

/// A header value made from untrusted text.
///
/// Returns `None` when the text holds a control character: CR and LF end a header, others confuse what reads the
/// log. A tab counts as one.
#[must_use]
pub fn value(text: &str) -> Option<HeaderValue> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    HeaderValue::from_str(text).ok()
}

/// The value of a header that must appear once.
///
/// `Ok(None)` when it is absent.
///
/// # Errors
/// [`Repeated`] when it appears more than once: two readers would pick different ones.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Repeated),
    }
}

/// A header that may appear once appears more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a header that may appear once was sent more than once")]
pub struct Repeated;
