//! A token issuer of the gateway's own: a signing key under a URL, and the documents by which others verify its tokens.
//!
//! Says nothing about who gets a token for what: its owner decides, and signs. Serves nothing itself.

use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{Error, SigningKey};

/// Where the key set is, below the issuer.
const KEYS: &str = "/jwks.json";
/// Where the metadata is looked for: below the issuer's path (OpenID Connect Discovery 1.0 §4), or in front of it
/// (RFC 8414 §3.1). Clients of either kind are known to use the other's place.
const METADATA: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

/// Signs tokens as `{public_url}{path}`, and knows the documents to be published there.
#[derive(Debug)]
pub struct Issuer {
    url: String,
    path: &'static str,
    key: SigningKey,
    jwk_set: Bytes,
    metadata: Bytes,
}

impl Issuer {
    /// The issuer at `path` (`/sts`) below the gateway's public URL, with the key in `key_file`, which is made there when
    /// the file does not exist.
    ///
    /// # Errors
    /// The key file cannot be used.
    pub fn open(key_file: &Path, public_url: &str, path: &'static str) -> Result<Self, Error> {
        let key = SigningKey::load_or_create(key_file)?;
        let url = format!("{}{path}", public_url.trim_end_matches('/'));
        let jwk_set = key.jwk_set().to_string().into();
        // It has no endpoint but the keys, so there is no grant, response type or endpoint to name.
        let metadata = json!({
            "issuer": url,
            "jwks_uri": format!("{url}{KEYS}"),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        Ok(Self { url, path, key, jwk_set, metadata: metadata.to_string().into() })
    }

    /// The exact `iss` of its tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The public half of its key, as a JWK set.
    #[must_use]
    pub fn jwk_set(&self) -> Value {
        self.key.jwk_set()
    }

    /// The JSON document at a path of the data plane, if it is one of this issuer's: the key set, and the metadata
    /// where OpenID Connect Discovery and RFC 8414 clients look for it. Public, and the same for everyone.
    #[must_use]
    pub fn document(&self, path: &str) -> Option<Bytes> {
        let below = path.strip_prefix(self.path);
        if below == Some(KEYS) {
            return Some(self.jwk_set.clone());
        }
        let name = below.or_else(|| path.strip_suffix(self.path))?;
        METADATA.contains(&name).then(|| self.metadata.clone())
    }

    /// Signs an access token (RFC 9068) with these claims, as they are.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.key.sign("at+jwt", claims)
    }
}
