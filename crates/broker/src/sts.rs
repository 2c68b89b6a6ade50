//! The embedded security token service: an issuer of its own, whose tokens tell servers who is calling.
//!
//! Servers verify them with the key set at `{issuer}/jwks.json`, which the metadata documents name. The gateway
//! itself refuses such tokens inbound, unless this issuer is configured there.

use std::path::Path;

use bytes::Bytes;
use seal::Issuer;
use serde_json::Value;
use url::Url;

/// The key, in the data directory.
const KEY_FILE: &str = "sts-key.p8";
/// The issuer's path below the public URL.
const PATH: &str = "/sts";

/// Signs assertions as `{public_url}/sts`.
#[derive(Debug)]
pub struct Sts(Issuer);

impl Sts {
    /// The service of this data directory, which keeps its key across restarts.
    ///
    /// # Errors
    /// The key file cannot be used.
    pub fn open(data_dir: &Path, public_url: &Url) -> Result<Self, seal::Error> {
        Issuer::open(&data_dir.join(KEY_FILE), public_url.as_str(), PATH).map(Self)
    }

    /// The exact `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.url()
    }

    /// The JSON document at a path of the data plane, if it is one of this issuer's: see [`Issuer::document`].
    #[must_use]
    pub fn document(&self, path: &str) -> Option<Bytes> {
        self.0.document(path)
    }

    /// Signs an access token (RFC 9068).
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.0.sign(claims)
    }
}
