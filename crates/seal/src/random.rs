//! Unpredictable identifiers, and comparison that does not tell how much was equal.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{constant_time, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 256 random bits as 43 characters of base64url: session ids, `jti`, park ids.
#[must_use]
pub fn random_id() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// `N` random bytes from the system's cryptographic generator.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    infallible(rand::fill(&mut bytes));
    bytes
}

/// Whether two secrets are the same, in a time that depends on their lengths only.
#[must_use]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// Takes the value of an operation whose inputs are ours and of fixed size, so that only a broken
/// cryptographic library can refuse it. A gateway that cannot make keys, nonces or signatures must not answer
/// anything, so the process ends, as the library itself does when the system has no entropy.
pub(crate) fn infallible<T>(result: Result<T, Unspecified>) -> T {
    match result {
        Ok(value) => value,
        Err(Unspecified) => std::process::abort(),
    }
}
