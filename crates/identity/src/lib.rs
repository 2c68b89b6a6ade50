//! A credential becomes a [`Principal`].
//!
//! Knows OAuth and JWTs; knows no MCP. Reads inbound keys only, never an outbound secret. A credential that
//! cannot be verified, for whatever reason, lets nobody in; which check it failed goes to the log, not to the
//! caller.

mod authenticator;
mod bearer;
mod challenge;
mod claims;
mod discovery;
mod error;
mod fetch;
mod jose;
mod jwk;
mod key_source;
mod key_sources;
mod metadata;
mod names;
mod principal;
mod verified_cache;

pub use authenticator::Authenticator;
pub use bearer::{TOKEN_BYTES_MAX, query_has_token};
pub use challenge::{Challenge, Reason, Rejection};
pub use claims::LEEWAY;
pub use error::IdentityError;
pub use key_sources::{KeySources, KeyStatus, LocalIssuer};
pub use metadata::{METADATA_ROOT, Resource};
pub use names::Names;
pub use principal::{Principal, PrincipalKey, UserKey, Verified};
