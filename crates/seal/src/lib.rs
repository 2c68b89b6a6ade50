//! Secrets the gateway makes and keeps for itself: sealed tokens, the keyring behind them, signing keys and the
//! issuers they sign for, random ids.
//!
//! A sealed token goes out to a client and comes back (cursor, request state): it is encrypted, authenticated
//! and bound to a purpose, to associated data (usually a principal key) and optionally to an end. Keys live in
//! files that only their owner can read. This room never stores what it seals and never asks what time it is.

mod error;
mod issuer;
mod keyring;
mod private_file;
mod random;
mod sealer;
mod signing_key;

pub use error::{Error, Unsealable};
pub use issuer::Issuer;
pub use keyring::{KEYS_MAX, Keyring};
pub use random::{equal, random_bytes, random_id};
pub use sealer::Sealer;
pub use signing_key::SigningKey;
