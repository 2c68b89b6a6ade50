//! Turns a principal and a target's `outbound` into a credential.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use config::Outbound;
use http::HeaderValue;
use identity::Principal;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use crate::assertion::{self, ASSERTION_LIFETIME};
use crate::{BrokerError, Credential, Sts};

/// Assertions remembered: callers times servers. One has a few KiB at most.
const ASSERTIONS_MAX: usize = 8192;

/// Makes the credentials for servers. One per process.
pub struct Broker {
    sts: Sts,
    assertions: Cache<AssertionKey, Arc<Assertion>>,
}

/// A digest of the principal and of everything the assertion says of them, so that a change of a role shows at
/// once and nobody's assertion is ever another's.
type AssertionKey = [u8; 32];

struct Assertion {
    header: HeaderValue,
    issued_at: SystemTime,
    /// Half of its life: later a new one is made, so that a server always gets one with time left.
    renew_at: SystemTime,
    expires_at: SystemTime,
}

impl Broker {
    /// A broker that signs assertions with this service's key.
    #[must_use]
    pub fn new(sts: Sts) -> Self {
        Self { sts, assertions: Cache::new(ASSERTIONS_MAX) }
    }

    /// The embedded issuer, whose documents the data plane serves.
    #[must_use]
    pub fn sts(&self) -> &Sts {
        &self.sts
    }

    /// The credential for a request on behalf of `principal`.
    ///
    /// # Errors
    /// Any [`BrokerError`]; the request must then not be sent.
    pub async fn credential(
        &self,
        principal: &Principal,
        outbound: &Outbound,
        now: SystemTime,
    ) -> Result<Credential, BrokerError> {
        match outbound {
            Outbound::None => Ok(Credential::default()),
            Outbound::Headers(headers) => Credential::fixed(headers),
            Outbound::Assertion { audience } => {
                self.assertion(principal, audience, now).map(Credential::bearer)
            }
        }
    }

    /// The credential for a request the gateway makes for itself: a probe, a sync, a feed.
    ///
    /// # Errors
    /// [`BrokerError::NeedsCaller`] where the credential is about a caller, [`BrokerError::Header`].
    pub async fn for_upkeep(&self, outbound: &Outbound) -> Result<Credential, BrokerError> {
        match outbound {
            Outbound::None => Ok(Credential::default()),
            Outbound::Headers(headers) => Credential::fixed(headers),
            Outbound::Assertion { .. } => Err(BrokerError::NeedsCaller),
        }
    }

    fn assertion(
        &self,
        principal: &Principal,
        audience: &str,
        now: SystemTime,
    ) -> Result<HeaderValue, BrokerError> {
        if principal.issuer().is_empty() {
            return Err(BrokerError::Anonymous);
        }
        let caller_ends_at = principal.expires_at().unwrap_or(now + ASSERTION_LIFETIME);
        if caller_ends_at <= now {
            return Err(BrokerError::CallerExpired);
        }
        let claims = assertion::about(principal, self.sts.issuer(), audience);
        let key = key(principal, &claims);
        if let Some(known) = self.assertions.get(&key).filter(|known| known.is_good(now, caller_ends_at)) {
            return Ok(known.header.clone());
        }
        let made = self.make(claims, now, caller_ends_at)?;
        let header = made.header.clone();
        self.assertions.insert(key, Arc::new(made));
        Ok(header)
    }

    fn make(
        &self,
        claims: Map<String, Value>,
        now: SystemTime,
        caller_ends_at: SystemTime,
    ) -> Result<Assertion, BrokerError> {
        let expires_at = caller_ends_at.min(now + ASSERTION_LIFETIME);
        let token = self.sts.sign(&assertion::at(claims, now, expires_at));
        let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| BrokerError::Header { name: "authorization".to_owned() })?;
        header.set_sensitive(true);
        let life = expires_at.duration_since(now).unwrap_or_default();
        Ok(Assertion { header, issued_at: now, renew_at: now + life / 2, expires_at })
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("sts", &self.sts).finish_non_exhaustive()
    }
}

impl Assertion {
    /// In the first half of its life, and not longer than the caller's own credential, which may be another one than
    /// it was made for. A clock that was set back ends it too.
    fn is_good(&self, now: SystemTime, caller_ends_at: SystemTime) -> bool {
        (self.issued_at..self.renew_at).contains(&now) && self.expires_at <= caller_ends_at
    }
}

fn key(principal: &Principal, claims: &Map<String, Value>) -> AssertionKey {
    let mut context = Context::new(&SHA256);
    context.update(principal.key().as_bytes());
    // The names come in the map's own order, always the same, and the text has every value: the audience, too.
    for (name, value) in claims {
        context.update(name.as_bytes());
        context.update(b":");
        context.update(value.to_string().as_bytes());
        context.update(b"\n");
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}
