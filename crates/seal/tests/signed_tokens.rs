//! Tokens of a signing key, read by a library that we did not write.

use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use portcullis_seal::{SigningKey, equal, random_id};
use serde_json::{Value, json};

#[test]
fn another_library_verifies_the_signature_by_the_published_set() {
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::load_or_create(&dir.path().join("key.p8")).unwrap();
    let claims = json!({ "sub": "alice", "exp": 4_000_000_000_u64, "name": "Ålice \"A\"" });
    let token = key.sign("at+jwt", &claims);

    let set: JwkSet = serde_json::from_value(key.jwk_set()).unwrap();
    let jwk = set.find(key.kid()).unwrap();
    assert_eq!(jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), key.kid());
    let decoded =
        decode::<Value>(&token, &DecodingKey::from_jwk(jwk).unwrap(), &Validation::new(Algorithm::ES256))
            .unwrap();
    assert_eq!(decoded.claims, claims);
    assert_eq!(decoded.header.kid.as_deref(), Some(key.kid()));
    assert_eq!(decoded.header.typ.as_deref(), Some("at+jwt"));
}

#[test]
fn the_key_is_the_same_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.p8");
    let first = SigningKey::load_or_create(&path).unwrap();
    let second = SigningKey::load_or_create(&path).unwrap();
    assert_eq!(first.jwk_set(), second.jwk_set());
    assert!(first.jwk_set()["keys"][0].get("d").is_none());
}

#[test]
fn random_ids_have_256_bits_and_do_not_repeat() {
    let ids: std::collections::HashSet<_> = (0..1000).map(|_| random_id()).collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.iter().all(|id| id.len() == 43));
}

#[test]
fn compares_secrets_whole() {
    assert!(equal(b"abc", b"abc"));
    assert!(!equal(b"abc", b"abd"));
    assert!(!equal(b"abc", b"ab"));
}
