//! What an issuer of the gateway's own publishes, and where.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use portcullis_seal::Issuer;
use serde_json::{Value, json};

fn issuer(dir: &std::path::Path) -> Issuer {
    Issuer::open(&dir.join("key.p8"), "https://gw.example/", "/sts").unwrap()
}

#[test]
fn metadata_is_where_either_kind_of_client_looks_and_leads_to_the_keys() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = issuer(dir.path());
    assert_eq!(issuer.url(), "https://gw.example/sts");
    for path in [
        "/sts/.well-known/openid-configuration",
        "/sts/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/sts",
        "/.well-known/oauth-authorization-server/sts",
    ] {
        let metadata: Value = serde_json::from_slice(&issuer.document(path).unwrap()).unwrap();
        assert_eq!(metadata["issuer"], "https://gw.example/sts");
        assert_eq!(metadata["jwks_uri"], "https://gw.example/sts/jwks.json");
    }
    let keys: Value = serde_json::from_slice(&issuer.document("/sts/jwks.json").unwrap()).unwrap();
    assert_eq!(keys, issuer.jwk_set());
}

#[test]
fn nothing_is_published_anywhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let issuer = issuer(dir.path());
    for path in [
        "",
        "/",
        "/sts",
        "/sts/",
        "/sts/token",
        "/jwks.json",
        "/jwks.json/sts",
        "/sts/jwks.json/",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/stss",
        "/sts/.well-known/openid-configuration/sts",
    ] {
        assert_eq!(issuer.document(path), None, "{path}");
    }
}

#[test]
fn its_tokens_are_verified_with_what_it_publishes_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let token = issuer(dir.path()).sign(&json!({ "iss": "https://gw.example/sts", "sub": "alice" }));
    let keys = issuer(dir.path()).document("/sts/jwks.json").unwrap();
    let keys: JwkSet = serde_json::from_slice(&keys).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.required_spec_claims.clear();
    rules.set_issuer(&["https://gw.example/sts"]);
    let verified = decode::<Value>(&token, &DecodingKey::from_jwk(&keys.keys[0]).unwrap(), &rules).unwrap();
    assert_eq!((verified.header.typ.as_deref(), &verified.claims["sub"]), (Some("at+jwt"), &json!("alice")));
}
