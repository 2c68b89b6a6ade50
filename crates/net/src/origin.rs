//! Which `Host` and `Origin` a request may carry: the answer to DNS rebinding and to pages that call a local server.
//!
//! Pure functions over headers, run before authentication and before the body is read (MCP 2025-11-25, Streamable HTTP,
//! Security Warning). It never says who the caller is: a program without a browser sends no `Origin` at all.

mod authority;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use http::header::{self, HeaderMap};
use http::uri::Authority;
use url::Url;

use crate::headers::single;
use authority::HostPort;

/// Why a request was turned away. A server answers 403 to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// No host, two hosts, or two that differ.
    #[error("the request must name one host; send exactly one Host header")]
    HostAmbiguous,
    /// The host is not `name`, `name:port`, an IPv4 address or a bracketed IPv6 address.
    #[error("the Host header is malformed; send `name` or `name:port`")]
    HostMalformed,
    /// A host this gateway is not known by.
    #[error("this gateway is not known by that Host; use its public URL, or add the name to `allowed_hosts`")]
    HostUnknown,
    /// Two `Origin` headers.
    #[error("the request carries more than one Origin header")]
    OriginAmbiguous,
    /// `null`, or not `scheme://host` or `scheme://host:port`.
    #[error(
        "the Origin header is `null` or malformed; pages from files and sandboxed frames may not call this gateway"
    )]
    OriginMalformed,
    /// A page from somewhere else.
    #[error("pages of that Origin may not call this gateway; add it to `allowed_origins` to permit it")]
    OriginUnknown,
}

/// An entry of `allowed_hosts` or `allowed_origins` that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntry {
    /// Not a host.
    #[error("`{0}` is not a host; write `name` or `name:port`")]
    Host(String),
    /// Not an origin.
    #[error("`{0}` is not an origin; write `https://name` or `https://name:port`, without a path")]
    Origin(String),
    /// The public URL has no host.
    #[error("`{0}` has no host and cannot be the public URL")]
    PublicUrl(String),
}

/// The hosts and origins one listener accepts.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    hosts: Vec<(String, Option<u16>)>,
    origins: Vec<Origin>,
    loopback_hosts: Loopback,
    loopback_origins: Loopback,
}

/// Whether names of this machine (`localhost`, `127.0.0.1`, `[::1]`) are accepted, on any port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loopback {
    Accepted,
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl HostPolicy {
    /// The policy of a listener bound to `listen` and known to clients as `public_url`.
    ///
    /// Names of this machine are accepted as hosts when `listen` or `public_url` is loopback, and as origins only when
    /// `public_url` is. An allowed host without a port is accepted on every port.
    ///
    /// # Errors
    /// [`InvalidEntry`] for the first entry that cannot be matched.
    pub fn new<S: AsRef<str>>(
        listen: IpAddr,
        public_url: &Url,
        allowed_hosts: &[S],
        allowed_origins: &[S],
    ) -> Result<Self, InvalidEntry> {
        let own_host =
            public_url.host_str().ok_or_else(|| InvalidEntry::PublicUrl(public_url.to_string()))?;
        let own_is_loopback = is_loopback(own_host);
        let mut hosts = vec![(own_host.to_ascii_lowercase(), None)];
        for text in allowed_hosts.iter().map(AsRef::as_ref) {
            let host = HostPort::parse(text).ok_or_else(|| InvalidEntry::Host(text.to_owned()))?;
            hosts.push((host.name.to_ascii_lowercase(), host.port));
        }
        let mut origins = vec![Origin {
            scheme: public_url.scheme().to_owned(),
            host: own_host.to_ascii_lowercase(),
            port: public_url.port_or_known_default(),
        }];
        for text in allowed_origins.iter().map(AsRef::as_ref) {
            let (scheme, host) = split_origin(text).ok_or_else(|| InvalidEntry::Origin(text.to_owned()))?;
            origins.push(Origin {
                scheme: scheme.to_ascii_lowercase(),
                host: host.name.to_ascii_lowercase(),
                port: host.port.or(default_port(scheme)),
            });
        }
        Ok(Self {
            hosts,
            origins,
            loopback_hosts: Loopback::when(own_is_loopback || listen.to_canonical().is_loopback()),
            loopback_origins: Loopback::when(own_is_loopback),
        })
    }

    /// Judges the headers of one request. `authority` is that of the request URI: `:authority` in HTTP/2, absent in the
    /// usual form of HTTP/1.1.
    ///
    /// # Errors
    /// [`Forbidden`]; the request is answered 403 and its body is not read.
    pub fn check(&self, headers: &HeaderMap, authority: Option<&Authority>) -> Result<(), Forbidden> {
        self.check_host(headers, authority)?;
        self.check_origin(headers)
    }

    fn check_host(&self, headers: &HeaderMap, authority: Option<&Authority>) -> Result<(), Forbidden> {
        let header = single(headers, &header::HOST).map_err(|_| Forbidden::HostAmbiguous)?;
        let header = header.map(|value| value.to_str().map_err(|_| Forbidden::HostMalformed)).transpose()?;
        let text = match (authority.map(Authority::as_str), header) {
            (Some(uri), Some(header)) if !uri.eq_ignore_ascii_case(header) => {
                return Err(Forbidden::HostAmbiguous);
            }
            (Some(text), _) | (None, Some(text)) => text,
            (None, None) => return Err(Forbidden::HostAmbiguous),
        };
        let host = HostPort::parse(text).ok_or(Forbidden::HostMalformed)?;
        let known = self.hosts.iter().any(|(name, port)| {
            name.eq_ignore_ascii_case(host.name) && (port.is_none() || *port == host.port)
        });
        if known || (self.loopback_hosts == Loopback::Accepted && is_loopback(host.name)) {
            Ok(())
        } else {
            Err(Forbidden::HostUnknown)
        }
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Forbidden> {
        let header = single(headers, &header::ORIGIN).map_err(|_| Forbidden::OriginAmbiguous)?;
        let Some(value) = header else { return Ok(()) };
        let text = value.to_str().map_err(|_| Forbidden::OriginMalformed)?;
        let (scheme, host) = split_origin(text).ok_or(Forbidden::OriginMalformed)?;
        let port = host.port.or(default_port(scheme));
        let known = self.origins.iter().any(|origin| {
            origin.scheme.eq_ignore_ascii_case(scheme)
                && origin.host.eq_ignore_ascii_case(host.name)
                && origin.port == port
        });
        let local = || {
            self.loopback_origins == Loopback::Accepted
                && default_port(scheme).is_some()
                && is_loopback(host.name)
        };
        if known || local() { Ok(()) } else { Err(Forbidden::OriginUnknown) }
    }
}

impl Loopback {
    fn when(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

fn split_origin(text: &str) -> Option<(&str, HostPort<'_>)> {
    let (scheme, rest) = text.split_once("://")?;
    let mut letters = scheme.bytes();
    let scheme_ok = letters.next()?.is_ascii_alphabetic()
        && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !scheme_ok {
        return None;
    }
    Some((scheme, HostPort::parse(rest)?))
}

fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else {
        None
    }
}

fn is_loopback(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || literal.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}
