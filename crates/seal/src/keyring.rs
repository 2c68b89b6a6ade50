//! The master keys of one gateway: `keyring.json` in the data directory.
//!
//! The newest key seals, every kept one opens. Each purpose gets a key of its own by HKDF, so a token made for
//! one purpose is noise to all others. The ring never writes a key anywhere else and never prints one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::random::{infallible, random_bytes};
use crate::{Error, private_file};

/// Keys kept after rotations, the primary included; rotating once more forgets the oldest.
pub const KEYS_MAX: usize = 8;

const FILE_NAME: &str = "keyring.json";
const FILE_VERSION: u32 = 1;

/// The master keys. Cheap to clone; clones share the ring.
#[derive(Clone)]
pub struct Keyring(Arc<Ring>);

/// Names a master key inside a token. Not a secret.
pub(crate) type KeyId = [u8; 4];

struct Ring {
    path: PathBuf,
    /// Oldest first; the last one is the primary. INVARIANT: never empty.
    keys: RwLock<Vec<MasterKey>>,
}

struct MasterKey {
    id: KeyId,
    secret: Zeroizing<[u8; 32]>,
    /// The extracted half of HKDF (RFC 5869 §2.2), done once per key.
    prk: Prk,
}

/// The file, as written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingFile {
    version: u32,
    /// Oldest first.
    keys: Vec<KeyRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRecord {
    id: String,
    secret: Zeroizing<String>,
}

impl Keyring {
    /// Opens the ring of `data_dir`; a first start makes the directory (0700) and the file (0600) with one key.
    ///
    /// # Errors
    /// The file cannot be read or created, is damaged, or others than its owner can read it.
    pub fn open(data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join(FILE_NAME);
        if let Some(text) = private_file::read(&path)? {
            return Self::parse(path, &text);
        }
        let first = [MasterKey::generate()];
        match file_text(&first).and_then(|text| private_file::create(&path, &text)) {
            Ok(()) => Ok(Self::new(path, first.into())),
            // Another process was first: its key is the ring's.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match private_file::read(&path)? {
                Some(text) => Self::parse(path, &text),
                None => Err(Error::Io { path, source: error }),
            },
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    /// Makes a new key the primary. What older keys sealed still opens, as long as they are among the newest
    /// [`KEYS_MAX`]. The new ring is on the disk before the first token is sealed with it.
    ///
    /// # Errors
    /// The file cannot be replaced; the ring stays as it was.
    pub fn rotate(&self) -> Result<(), Error> {
        let Ring { path, keys } = &*self.0;
        let mut keys = keys.write().unwrap_or_else(PoisonError::into_inner);
        let mut next: Vec<MasterKey> = keys.iter().map(MasterKey::copy).collect();
        next.push(MasterKey::generate());
        next.drain(..next.len().saturating_sub(KEYS_MAX));
        file_text(&next)
            .and_then(|text| private_file::replace(path, &text))
            .map_err(|source| Error::Io { path: path.clone(), source })?;
        *keys = next;
        Ok(())
    }

    /// The primary's id and its key for a purpose.
    pub(crate) fn sealing_key(&self, info: &[&[u8]]) -> (KeyId, RandomizedNonceKey) {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        let Some(primary) = keys.last() else { std::process::abort() };
        (primary.id, primary.derive(info))
    }

    /// The key of that id for a purpose; `None` for an id that is not in the ring.
    pub(crate) fn opening_key(&self, id: KeyId, info: &[&[u8]]) -> Option<RandomizedNonceKey> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().rev().find(|key| key.id == id).map(|key| key.derive(info))
    }

    fn parse(path: PathBuf, text: &[u8]) -> Result<Self, Error> {
        let Ok(file) = serde_json::from_slice::<RingFile>(text) else {
            return Err(Error::Damaged { path, what: "not the JSON of a keyring" });
        };
        if file.version != FILE_VERSION {
            return Err(Error::Damaged { path, what: "a version this program does not know" });
        }
        let keys: Option<Vec<_>> = file.keys.iter().map(KeyRecord::key).collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self::new(path, keys)),
            Some(_) => Err(Error::Damaged { path, what: "no key in it" }),
            None => Err(Error::Damaged { path, what: "a key of the wrong size" }),
        }
    }

    fn new(path: PathBuf, keys: Vec<MasterKey>) -> Self {
        Self(Arc::new(Ring { path, keys: RwLock::new(keys) }))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl MasterKey {
    fn generate() -> Self {
        Self::new(random_bytes(), Zeroizing::new(random_bytes()))
    }

    fn new(id: KeyId, secret: Zeroizing<[u8; 32]>) -> Self {
        let prk = Salt::new(HKDF_SHA256, b"portcullis/keyring").extract(&*secret);
        Self { id, secret, prk }
    }

    fn copy(&self) -> Self {
        Self { id: self.id, secret: self.secret.clone(), prk: self.prk.clone() }
    }

    fn derive(&self, info: &[&[u8]]) -> RandomizedNonceKey {
        let mut bytes = Zeroizing::new([0; 32]);
        infallible(self.prk.expand(info, HKDF_SHA256).and_then(|okm| okm.fill(&mut *bytes)));
        infallible(RandomizedNonceKey::new(&AES_256_GCM, &*bytes))
    }

    fn record(&self) -> KeyRecord {
        KeyRecord {
            id: URL_SAFE_NO_PAD.encode(self.id),
            secret: Zeroizing::new(URL_SAFE_NO_PAD.encode(*self.secret)),
        }
    }
}

impl KeyRecord {
    fn key(&self) -> Option<MasterKey> {
        let id = URL_SAFE_NO_PAD.decode(&self.id).ok()?.try_into().ok()?;
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(&*self.secret).ok()?);
        let secret = Zeroizing::new(decoded.as_slice().try_into().ok()?);
        Some(MasterKey::new(id, secret))
    }
}

fn file_text(keys: &[MasterKey]) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = RingFile { version: FILE_VERSION, keys: keys.iter().map(MasterKey::record).collect() };
    // Reserved in full: a buffer that grows leaves copies of the secrets behind.
    let mut text = Zeroizing::new(Vec::with_capacity(128 * (1 + file.keys.len())));
    serde_json::to_writer(&mut *text, &file)?;
    Ok(text)
}
