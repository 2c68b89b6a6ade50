//! Tokens that were verified a moment ago, so that a busy client costs one signature check a minute.
//!
//! Only verified tokens get in, so a flood of bad ones pushes nobody out. The cache knows the digest of a token,
//! never the token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::principal::Principal;

/// How long a token is taken as verified.
const VERIFIED_FOR: Duration = Duration::from_secs(60);
/// Bytes of tokens remembered; a principal is a small multiple of its token.
const TOKEN_BYTES: u64 = 8 * 1024 * 1024;
/// Room made at the start, in entries.
const ENTRIES_AT_FIRST: usize = 64;

/// The verified tokens of one gateway.
pub(crate) struct VerifiedCache(Cache<TokenDigest, Arc<Entry>, TokenBytes>);

pub(crate) type TokenDigest = [u8; 32];

pub(crate) struct Entry {
    pub(crate) principal: Arc<Principal>,
    /// The authorizer that verified the token, by its position.
    pub(crate) authorizer: usize,
    /// The key set it was verified with ([`crate::jwk::KeySet::digest`]).
    pub(crate) keys: [u8; 32],
    pub(crate) verified_at: SystemTime,
    pub(crate) token_bytes: usize,
}

#[derive(Clone)]
struct TokenBytes;

impl VerifiedCache {
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(ENTRIES_AT_FIRST, TOKEN_BYTES, TokenBytes))
    }

    pub(crate) fn digest(token: &str) -> TokenDigest {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        key
    }

    /// The entry, if it is still good at `now`. Whether its keys are is for the caller to see.
    pub(crate) fn get(&self, token: &TokenDigest, now: SystemTime) -> Option<Arc<Entry>> {
        self.0.get(token).filter(|entry| entry.is_good(now))
    }

    pub(crate) fn insert(&self, token: TokenDigest, entry: Entry) {
        self.0.insert(token, Arc::new(entry));
    }
}

impl Entry {
    /// A clock that was set back ends an entry as well.
    fn is_good(&self, now: SystemTime) -> bool {
        let recent = now.duration_since(self.verified_at).is_ok_and(|age| age < VERIFIED_FOR);
        recent && !self.principal.is_over(now)
    }
}

impl Weighter<TokenDigest, Arc<Entry>> for TokenBytes {
    fn weight(&self, _: &TokenDigest, entry: &Arc<Entry>) -> u64 {
        entry.token_bytes as u64
    }
}
