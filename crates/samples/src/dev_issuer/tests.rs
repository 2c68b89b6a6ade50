use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::json;

use super::*;

fn open(public_url: &str) -> (tempfile::TempDir, Result<DevIssuer, DevIssuerError>) {
    let dir = tempfile::tempdir().unwrap();
    let issuer = DevIssuer::open(dir.path(), &public_url.parse().unwrap());
    (dir, issuer)
}

fn claims() -> Claims {
    Claims {
        subject: "alice".into(),
        audiences: vec!["http://127.0.0.1:8642/corp/mcp".into()],
        client: "portcullis-token".into(),
        scopes: Vec::new(),
        extra: Map::new(),
        lifetime: LIFETIME_DEFAULT,
    }
}

#[test]
fn opens_on_loopback_only() {
    for url in ["http://127.0.0.1:8642", "http://localhost:8642/", "http://[::1]:8642", "http://127.8.8.8"] {
        assert!(open(url).1.is_ok(), "{url}");
    }
    for url in [
        "https://mcp.corp.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://0.0.0.0:8642",
        "http://192.168.1.10:8642",
        "http://[::ffff:10.0.0.1]",
    ] {
        let (dir, refused) = open(url);
        assert!(matches!(refused, Err(DevIssuerError::NotLoopback { .. })), "{url}");
        assert_eq!(dir.path().read_dir().unwrap().count(), 0, "no key is made");
    }
}

#[test]
fn another_library_reads_its_tokens_by_its_documents() {
    let (_dir, issuer) = open("http://127.0.0.1:8642/");
    let issuer = issuer.unwrap();
    let metadata = issuer.document("/dev/.well-known/openid-configuration").unwrap();
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    assert_eq!(metadata["issuer"], "http://127.0.0.1:8642/dev");
    assert_eq!(metadata["jwks_uri"], "http://127.0.0.1:8642/dev/jwks.json");
    let keys: JwkSet = serde_json::from_slice(&issuer.document("/dev/jwks.json").unwrap()).unwrap();

    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let extra = Map::from_iter([("roles".to_owned(), json!(["manager"]))]);
    let token =
        issuer.token(Claims { scopes: vec!["a".into(), "b".into()], extra, ..claims() }, now).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.set_audience(&["http://127.0.0.1:8642/corp/mcp"]);
    validation.set_issuer(&["http://127.0.0.1:8642/dev"]);
    let read = decode::<Value>(&token, &DecodingKey::from_jwk(&keys.keys[0]).unwrap(), &validation).unwrap();
    assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(read.claims["sub"], "alice");
    assert_eq!(read.claims["exp"], 1_800_003_600);
    assert_eq!(read.claims["scope"], "a b");
    assert_eq!(read.claims["roles"], json!(["manager"]));
}

#[test]
fn reserved_claims_and_endless_tokens_are_refused() {
    let (_dir, issuer) = open("http://localhost:1");
    let issuer = issuer.unwrap();
    for name in RESERVED {
        let extra = Map::from_iter([(name.to_owned(), json!("x"))]);
        let refused = issuer.token(Claims { extra, ..claims() }, UNIX_EPOCH);
        assert!(matches!(refused, Err(DevIssuerError::Reserved { .. })), "{name}");
    }
    for lifetime in [Duration::ZERO, Duration::from_millis(999), LIFETIME_MAX + Duration::from_secs(1)] {
        let refused = issuer.token(Claims { lifetime, ..claims() }, UNIX_EPOCH);
        assert!(matches!(refused, Err(DevIssuerError::Lifetime { .. })), "{lifetime:?}");
    }
}

#[test]
fn a_claim_on_the_command_line_is_json_or_text() {
    for (text, value) in [
        ("roles=[\"manager\"]", json!(["manager"])),
        ("level=3", json!(3)),
        ("team=red", json!("red")),
        ("note=a=b", json!("a=b")),
        ("empty=", json!("")),
    ] {
        assert_eq!(parse_claim(text).unwrap().1, value, "{text}");
    }
    for text in ["roles", "=x", ""] {
        assert!(parse_claim(text).is_err(), "{text}");
    }
}
