//! What an assertion says about a caller: a short-lived JWT for one server.
//!
//! `sub` is the caller's own, unchanged. A subject is unique within its issuer only, so `sub_id` (RFC 9493 §3.2.3)
//! names the pair. Of the other claims those go along that servers decide by; none that is large or oddly shaped.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::Principal;
use serde_json::{Map, Value, json};

/// How long an assertion is good; less when the caller's own credential ends before.
pub const ASSERTION_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The caller's claims that a server gets to see.
const PRESERVED: [&str; 4] = ["groups", "roles", "email", "name"];
/// Each of them, as JSON, in bytes: all together stay within what servers accept in one header.
const PRESERVED_BYTES_MAX: usize = 1024;

/// The claims about the caller for one audience, before the times and the id.
pub(crate) fn about(principal: &Principal, issuer: &str, audience: &str) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("iss", issuer.into());
    set("sub", principal.subject().into());
    set("aud", audience.into());
    set("sub_id", json!({ "format": "iss_sub", "iss": principal.issuer(), "sub": principal.subject() }));
    if let Some(client) = principal.client() {
        set("client_id", client.into());
    }
    if !principal.tenant().is_empty() {
        set("tenant", principal.tenant().into());
    }
    if !principal.scopes().is_empty() {
        let scopes: Vec<&str> = principal.scopes().iter().map(String::as_str).collect();
        set("scope", scopes.join(" ").into());
    }
    for name in PRESERVED {
        match principal.claims().get(name) {
            Some(value) if is_plain(value) && value.to_string().len() <= PRESERVED_BYTES_MAX => {
                set(name, value.clone());
            }
            Some(_) => tracing::debug!(claim = name, "left out of the assertion: too large, or not text"),
            None => {}
        }
    }
    claims
}

/// Adds what makes the claims a token of this moment.
pub(crate) fn at(mut claims: Map<String, Value>, issued_at: SystemTime, expires_at: SystemTime) -> Value {
    claims.insert("iat".to_owned(), seconds(issued_at).into());
    claims.insert("exp".to_owned(), seconds(expires_at).into());
    claims.insert("jti".to_owned(), seal::random_id().into());
    claims.into()
}

/// A string, or a list of strings.
fn is_plain(value: &Value) -> bool {
    value.is_string() || value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
}

/// Whole seconds, rounded down: an `exp` is never later than the time it stands for.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
