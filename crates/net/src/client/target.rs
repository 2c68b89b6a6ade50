//! Where a request goes: scheme, host and port of its URI.

use http::Uri;
use http::header::HeaderValue;
use http::uri::{Authority, Scheme};

use super::error::ClientError;

/// What a pooled connection is good for: same scheme, same host, same port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) transport: Transport,
    pub(super) authority: Authority,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    Cleartext,
    Tls,
}

pub(super) struct Target {
    pub(super) key: Key,
    pub(super) port: u16,
}

impl Target {
    pub(super) fn of(uri: &Uri) -> Result<Self, ClientError> {
        let transport = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => Transport::Tls,
            Some(scheme) if *scheme == Scheme::HTTP => Transport::Cleartext,
            _ => return Err(ClientError::Url),
        };
        let authority = uri.authority().ok_or(ClientError::Url)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(ClientError::Url);
        }
        let default_port = if transport == Transport::Tls { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default_port);
        Ok(Self { key: Key { transport, authority: authority.clone() }, port })
    }

    /// The host without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        let host = self.key.authority.host();
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
    }

    /// The value of the `Host` header: the default port is left out, as browsers and other clients do.
    pub(super) fn host_header(&self) -> Result<HeaderValue, ClientError> {
        let default_port = if self.key.transport == Transport::Tls { 443 } else { 80 };
        let text =
            if self.port == default_port { self.key.authority.host() } else { self.key.authority.as_str() };
        HeaderValue::from_str(text).map_err(|_| ClientError::Url)
    }
}
