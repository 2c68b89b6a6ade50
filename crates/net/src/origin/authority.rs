//! `host` or `host:port` as it stands in a header (RFC 3986, 3.2.2 and 3.2.3), without user information.
//!
//! Stricter than the RFC on purpose: no percent-encoding, no empty port, no sub-delimiters. What a browser or an MCP
//! client sends fits; what two parsers could read differently does not.

/// A host as written, brackets included, and its port when one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostPort<'a> {
    pub(super) name: &'a str,
    pub(super) port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// Reads the whole of `text`, or nothing.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (name, port) = if text.starts_with('[') {
            let end = text.find(']')? + 1;
            (&text[..end], text[end..].strip_prefix(':').map_or_else(|| no_rest(&text[end..]), Rest::Port))
        } else {
            match text.split_once(':') {
                Some((name, port)) => (name, Rest::Port(port)),
                None => (text, Rest::Nothing),
            }
        };
        let port = match port {
            Rest::Nothing => None,
            Rest::Port(digits) => Some(parse_port(digits)?),
            Rest::Garbage => return None,
        };
        is_host(name).then(|| Self { name: name.strip_suffix('.').unwrap_or(name), port })
    }
}

enum Rest<'a> {
    Nothing,
    Port(&'a str),
    Garbage,
}

fn no_rest(rest: &str) -> Rest<'_> {
    if rest.is_empty() { Rest::Nothing } else { Rest::Garbage }
}

fn parse_port(digits: &str) -> Option<u16> {
    // `u16::from_str` takes a leading `+`.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn is_host(name: &str) -> bool {
    if let Some(literal) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label_bytes = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.len() <= 253 && name.bytes().all(label_bytes)
}
