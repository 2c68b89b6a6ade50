//! Tokens that clients carry for us: encrypted, authenticated, bound to a purpose and to associated data.
//!
//! AES-256-GCM with a random 96-bit nonce. Such nonces are safe for 2³² tokens under one key (NIST SP 800-38D
//! §8.3); every purpose of every master key has its own count, and [`Keyring::rotate`] starts all of them anew.
//!
//! Layout before base64url: version (1 byte), key id (4), nonce (12), ciphertext, tag (16). The associated data
//! given to the cipher is version, key id and the caller's bytes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::keyring::KeyId;
use crate::random::infallible;
use crate::{Keyring, Unsealable};

/// Seals and opens tokens with the keys of a [`Keyring`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sealer {
    keyring: Keyring,
}

/// Whether a token carries its end. The two kinds have different keys, so one is never taken for the other.
#[derive(Clone, Copy)]
enum Kind {
    Lasting,
    Ending,
}

const VERSION: u8 = 1;
const HEAD_LEN: usize = 1 + size_of::<KeyId>();
const END_LEN: usize = size_of::<u64>();

impl Sealer {
    /// A sealer that uses the ring's primary, whichever that is at the time.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring }
    }

    /// Seals bytes for as long as the ring keeps the key. `purpose` is a constant of the calling room; `aad` is
    /// what the token is bound to, usually a principal key: [`Sealer::open`] needs the same two.
    #[must_use]
    pub fn seal(&self, purpose: &str, aad: &[u8], plaintext: &[u8]) -> String {
        self.encrypt(Kind::Lasting, purpose, aad, &[plaintext])
    }

    /// Opens what [`Sealer::seal`] made for the same purpose and associated data.
    ///
    /// # Errors
    /// [`Unsealable`], whatever the reason.
    pub fn open(&self, purpose: &str, aad: &[u8], token: &str) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        self.decrypt(Kind::Lasting, purpose, aad, token)
    }

    /// Seals bytes that open before `expires_at` (whole seconds) only.
    #[must_use]
    pub fn seal_until(&self, purpose: &str, aad: &[u8], plaintext: &[u8], expires_at: SystemTime) -> String {
        let end = expires_at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        self.encrypt(Kind::Ending, purpose, aad, &[&end.to_be_bytes(), plaintext])
    }

    /// Opens what [`Sealer::seal_until`] made for the same purpose and associated data, if it has not ended.
    ///
    /// # Errors
    /// [`Unsealable`], whatever the reason.
    pub fn open_at(
        &self,
        purpose: &str,
        aad: &[u8],
        token: &str,
        now: SystemTime,
    ) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let mut plaintext = self.decrypt(Kind::Ending, purpose, aad, token)?;
        let (end, _) = plaintext.split_first_chunk::<END_LEN>().ok_or(Unsealable)?;
        let end = Duration::from_secs(u64::from_be_bytes(*end));
        // Seconds that no clock can show (from the far future) are simply later than now.
        if UNIX_EPOCH.checked_add(end).is_some_and(|end| now >= end) {
            return Err(Unsealable);
        }
        plaintext.drain(..END_LEN);
        Ok(plaintext)
    }

    fn encrypt(&self, kind: Kind, purpose: &str, aad: &[u8], parts: &[&[u8]]) -> String {
        let (id, key) = self.keyring.sealing_key(&info(kind, purpose));
        let mut sealed = parts.concat();
        let nonce = infallible(key.seal_in_place_append_tag(Aad::from(bound(id, aad)), &mut sealed));
        let mut token = Vec::with_capacity(HEAD_LEN + NONCE_LEN + sealed.len());
        token.push(VERSION);
        token.extend(id);
        token.extend(nonce.as_ref());
        token.append(&mut sealed);
        URL_SAFE_NO_PAD.encode(token)
    }

    fn decrypt(
        &self,
        kind: Kind,
        purpose: &str,
        aad: &[u8],
        token: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let mut token = Zeroizing::new(URL_SAFE_NO_PAD.decode(token).map_err(|_| Unsealable)?);
        let (head, sealed) = token.split_at_mut_checked(HEAD_LEN + NONCE_LEN).ok_or(Unsealable)?;
        let (&mut [VERSION, ref id @ ..], nonce) =
            head.split_first_chunk_mut::<HEAD_LEN>().ok_or(Unsealable)?
        else {
            return Err(Unsealable);
        };
        let key = self.keyring.opening_key(*id, &info(kind, purpose)).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let opened = key.open_in_place(nonce, Aad::from(bound(*id, aad)), sealed).map_err(|_| Unsealable)?;
        Ok(Zeroizing::new(opened.to_vec()))
    }
}

/// The HKDF info: a prefix of fixed length per kind, then the purpose, so no two pairs give the same bytes.
fn info(kind: Kind, purpose: &str) -> [&[u8]; 2] {
    let prefix: &[u8] = match kind {
        Kind::Lasting => b"portcullis/seal/1/lasting/",
        Kind::Ending => b"portcullis/seal/1/ending/",
    };
    [prefix, purpose.as_bytes()]
}

/// What the cipher authenticates besides the plaintext; the head has a fixed length, so the parts cannot run
/// into each other.
fn bound(id: KeyId, aad: &[u8]) -> Vec<u8> {
    [&[VERSION], &id[..], aad].concat()
}
