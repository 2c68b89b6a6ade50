//! The development issuer: signs access tokens for whoever asks, on this machine only.
//!
//! It exists so that the demo, tests and a first day with the gateway need no identity provider. It refuses to
//! open where the gateway's public URL is not a loopback address: who can read its key can be anybody.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use seal::Issuer;
use serde_json::{Map, Value};
use url::{Host, Url};

/// How long a token is good when nobody says otherwise.
pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// The longest life of a token: forgotten ones should not be good for ever, not even here.
pub const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The key, in the data directory.
const KEY_FILE: &str = "dev-issuer-key.p8";
/// The issuer's path below the public URL.
const PATH: &str = "/dev";
/// Claims that have a place of their own in [`Claims`], or that the issuer sets.
const RESERVED: [&str; 9] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope"];

/// Signs tokens as `{public_url}/dev`.
#[derive(Debug)]
pub struct DevIssuer(Issuer);

/// What a token says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// `sub`: the sample user.
    pub subject: String,
    /// `aud`: the gateways' URLs.
    pub audiences: Vec<String>,
    /// `client_id`.
    pub client: String,
    /// `scope`; left out when empty.
    pub scopes: Vec<String>,
    /// Everything else, such as `roles`.
    pub extra: Map<String, Value>,
    /// Time until `exp`, whole seconds, at most [`LIFETIME_MAX`].
    pub lifetime: Duration,
}

/// Why there is no development issuer, or no token of it.
#[derive(Debug, thiserror::Error)]
pub enum DevIssuerError {
    /// The gateway can be reached from other machines.
    #[error(
        "the development issuer signs tokens for anybody, so it runs on a loopback `public_url` only, not on \
         `{public_url}`: configure `inbound.jwt` with your identity provider"
    )]
    NotLoopback {
        /// The configured URL.
        public_url: Url,
    },
    /// The key file cannot be used.
    #[error(transparent)]
    Key(#[from] seal::Error),
    /// A claim that has an option of its own, or that the issuer sets.
    #[error(
        "the claim `{name}` cannot be given as an extra claim: it has an option of its own or is set by the issuer"
    )]
    Reserved {
        /// The claim.
        name: String,
    },
    /// A life of no time, or too long a one.
    #[error("a token lives from one second to {} hours, not {asked:?}", LIFETIME_MAX.as_secs() / 3600)]
    Lifetime {
        /// What was asked for.
        asked: Duration,
    },
    /// Not `name=value`.
    #[error(
        "`{text}` is no claim: write `name=value`; a value that is JSON is taken as JSON (`roles=[\"manager\"]`)"
    )]
    NotAClaim {
        /// What was written.
        text: String,
    },
}

impl DevIssuer {
    /// The issuer of this data directory, which keeps its key across restarts.
    ///
    /// # Errors
    /// `public_url` is not loopback, or the key file cannot be used.
    pub fn open(data_dir: &Path, public_url: &Url) -> Result<Self, DevIssuerError> {
        if !is_loopback(public_url) {
            return Err(DevIssuerError::NotLoopback { public_url: public_url.clone() });
        }
        Ok(Self(Issuer::open(&data_dir.join(KEY_FILE), public_url.as_str(), PATH)?))
    }

    /// The exact `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.url()
    }

    /// The public half of its key, as a JWK set.
    #[must_use]
    pub fn jwk_set(&self) -> Value {
        self.0.jwk_set()
    }

    /// The JSON document at a path of the data plane, if it is one of this issuer's: see [`Issuer::document`].
    #[must_use]
    pub fn document(&self, path: &str) -> Option<Bytes> {
        self.0.document(path)
    }

    /// An access token (RFC 9068) issued at `now`.
    ///
    /// # Errors
    /// An extra claim is reserved, or the lifetime is out of bounds.
    pub fn token(&self, claims: Claims, now: SystemTime) -> Result<String, DevIssuerError> {
        let Claims { subject, audiences, client, scopes, extra, lifetime } = claims;
        if let Some(name) = RESERVED.into_iter().find(|name| extra.contains_key(*name)) {
            return Err(DevIssuerError::Reserved { name: name.to_owned() });
        }
        if lifetime > LIFETIME_MAX || lifetime < Duration::from_secs(1) {
            return Err(DevIssuerError::Lifetime { asked: lifetime });
        }
        let issued_at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut all = extra;
        let mut set = |name: &str, value: Value| all.insert(name.to_owned(), value);
        set("iss", self.issuer().into());
        set("sub", subject.into());
        set("aud", audiences.into());
        set("client_id", client.into());
        set("iat", issued_at.into());
        set("exp", (issued_at + lifetime.as_secs()).into());
        set("jti", seal::random_id().into());
        if !scopes.is_empty() {
            set("scope", scopes.join(" ").into());
        }
        Ok(self.0.sign(&all.into()))
    }
}

/// Reads `name=value` of a command line. A value that is JSON is taken as such, any other as text:
/// `roles=["manager"]`, `level=3`, `team=red`.
///
/// # Errors
/// There is no `=`, or no name before it.
pub fn parse_claim(text: &str) -> Result<(String, Value), DevIssuerError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            Ok((name.to_owned(), value))
        }
        _ => Err(DevIssuerError::NotAClaim { text: text.to_owned() }),
    }
}

/// A literal loopback address, or the name that every system resolves to one (RFC 6761 §6.3).
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
