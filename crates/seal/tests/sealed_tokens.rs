//! What opens a sealed token, and everything that does not.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_seal::{KEYS_MAX, Keyring, Sealer, Unsealable};

const ALICE: &[u8] = b"alice";
const BOB: &[u8] = b"bob";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn sealer() -> (tempfile::TempDir, Keyring, Sealer) {
    let dir = tempfile::tempdir().unwrap();
    let keyring = Keyring::open(dir.path()).unwrap();
    let sealer = Sealer::new(keyring.clone());
    (dir, keyring, sealer)
}

#[test]
fn opens_for_the_same_purpose_and_principal() {
    let (_dir, _, sealer) = sealer();
    let token = sealer.seal("cursor", ALICE, b"page 2");
    assert_eq!(*sealer.open("cursor", ALICE, &token).unwrap(), b"page 2");
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
}

#[test]
fn seals_the_empty_text_and_no_two_tokens_alike() {
    let (_dir, _, sealer) = sealer();
    let token = sealer.seal("cursor", b"", b"");
    assert_eq!(*sealer.open("cursor", b"", &token).unwrap(), b"");
    assert_ne!(token, sealer.seal("cursor", b"", b""));
}

#[test]
fn refuses_a_foreign_principal_and_a_foreign_purpose() {
    let (_dir, _, sealer) = sealer();
    let token = sealer.seal("cursor", ALICE, b"page 2");
    assert_eq!(sealer.open("cursor", BOB, &token), Err(Unsealable));
    assert_eq!(sealer.open("cursor", b"", &token), Err(Unsealable));
    assert_eq!(sealer.open("state", ALICE, &token), Err(Unsealable));
}

#[test]
fn refuses_every_flipped_bit_and_every_shortened_token() {
    let (_dir, _, sealer) = sealer();
    let token = sealer.seal("cursor", ALICE, b"page 2");
    for position in 0..token.len() {
        let mut forged = token.clone().into_bytes();
        forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(sealer.open("cursor", ALICE, &forged), Err(Unsealable), "changed at {position}");
        assert_eq!(sealer.open("cursor", ALICE, &token[..position]), Err(Unsealable), "cut at {position}");
    }
    for noise in ["", "=", "AQ", "not base64 at all", "AQAAAAAAAAAAAAAAAAAAAAAAAAAA", &format!("{token}=")] {
        assert_eq!(sealer.open("cursor", ALICE, noise), Err(Unsealable));
    }
}

#[test]
fn refuses_a_token_of_another_gateway() {
    let (_dir, _, ours) = sealer();
    let (_other_dir, _, theirs) = sealer();
    assert_eq!(ours.open("cursor", ALICE, &theirs.seal("cursor", ALICE, b"x")), Err(Unsealable));
}

#[test]
fn ends_at_its_end() {
    let (_dir, _, sealer) = sealer();
    let token = sealer.seal_until("state", ALICE, b"park 7", at(1000));
    assert_eq!(*sealer.open_at("state", ALICE, &token, at(999)).unwrap(), b"park 7");
    assert_eq!(sealer.open_at("state", ALICE, &token, at(1000)), Err(Unsealable));
    assert_eq!(sealer.open_at("state", BOB, &token, at(999)), Err(Unsealable));
}

#[test]
fn never_takes_a_token_with_an_end_for_one_without() {
    let (_dir, _, sealer) = sealer();
    let ending = sealer.seal_until("state", ALICE, b"12345678", at(1000));
    let lasting = sealer.seal("state", ALICE, b"12345678");
    assert_eq!(sealer.open("state", ALICE, &ending), Err(Unsealable));
    assert_eq!(sealer.open_at("state", ALICE, &lasting, at(1)), Err(Unsealable));
}

#[test]
fn opens_after_rotation_and_restart_until_the_key_is_forgotten() {
    let (dir, keyring, sealer) = sealer();
    let old = sealer.seal("cursor", ALICE, b"old");
    keyring.rotate().unwrap();
    let new = sealer.seal("cursor", ALICE, b"new");
    let restarted = Sealer::new(Keyring::open(dir.path()).unwrap());
    for sealer in [&sealer, &restarted] {
        assert_eq!(*sealer.open("cursor", ALICE, &old).unwrap(), b"old");
        assert_eq!(*sealer.open("cursor", ALICE, &new).unwrap(), b"new");
    }
    for _ in 0..KEYS_MAX - 1 {
        keyring.rotate().unwrap();
    }
    assert_eq!(sealer.open("cursor", ALICE, &old), Err(Unsealable));
    assert_eq!(*sealer.open("cursor", ALICE, &new).unwrap(), b"new");
}
