//! The claims of a verified token, judged: strictly by type, by time, by audience (RFC 9068 §4, RFC 8725).
//!
//! A claim of the wrong type is never taken for an absent one.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::challenge::Reason;
use crate::names::Names;
use crate::principal::Verified;

/// How far the issuer's clock may be ahead of ours or behind.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// The longest `sub` and client id, in bytes.
const NAME_BYTES_MAX: usize = 1024;
/// 9999-12-31T23:59:59Z: no token means a later time.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// What the `aud` of a token has to have.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    /// One member that equals one of these.
    OneOf(Vec<String>),
    /// Anything, or nothing: written out as `unchecked`.
    Unchecked,
}

/// Judges all claims but the scopes, and says who the token is about.
pub(crate) fn judge(
    issuer: &str,
    claims: Map<String, Value>,
    audience: &Audience,
    now: SystemTime,
) -> Result<Verified, Reason> {
    let iss = claims.get("iss").and_then(Value::as_str);
    if iss != Some(issuer) {
        return Err(Reason::Issuer { token: Names::of(iss), known: Names::of([issuer]) });
    }
    kind(&claims)?;
    let expires_at = time(&claims, "exp")?.ok_or(Reason::Claim("exp"))?;
    if now >= expires_at + LEEWAY {
        return Err(Reason::Expired);
    }
    for name in ["nbf", "iat"] {
        if time(&claims, name)?.is_some_and(|start| now + LEEWAY < start) {
            return Err(Reason::NotYetValid);
        }
    }
    let audiences = texts(&claims, "aud")?;
    match audience {
        Audience::OneOf(ours) if !audiences.iter().any(|theirs| ours.iter().any(|our| our == theirs)) => {
            let expected = Names::of(ours.iter().map(String::as_str));
            return Err(Reason::Audience { token: Names::of(audiences), expected });
        }
        Audience::OneOf(_) | Audience::Unchecked => {}
    }
    Ok(Verified {
        tenant: String::new(),
        issuer: issuer.to_owned(),
        subject: name(&claims, "sub")?.ok_or(Reason::Claim("sub"))?,
        client: client(&claims)?,
        scopes: scopes(&claims)?,
        expires_at: Some(expires_at),
        claims,
    })
}

/// Refuses what the same issuer signs with the same key for other purposes.
fn kind(claims: &Map<String, Value>) -> Result<(), Reason> {
    if claims.contains_key("cnf") {
        // RFC 7800: whoever holds the token has to prove a key as well, and nobody here can check that proof.
        return Err(Reason::Kind("bound to a key (`cnf`)"));
    }
    if claims.contains_key("at_hash") || claims.contains_key("c_hash") {
        return Err(Reason::Kind("an ID token"));
    }
    if claims.contains_key("events") {
        return Err(Reason::Kind("a security event or logout token"));
    }
    // Keycloak says what a token is in the claim `typ`, Cognito in `token_use`.
    let typ = claims.get("typ").and_then(Value::as_str);
    if typ.is_some_and(|typ| ["ID", "Refresh", "Offline", "Logout"].contains(&typ)) {
        return Err(Reason::Kind("an ID, refresh or logout token (`typ`)"));
    }
    match claims.get("token_use").and_then(Value::as_str) {
        None | Some("access") => Ok(()),
        Some(_) => Err(Reason::Kind("not an access token (`token_use`)")),
    }
}

/// A NumericDate (RFC 7519 §2): seconds, fractions allowed.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<SystemTime>, Reason> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    match value.as_f64() {
        Some(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => {
            Ok(Some(UNIX_EPOCH + Duration::from_secs_f64(seconds)))
        }
        _ => Err(Reason::Claim(name)),
    }
}

/// A string, or an array of strings; empty when absent.
fn texts<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<Vec<&'a str>, Reason> {
    match claims.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().ok_or(Reason::Claim(name))).collect()
        }
        Some(_) => Err(Reason::Claim(name)),
    }
}

/// A string that names somebody: not empty, bounded, without control characters.
fn name(claims: &Map<String, Value>, name: &'static str) -> Result<Option<String>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text))
            if !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control) =>
        {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(Reason::Claim(name)),
    }
}

/// `client_id` (RFC 9068 §2.2); issuers older than it write `azp`.
fn client(claims: &Map<String, Value>) -> Result<Option<String>, Reason> {
    let azp = name(claims, "azp")?;
    Ok(name(claims, "client_id")?.or(azp))
}

/// `scope` (RFC 8693 §4.2), or `scp` as Entra (a string) and Okta (an array) write it.
fn scopes(claims: &Map<String, Value>) -> Result<BTreeSet<String>, Reason> {
    let name = if claims.contains_key("scope") { "scope" } else { "scp" };
    let lists = texts(claims, name)?;
    Ok(lists.iter().flat_map(|list| list.split_ascii_whitespace()).map(str::to_owned).collect())
}
