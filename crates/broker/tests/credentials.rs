//! Which credential a server gets, for whom and for how long.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::{Outbound, Secret};
use http::HeaderMap;
use identity::{Principal, Verified};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use portcullis_broker::{Broker, BrokerError, Sts};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const STS: &str = "https://gate.example/sts";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW + seconds)
}

fn broker() -> (tempfile::TempDir, Broker) {
    let dir = tempfile::tempdir().unwrap();
    let sts = Sts::open(dir.path(), &"https://gate.example/".parse().unwrap()).unwrap();
    (dir, Broker::new(sts))
}

fn caller(subject: &str, claims: Value, ends_in: u64) -> Principal {
    Principal::from(Verified {
        issuer: "https://idp.example".into(),
        subject: subject.into(),
        client: Some("agent".into()),
        scopes: BTreeSet::from(["read".into(), "write".into()]),
        claims: claims.as_object().unwrap().clone(),
        expires_at: Some(at(ends_in)),
        ..Verified::default()
    })
}

fn assertion(audience: &str) -> Outbound {
    Outbound::Assertion { audience: audience.into() }
}

async fn token(broker: &Broker, caller: &Principal, audience: &str, now: SystemTime) -> String {
    let mut headers = HeaderMap::new();
    broker.credential(caller, &assertion(audience), now).await.unwrap().apply(&mut headers);
    assert_eq!(headers.len(), 1);
    headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

/// What a server reads, with a library that is not ours.
fn read(broker: &Broker, token: &str, audience: &str) -> Value {
    let keys: JwkSet = serde_json::from_slice(&broker.sts().document("/sts/jwks.json").unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.set_audience(&[audience]);
    validation.set_issuer(&[STS]);
    let decoded =
        decode::<Value>(token, &DecodingKey::from_jwk(&keys.keys[0]).unwrap(), &validation).unwrap();
    assert_eq!(decoded.header.kid, keys.keys[0].common.key_id);
    assert_eq!(decoded.header.typ.as_deref(), Some("at+jwt"));
    decoded.claims
}

#[tokio::test]
async fn an_assertion_tells_one_server_who_calls() {
    let (_dir, broker) = broker();
    let claims = json!({
        "groups": ["finance"], "roles": "manager", "email": "alice@corp.example", "name": "Alice Å",
        "secret": "not for servers", "aud": "gateway",
    });
    let alice = caller("alice", claims, 3600);
    let mut found = read(&broker, &token(&broker, &alice, "finance", at(0)).await, "finance");
    assert_eq!(found["jti"].take().as_str().unwrap().len(), 43);
    assert_eq!(
        found,
        json!({
            "iss": STS, "sub": "alice", "aud": "finance", "iat": NOW, "exp": NOW + 300, "jti": null,
            "client_id": "agent", "scope": "read write",
            "sub_id": { "format": "iss_sub", "iss": "https://idp.example", "sub": "alice" },
            "groups": ["finance"], "roles": "manager", "email": "alice@corp.example", "name": "Alice Å",
        })
    );
}

#[tokio::test]
async fn large_and_odd_claims_stay_here() {
    let (_dir, broker) = broker();
    let claims = json!({ "groups": vec!["g"; 1000], "roles": { "a": 1 }, "email": 7, "name": ["a", 1] });
    let found = read(&broker, &token(&broker, &caller("alice", claims, 3600), "x", at(0)).await, "x");
    for name in ["groups", "roles", "email", "name"] {
        assert!(found.get(name).is_none(), "{name}");
    }
}

#[tokio::test]
async fn an_assertion_is_reused_for_half_its_life() {
    let (_dir, broker) = broker();
    let alice = caller("alice", json!({}), 3600);
    let first = token(&broker, &alice, "finance", at(0)).await;
    assert_eq!(token(&broker, &alice, "finance", at(149)).await, first);
    let second = token(&broker, &alice, "finance", at(150)).await;
    assert_ne!(second, first);
    assert_eq!(read(&broker, &second, "finance")["exp"], json!(NOW + 450));
    assert_ne!(token(&broker, &alice, "finance", at(100)).await, second, "the clock was set back");
}

#[tokio::test]
async fn an_assertion_never_outlives_the_callers_own_token() {
    let (_dir, broker) = broker();
    let long = token(&broker, &caller("alice", json!({}), 3600), "finance", at(0)).await;
    let ending = caller("alice", json!({}), 100);
    let short = token(&broker, &ending, "finance", at(1)).await;
    assert_ne!(short, long);
    assert_eq!(read(&broker, &short, "finance")["exp"], json!(NOW + 100));
    let refused = broker.credential(&ending, &assertion("finance"), at(100)).await;
    assert_eq!(refused, Err(BrokerError::CallerExpired));
}

#[tokio::test]
async fn another_audience_user_or_role_is_another_assertion() {
    let (_dir, broker) = broker();
    let alice = caller("alice", json!({ "roles": ["manager"] }), 3600);
    let first = token(&broker, &alice, "finance", at(0)).await;
    assert_ne!(token(&broker, &alice, "legal", at(0)).await, first);
    let demoted = token(&broker, &caller("alice", json!({ "roles": [] }), 3600), "finance", at(0)).await;
    assert_eq!(read(&broker, &demoted, "finance")["roles"], json!([]));
    let bob = token(&broker, &caller("bob", json!({ "roles": ["manager"] }), 3600), "finance", at(0)).await;
    assert_eq!(read(&broker, &bob, "finance")["sub"], json!("bob"));
}

#[tokio::test]
async fn twenty_thousand_interleaved_calls_never_mix_users() {
    let (_dir, broker) = broker();
    let broker = Arc::new(broker);
    let calls: Vec<_> = (0..4)
        .map(|worker| {
            let broker = broker.clone();
            tokio::spawn(async move {
                let users = [caller("alice", json!({}), 3600), caller("bob", json!({}), 3600)];
                let mut seen = [BTreeSet::new(), BTreeSet::new()];
                for call in 0..5000 {
                    let user = (call + worker) % 2;
                    seen[user].insert(token(&broker, &users[user], "finance", at(call as u64 / 50)).await);
                }
                seen
            })
        })
        .collect();
    for call in calls {
        for (tokens, subject) in call.await.unwrap().iter().zip(["alice", "bob"]) {
            assert!(!tokens.is_empty());
            for token in tokens {
                assert_eq!(read(&broker, token, "finance")["sub"], json!(subject));
            }
        }
    }
}

#[tokio::test]
async fn nobody_in_particular_gets_no_assertion() {
    let (_dir, broker) = broker();
    let refused = broker.credential(&Principal::anonymous(), &assertion("x"), at(0)).await;
    assert_eq!(refused, Err(BrokerError::Anonymous));
    assert_eq!(broker.for_upkeep(&assertion("x")).await, Err(BrokerError::NeedsCaller));
}

#[tokio::test]
async fn fixed_headers_replace_and_are_never_printed() {
    let (_dir, broker) = broker();
    let fixed = |value: &str| {
        let secret = Secret(String::from(value).into());
        Outbound::Headers(BTreeMap::from([("X-Api-Key".to_owned(), secret)]))
    };
    let credential = broker.credential(&Principal::anonymous(), &fixed("s3cret"), at(0)).await.unwrap();
    assert_eq!(broker.for_upkeep(&fixed("s3cret")).await.unwrap(), credential);
    assert!(!format!("{credential:?}").contains("s3cret"), "{credential:?}");
    let mut headers = HeaderMap::new();
    headers.append("x-api-key", "old".parse().unwrap());
    headers.append("x-api-key", "older".parse().unwrap());
    credential.apply(&mut headers);
    assert_eq!(headers.get_all("x-api-key").iter().collect::<Vec<_>>(), ["s3cret"]);
    let refused = broker.for_upkeep(&fixed("a\r\nb: c")).await.unwrap_err();
    assert!(matches!(&refused, BrokerError::Header { name } if name == "X-Api-Key"));
    assert!(!refused.to_string().contains("b: c"));
    assert!(broker.for_upkeep(&Outbound::None).await.unwrap().is_none());
}

#[test]
fn the_service_publishes_where_its_keys_are() {
    let (dir, broker) = broker();
    let sts = broker.sts();
    let metadata = sts.document("/.well-known/oauth-authorization-server/sts").unwrap();
    assert_eq!(sts.document("/sts/.well-known/openid-configuration").unwrap(), metadata);
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    assert_eq!(metadata["issuer"], json!(STS));
    assert_eq!(metadata["jwks_uri"], json!("https://gate.example/sts/jwks.json"));
    assert!(sts.document("/sts/token").is_none());
    let restarted = Sts::open(dir.path(), &"https://gate.example".parse().unwrap()).unwrap();
    assert_eq!(restarted.document("/sts/jwks.json"), sts.document("/sts/jwks.json"));
    let keys = sts.document("/sts/jwks.json").unwrap();
    assert!(!String::from_utf8_lossy(&keys).contains("\"d\""));
}
