//! The keys an issuer publishes (RFC 7517), and only those that can verify an access token safely.
//!
//! Each key has exactly one algorithm, fixed here and not by a token (RFC 8725 §3.1). Symmetric keys, keys for
//! encryption, weak keys and keys that were published with their private half are left out.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

use crate::challenge::Reason;
use crate::jose::{Header, Token, algorithm};

/// Keys in one set; a document with more is refused whole.
const KEYS_MAX: usize = 100;
/// RSA moduli, in bits: shorter ones are weak, longer ones make verification a burden.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The usable keys of one issuer.
pub(crate) struct KeySet {
    keys: Vec<Key>,
    /// Tells two documents apart.
    digest: [u8; 32],
}

struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// A document that is no key set, or has no usable key. Never a reason to forget the keys one has.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("it is not a JWK set")]
    NotASet,
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
    #[error("none of its keys can verify a signature here")]
    Empty,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// The members that are read of a JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Never read but to see that it should not be there.
    d: Option<Value>,
}

impl KeySet {
    pub(crate) fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        let set: Document = serde_json::from_slice(document).map_err(|_| KeySetError::NotASet)?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeySetError::TooMany);
        }
        let mut keys: Vec<Key> = Vec::new();
        for jwk in set.keys {
            let Some(key) = serde_json::from_value::<Jwk>(jwk).ok().as_ref().and_then(Jwk::key) else {
                continue;
            };
            // Two keys of one name and algorithm: the first is the one, so the choice does not depend on a token.
            if !keys.iter().any(|other| other.kid == key.kid && other.algorithm == key.algorithm) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, document).as_ref());
        Ok(Self { keys, digest: fingerprint })
    }

    /// Equal for equal documents.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Whether a token's key may be in a newer document: its `kid` is not in this one.
    pub(crate) fn lacks(&self, header: &Header) -> bool {
        match &header.kid {
            Some(kid) => !self.keys.iter().any(|key| key.kid.as_ref() == Some(kid)),
            None => false,
        }
    }

    /// Verifies the signature with the key that the header names.
    pub(crate) fn verify(&self, token: &Token<'_>) -> Result<(), Reason> {
        let key = self.find(&token.header)?;
        match crypto::verify(token.signature, token.message.as_bytes(), &key.key, key.algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Reason::Signature),
        }
    }

    fn find(&self, header: &Header) -> Result<&Key, Reason> {
        let Some(kid) = &header.kid else {
            // RFC 7515 leaves `kid` out where there is nothing to choose.
            return match self.keys.as_slice() {
                [only] if only.algorithm == header.algorithm => Ok(only),
                [_] => Err(Reason::Algorithm),
                _ => Err(Reason::Key),
            };
        };
        let mut named = self.keys.iter().filter(|key| key.kid.as_ref() == Some(kid)).peekable();
        named.peek().ok_or(Reason::Key)?;
        named.find(|key| key.algorithm == header.algorithm).ok_or(Reason::Algorithm)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| (&key.kid, key.algorithm))).finish()
    }
}

impl Jwk {
    /// The key, if it can be used to verify signatures here.
    fn key(&self) -> Option<Key> {
        let signs = self.r#use.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !signs || self.d.is_some() {
            return None;
        }
        let (key, default) = match self.kty.as_str() {
            "RSA" => (self.rsa()?, Algorithm::RS256),
            "EC" => self.elliptic()?,
            "OKP" if self.crv.as_deref() == Some("Ed25519") => {
                (DecodingKey::from_ed_der(&coordinate(self.x.as_deref()?, 32)?), Algorithm::EdDSA)
            }
            _ => return None,
        };
        // A key without `alg` (Entra) has the one every issuer has to support, not any that a token asks for.
        let algorithm = match &self.alg {
            None => default,
            Some(name) => algorithm(name)?,
        };
        let fits = match key.family() {
            AlgorithmFamily::Rsa => algorithm.family() == AlgorithmFamily::Rsa,
            _ => algorithm == default,
        };
        fits.then(|| Key { kid: self.kid.clone(), algorithm, key })
    }

    fn rsa(&self) -> Option<DecodingKey> {
        let n = URL_SAFE_NO_PAD.decode(self.n.as_deref()?).ok()?;
        let e = URL_SAFE_NO_PAD.decode(self.e.as_deref()?).ok()?;
        let n = without_leading_zeros(&n);
        let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
        RSA_BITS.contains(&bits).then(|| DecodingKey::from_rsa_raw_components(n, without_leading_zeros(&e)))
    }

    fn elliptic(&self) -> Option<(DecodingKey, Algorithm)> {
        let (algorithm, size) = match self.crv.as_deref()? {
            "P-256" => (Algorithm::ES256, 32),
            "P-384" => (Algorithm::ES384, 48),
            _ => return None,
        };
        // SEC 1 §2.3.3, uncompressed.
        let mut point = vec![4];
        point.append(&mut coordinate(self.x.as_deref()?, size)?);
        point.append(&mut coordinate(self.y.as_deref()?, size)?);
        Some((DecodingKey::from_ec_der(&point), algorithm))
    }
}

/// A coordinate of exactly the curve's size (RFC 7518 §6.2.1.2).
fn coordinate(text: &str, size: usize) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == size)
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}
