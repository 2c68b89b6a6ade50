//! The embedded security token service: an issuer of its own, whose tokens tell servers who is calling.
//!
//! Servers verify them with the key set at `{issuer}/jwks.json`, which the metadata documents name. The gateway
//! itself refuses such tokens inbound, unless this issuer is configured there.

use std::path::Path;

use bytes::Bytes;
use seal::SigningKey;
use serde_json::{Value, json};
use url::Url;

/// The key, in the data directory.
const KEY_FILE: &str = "sts-key.p8";
/// The issuer's path below the public URL.
const PATH: &str = "/sts";

/// Signs assertions as `{public_url}/sts`.
#[derive(Debug)]
pub struct Sts {
    issuer: String,
    key: SigningKey,
    jwk_set: Bytes,
    metadata: Bytes,
}

impl Sts {
    /// The service of this data directory, which keeps its key across restarts.
    ///
    /// # Errors
    /// The key file cannot be used.
    pub fn open(data_dir: &Path, public_url: &Url) -> Result<Self, seal::Error> {
        let key = SigningKey::load_or_create(&data_dir.join(KEY_FILE))?;
        let issuer = format!("{}{PATH}", public_url.as_str().trim_end_matches('/'));
        let jwk_set = key.jwk_set().to_string().into();
        // It has no endpoint but the keys, so there is no grant, response type or endpoint to name.
        let metadata = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/jwks.json"),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        Ok(Self { issuer, key, jwk_set, metadata: metadata.to_string().into() })
    }

    /// The exact `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The JSON document at a path of the data plane, if it is one of this issuer's: the key set, and the metadata
    /// where OpenID Connect Discovery and RFC 8414 clients look for it. Public, and the same for everyone.
    #[must_use]
    pub fn document(&self, path: &str) -> Option<Bytes> {
        match path {
            "/sts/jwks.json" => Some(self.jwk_set.clone()),
            "/sts/.well-known/openid-configuration"
            | "/sts/.well-known/oauth-authorization-server"
            | "/.well-known/openid-configuration/sts"
            | "/.well-known/oauth-authorization-server/sts" => Some(self.metadata.clone()),
            _ => None,
        }
    }

    /// Signs an access token (RFC 9068).
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.key.sign("at+jwt", claims)
    }
}
