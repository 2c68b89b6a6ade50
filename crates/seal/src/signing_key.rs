//! An ES256 key pair in a private file, and the JSON Web Tokens (RFC 7519) it signs.

use std::fmt;
use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::random::infallible;
use crate::{Error, private_file};

/// A P-256 key pair that signs JWTs with ES256 (RFC 7518 §3.4).
pub struct SigningKey {
    pair: EcdsaKeyPair,
    x: String,
    y: String,
    kid: String,
}

impl SigningKey {
    /// The key in `path` (PKCS#8, mode 0600); made there when the file does not exist.
    ///
    /// # Errors
    /// The file cannot be read or created, holds no P-256 key, or others than its owner can read it.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        if let Some(pkcs8) = private_file::read(path)? {
            return Self::parse(path, &pkcs8);
        }
        let pkcs8 =
            infallible(EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()));
        match private_file::create(path, pkcs8.as_ref()) {
            Ok(()) => Self::parse(path, pkcs8.as_ref()),
            // Another process was first: its key is the one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match private_file::read(path)? {
                Some(pkcs8) => Self::parse(path, &pkcs8),
                None => Err(Error::Io { path: path.to_owned(), source: error }),
            },
            Err(source) => Err(Error::Io { path: path.to_owned(), source }),
        }
    }

    /// The key's name: its RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK set (RFC 7517 §5).
    #[must_use]
    pub fn jwk_set(&self) -> Value {
        let Self { x, y, kid, .. } = self;
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "alg": "ES256", "use": "sig",
        }] })
    }

    /// A JWT in compact form with this `typ` header (`at+jwt`, `JWT`) and these claims, as they are.
    #[must_use]
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": typ, "kid": self.kid });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = infallible(self.pair.sign(&SystemRandom::new(), token.as_bytes()));
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    fn parse(path: &Path, pkcs8: &[u8]) -> Result<Self, Error> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| Error::Damaged { path: path.to_owned(), what: "not a P-256 key in PKCS#8" })?;
        // SEC 1 §2.3.3: 0x04, then the coordinates of 32 bytes each.
        let point: &[u8; 65] = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| Error::Damaged { path: path.to_owned(), what: "no public point in the key" })?;
        let x = URL_SAFE_NO_PAD.encode(&point[1..33]);
        let y = URL_SAFE_NO_PAD.encode(&point[33..]);
        let kid = thumbprint(&x, &y);
        Ok(Self { pair, x, y, kid })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// RFC 7638 §3: the digest of the required members in lexical order, without white space.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}
