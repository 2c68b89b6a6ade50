//! Why nobody was let in, and the one place that turns it into a status and a `WWW-Authenticate` header
//! (RFC 6750 §3, RFC 9728 §5.1).

use http::StatusCode;

use crate::metadata::Resource;
use crate::names::Names;

/// Why a request has no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No bearer token was sent.
    #[error("no bearer token")]
    NoToken,
    /// The request carries credentials in a way no reader can be sure of.
    #[error("{0}")]
    Malformed(&'static str),
    /// A token was sent and is not good here. The reason is for the log only.
    #[error("{0}")]
    InvalidToken(Reason),
    /// The token is good and lacks a scope that every caller of this gateway needs.
    #[error("needs the scopes `{}`", needed.join(" "))]
    InsufficientScope {
        /// All scopes the gateway needs, not only the missing ones.
        needed: Vec<String>,
    },
}

/// Which check a token failed. Goes to the log and the audit trail; never into an answer, where it would teach
/// a forger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// More than [`crate::TOKEN_BYTES_MAX`] bytes.
    #[error("the token is too long")]
    TooLong,
    /// Not a signed JWT in compact form with a header and claims of the right shape.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// `alg` is none, symmetric, unknown, or not that of the key.
    #[error("the token's algorithm is not that of a key of its issuer")]
    Algorithm,
    /// No authorizer of this gateway has the token's `iss`.
    #[error("the token's issuer is {token}; this gateway takes tokens of {known}")]
    Issuer {
        /// `iss` of the token, which nobody has verified.
        token: Names,
        /// Those of the authorizers.
        known: Names,
    },
    /// The issuer publishes no key of that id.
    #[error("the token's key is not one of its issuer's")]
    Key,
    /// The issuer's keys were never fetched, or not for too long.
    #[error("the issuer's keys cannot be fetched")]
    KeysUnavailable,
    /// The signature does not verify.
    #[error("the token's signature is wrong")]
    Signature,
    /// A token of the same issuer that is no access token, or one that demands more than bearing it.
    #[error("the token is not a bearer access token: {0}")]
    Kind(&'static str),
    /// A claim is missing or has a value of the wrong type or size.
    #[error("the token's claim `{0}` is missing or malformed")]
    Claim(&'static str),
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is still to come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `aud` names somebody else.
    #[error("the token's audience is {token}; this gateway takes tokens for {expected}")]
    Audience {
        /// `aud` of the token.
        token: Names,
        /// What one of them should be.
        expected: Names,
    },
    /// The client is not one of those configured.
    #[error("the token's client is not allowed here")]
    Client,
}

/// The answer to a request without a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// 400, 401 or 403.
    pub status: StatusCode,
    /// The value of `WWW-Authenticate`; visible ASCII.
    pub www_authenticate: String,
}

impl Rejection {
    /// The answer to it at `resource`; `scopes` are what a client should ask its authorization server for.
    #[must_use]
    pub fn challenge(&self, resource: &Resource, scopes: &[String]) -> Challenge {
        let (status, error) = match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, None),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, Some("invalid_request")),
            Self::InvalidToken(_) => (StatusCode::UNAUTHORIZED, Some("invalid_token")),
            Self::InsufficientScope { .. } => (StatusCode::FORBIDDEN, Some("insufficient_scope")),
        };
        let scopes = match self {
            Self::InsufficientScope { needed } => needed.as_slice(),
            _ => scopes,
        };
        let mut parameters = Vec::with_capacity(3);
        parameters.extend(error.map(|error| format!("error=\"{error}\"")));
        parameters.push(format!("resource_metadata=\"{}\"", resource.metadata_url()));
        if !scopes.is_empty() {
            parameters.push(format!("scope=\"{}\"", scopes.join(" ")));
        }
        Challenge { status, www_authenticate: format!("Bearer {}", parameters.join(", ")) }
    }
}
