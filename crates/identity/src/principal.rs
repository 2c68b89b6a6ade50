//! Who calls, after authentication, and the two keys that bind everything stored to them.

use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};

use crate::claims::LEEWAY;

/// Who calls. Made only by an authorizer, or by [`Principal::anonymous`] where `inbound: none` is written out.
#[derive(Clone, Debug)]
pub struct Principal {
    tenant: String,
    issuer: String,
    subject: String,
    client: Option<String>,
    scopes: BTreeSet<String>,
    claims: serde_json::Map<String, serde_json::Value>,
    expires_at: Option<SystemTime>,
    key: PrincipalKey,
    user_key: UserKey,
}

/// Binds sessions, cursors, parks and caches: a digest of tenant, issuer, subject and client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PrincipalKey([u8; 32]);

/// Binds vault grants, consents and connections: a digest of tenant, issuer and subject.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey([u8; 32]);

/// What an authorizer learned from a credential that it has verified.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// The organisation the subject belongs to; empty where there is one only.
    pub tenant: String,
    /// `iss`, exactly as written in the credential.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `client_id` or `azp`.
    pub client: Option<String>,
    /// The granted scopes.
    pub scopes: BTreeSet<String>,
    /// All claims, for policy and for the server's assertion.
    pub claims: serde_json::Map<String, serde_json::Value>,
    /// When the credential ends.
    pub expires_at: Option<SystemTime>,
}

impl Principal {
    /// The principal of a gateway whose inbound authentication is `none`: everyone is the same nobody.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::from(Verified { subject: "anonymous".to_owned(), ..Verified::default() })
    }

    /// The organisation the subject belongs to; empty where there is one only.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The issuer that vouches for the subject; empty for the anonymous principal.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The subject, unique within its issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The OAuth client that acts for the subject.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The granted scopes.
    #[must_use]
    pub fn scopes(&self) -> &BTreeSet<String> {
        &self.scopes
    }

    /// All verified claims.
    #[must_use]
    pub fn claims(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.claims
    }

    /// When the credential ends; `None` for the anonymous principal.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// Whether the credential has ended by `now`, clocks that go wrong a little allowed for.
    #[must_use]
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|end| now >= end + LEEWAY)
    }

    /// The key for what belongs to this subject *through this client*.
    #[must_use]
    pub fn key(&self) -> PrincipalKey {
        self.key
    }

    /// The key for what belongs to the subject whatever client they use.
    #[must_use]
    pub fn user_key(&self) -> UserKey {
        self.user_key
    }
}

impl From<Verified> for Principal {
    fn from(verified: Verified) -> Self {
        let Verified { tenant, issuer, subject, client, scopes, claims, expires_at } = verified;
        let user = [Some(tenant.as_str()), Some(&issuer), Some(&subject)];
        let user_key = UserKey(digest(b"user", &user));
        let key = PrincipalKey(digest(b"principal", &[user[0], user[1], user[2], client.as_deref()]));
        Self { tenant, issuer, subject, client, scopes, claims, expires_at, key, user_key }
    }
}

/// Each part goes in with its presence and length, so no two lists of parts give the same input.
fn digest(purpose: &[u8], parts: &[Option<&str>]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(purpose);
    for part in parts {
        context.update(&[u8::from(part.is_some())]);
        let text = part.unwrap_or_default();
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}

impl PrincipalKey {
    /// The key's bytes, for use as associated data or as a database key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl UserKey {
    /// The key's bytes, for use as associated data or as a database key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Eight hex digits: enough to tell two principals apart in a log, not enough to guess one.
fn short(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Debug for PrincipalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, f)
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(&self.0, f)
    }
}
