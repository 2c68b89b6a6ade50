//! What is wrong with a gateway's `inbound` so that no authenticator can be made of it.

use url::Url;

/// A configuration that names no usable issuer. Found while a revision is compiled, before any request.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The URL is not that of a discovery document.
    #[error(
        "`{url}` is no discovery URL: it has to hold `/.well-known/openid-configuration` or \
         `/.well-known/oauth-authorization-server`; otherwise write `issuer` and `jwks_uri` out"
    )]
    DiscoveryUrl {
        /// What was written.
        url: Url,
    },
    /// `issuer: dev` where the embedded development issuer does not run.
    #[error(
        "`issuer: dev` needs the embedded development issuer, which runs only where `public_url` is loopback"
    )]
    NoDevIssuer,
    /// Two authorizers of one gateway for one issuer: the issuer selects the authorizer, so the second is dead.
    #[error("two `jwt` authorizers of one gateway have the issuer `{issuer}`: merge them")]
    DuplicateIssuer {
        /// The issuer both have.
        issuer: String,
    },
    /// A scope with a character that OAuth does not allow in one (RFC 6749 §3.3).
    #[error("`{scope}` is no OAuth scope: spaces, quotes and backslashes are not allowed in one")]
    Scope {
        /// What was written.
        scope: String,
    },
    /// The keys of the embedded issuer are not usable; a defect of the program, not of the configuration.
    #[error("the key set of the embedded issuer `{issuer}` has no usable key")]
    LocalKeys {
        /// The embedded issuer.
        issuer: String,
    },
}
