//! Keys that are fetched: storms, outages, rotation, removal, several issuers, discovery.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{Inbound, Issuer};
use portcullis_identity::{Authenticator, IdentityError, LocalIssuer, Reason, Rejection};
use seal::SigningKey;
use serde_json::{Value, json};
use support::{
    GATEWAY, RsaKey, Web, at, authenticator, authorizer, bearer, call, claims, forge, resource, signing_key,
    sources,
};

const ISSUER: &str = "https://idp.example";

fn jwks(web: &Web) -> Issuer {
    Issuer::Jwks { issuer: ISSUER.into(), jwks_uri: web.url("/keys").parse().unwrap() }
}

fn token(key: &SigningKey, subject: &str) -> String {
    // Long-lived, so that a test can move through a day.
    key.sign("at+jwt", &claims(ISSUER, json!({ "sub": subject, "exp": support::NOW + 200_000 })))
}

fn both(one: &SigningKey, other: &SigningKey) -> String {
    json!({ "keys": [one.jwk_set()["keys"][0], other.jwk_set()["keys"][0]] }).to_string()
}

#[track_caller]
fn assert_reason<T: std::fmt::Debug>(result: Result<T, Rejection>, reason: Reason) {
    assert_eq!(result.unwrap_err(), Rejection::InvalidToken(reason));
}

fn assert_unknown_issuer<T: std::fmt::Debug>(result: Result<T, Rejection>) {
    assert!(matches!(result, Err(Rejection::InvalidToken(Reason::Issuer { .. }))), "{result:?}");
}

#[tokio::test]
async fn a_storm_of_unknown_kids_makes_one_fetch_in_ten_seconds() {
    let (web, key) = (Web::start().await, signing_key());
    web.serve("/keys", 200, key.jwk_set().to_string());
    let gate = Arc::new(authenticator(vec![authorizer(jwks(&web))], &sources(None)));
    for (second, fetches) in [(0, 1), (9, 1), (11, 2), (12, 2)] {
        let calls: Vec<_> = (0..1000)
            .map(|n| {
                let header = json!({ "alg": "ES256", "kid": format!("{second}-{n}") }).to_string();
                let token = forge(&header, &claims(ISSUER, json!({})).to_string(), |_| vec![1; 64]);
                let gate = gate.clone();
                tokio::spawn(async move { call(&gate, &token, at(second)).await })
            })
            .collect();
        for call in calls {
            assert_reason(call.await.unwrap(), Reason::Key);
        }
        assert_eq!(web.requests(), fetches, "after {second} s");
    }
    call(&gate, &token(&key, "alice"), at(13)).await.unwrap();
    assert_eq!(web.requests(), 2);
}

#[tokio::test]
async fn a_thousand_first_calls_share_one_fetch() {
    let (web, key) = (Web::start().await, signing_key());
    web.serve("/keys", 200, key.jwk_set().to_string());
    let gate = Arc::new(authenticator(vec![authorizer(jwks(&web))], &sources(None)));
    let calls: Vec<_> = (0..1000)
        .map(|n| {
            let (gate, token) = (gate.clone(), token(&key, &format!("user-{n}")));
            tokio::spawn(async move { call(&gate, &token, at(0)).await.unwrap().subject().to_owned() })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), format!("user-{n}"));
    }
    assert_eq!(web.requests(), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_end_the_fetch_of_the_others() {
    let (web, key) = (Web::start().await, signing_key());
    web.serve("/keys", 200, key.jwk_set().to_string());
    let gate = authenticator(vec![authorizer(jwks(&web))], &sources(None));
    let token = token(&key, "alice");
    {
        let headers = bearer(&token);
        let mut impatient = std::pin::pin!(gate.authenticate(&headers, at(0)));
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        assert!(impatient.as_mut().poll(&mut context).is_pending());
    }
    call(&gate, &token, at(1)).await.unwrap();
    assert_eq!(web.requests(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_a_removed_one_refused_after_ten_minutes() {
    let (web, old, new) = (Web::start().await, signing_key(), signing_key());
    web.serve("/keys", 200, old.jwk_set().to_string());
    let gate = authenticator(vec![authorizer(jwks(&web))], &sources(None));
    let (by_old, by_new) = (token(&old, "alice"), token(&new, "alice"));
    call(&gate, &by_old, at(0)).await.unwrap();

    web.serve("/keys", 200, both(&old, &new));
    call(&gate, &by_new, at(20)).await.unwrap();
    call(&gate, &by_old, at(20)).await.unwrap();

    web.serve("/keys", 200, new.jwk_set().to_string());
    // A minute without use, then the age at which keys are renewed before use: also a remembered token is judged anew.
    assert_reason(call(&gate, &by_old, at(20 + 600)).await, Reason::Key);
    call(&gate, &by_new, at(20 + 600)).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_keep_a_removed_key() {
    let (web, old, new) = (Web::start().await, signing_key(), signing_key());
    web.serve("/keys", 200, old.jwk_set().to_string());
    let gate = authenticator(vec![authorizer(jwks(&web))], &sources(None));
    call(&gate, &token(&old, "alice"), at(5000)).await.unwrap();
    web.serve("/keys", 200, new.jwk_set().to_string());
    assert_reason(call(&gate, &token(&old, "alice"), at(100)).await, Reason::Key);
}

#[tokio::test]
async fn a_remembered_token_ends_with_its_key() {
    let (web, old, new) = (Web::start().await, signing_key(), signing_key());
    web.serve("/keys", 200, old.jwk_set().to_string());
    let gate = authenticator(vec![authorizer(jwks(&web))], &sources(None));
    let by_old = token(&old, "alice");
    call(&gate, &by_old, at(0)).await.unwrap();
    web.serve("/keys", 200, new.jwk_set().to_string());
    // Somebody else's unknown key makes the gateway look; the removal is seen at once, well within the minute.
    call(&gate, &token(&new, "bob"), at(11)).await.unwrap();
    assert_reason(call(&gate, &by_old, at(12)).await, Reason::Key);
}

#[tokio::test]
async fn a_remembered_token_ends_at_its_end() {
    let (web, key) = (Web::start().await, signing_key());
    web.serve("/keys", 200, key.jwk_set().to_string());
    let gate = authenticator(vec![authorizer(jwks(&web))], &sources(None));
    let ending = key.sign("at+jwt", &claims(ISSUER, json!({ "exp": support::NOW - 30 })));
    let first = call(&gate, &ending, at(0)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &call(&gate, &ending, at(29)).await.unwrap()), "remembered within leeway");
    assert_reason(call(&gate, &ending, at(30)).await, Reason::Expired);
}

#[tokio::test]
async fn known_keys_survive_an_outage_of_a_day_but_not_longer() {
    let (web, key, other) = (Web::start().await, signing_key(), signing_key());
    web.serve("/keys", 200, key.jwk_set().to_string());
    let gate = authenticator(vec![authorizer(jwks(&web))], &sources(None));
    call(&gate, &token(&key, "alice"), at(0)).await.unwrap();

    let huge = vec![b' '; 300 * 1024];
    let many = json!({ "keys": vec![key.jwk_set()["keys"][0].clone(); 101] }).to_string();
    let outages: [(u16, Vec<u8>); 7] = [
        (500, b"{}".to_vec()),
        (200, b"<html>maintenance</html>".to_vec()),
        (200, Vec::new()),
        (200, b"{\"keys\":[]}".to_vec()),
        (200, huge),
        (200, many.into_bytes()),
        (302, key.jwk_set().to_string().into_bytes()),
    ];
    let mut second = 700;
    for (status, body) in outages {
        web.serve("/keys", status, body);
        let fetched = web.requests();
        call(&gate, &token(&key, "alice"), at(second)).await.unwrap();
        // The unknown key makes sure that the fetch has ended before the next outage begins.
        assert_reason(call(&gate, &token(&other, "bob"), at(second)).await, Reason::Key);
        assert!(web.requests() > fetched, "{status}: no fetch was tried");
        second += 700;
    }
    call(&gate, &token(&key, "alice"), at(24 * 3600 - 1)).await.unwrap();
    assert_reason(call(&gate, &token(&key, "alice"), at(24 * 3600 + 20)).await, Reason::KeysUnavailable);

    web.serve("/keys", 200, key.jwk_set().to_string());
    call(&gate, &token(&key, "alice"), at(24 * 3600 + 40)).await.unwrap();
}

#[tokio::test]
async fn no_keys_at_all_let_nobody_in() {
    let (web, key) = (Web::start().await, signing_key());
    let sources = sources(None);
    let gate = authenticator(vec![authorizer(jwks(&web))], &sources);
    assert_reason(call(&gate, &token(&key, "alice"), at(0)).await, Reason::KeysUnavailable);
    let status = sources.status(at(1));
    assert!(!status[0].usable);
    let failure = status[0].failure.as_deref().unwrap();
    assert!(failure.contains("/keys") && failure.contains("404"), "{failure}");
    web.serve("/keys", 200, key.jwk_set().to_string());
    call(&gate, &token(&key, "alice"), at(11)).await.unwrap();
    assert!(sources.status(at(11))[0].usable);
}

#[tokio::test]
async fn unfit_keys_are_left_out() {
    let (web, good) = (Web::start().await, signing_key());
    let (rsa, es) = (RsaKey::generate("enc"), signing_key());
    let change = |mut jwk: Value, name: &str, value: Value| {
        jwk[name] = value;
        jwk
    };
    let es_jwk = es.jwk_set()["keys"][0].clone();
    let unfit = [
        change(rsa.jwk(), "use", json!("enc")),
        change(rsa.jwk(), "alg", json!("HS256")),
        change(rsa.jwk(), "alg", json!("ES256")),
        change(rsa.jwk(), "d", json!("AQAB")),
        change(rsa.jwk(), "key_ops", json!(["encrypt"])),
        // 1024 bits.
        change(rsa.jwk(), "n", json!(URL_SAFE_NO_PAD.encode([0xc5; 128]))),
        change(es_jwk.clone(), "crv", json!("P-384")),
        change(es_jwk.clone(), "x", json!("AA")),
        change(es_jwk.clone(), "alg", json!("ES384")),
        json!({ "kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256" }),
        json!({ "kty": "OKP", "kid": "x", "crv": "X25519", "x": "AA" }),
        json!("no key"),
        json!(null),
    ];
    for jwk in unfit {
        let web = Web::start().await;
        web.serve("/keys", 200, json!({ "keys": [jwk, good.jwk_set()["keys"][0]] }).to_string());
        let gate = authenticator(vec![authorizer(jwks(&web))], &sources(None));
        call(&gate, &token(&good, "alice"), at(0)).await.unwrap();
        assert_reason(call(&gate, &token(&es, "alice"), at(0)).await, Reason::Key);
        let header = json!({ "alg": "RS256", "kid": "enc" }).to_string();
        let token = forge(&header, &claims(ISSUER, json!({})).to_string(), |message| rsa.rs256(message));
        assert_reason(call(&gate, &token, at(0)).await, Reason::Key);
    }
    // A key without `alg` has the one all issuers share.
    let mut plain = rsa.jwk();
    plain.as_object_mut().unwrap().remove("alg");
    web.serve("/keys", 200, json!({ "keys": [plain] }).to_string());
    let gate = authenticator(vec![authorizer(jwks(&web))], &sources(None));
    let claims = claims(ISSUER, json!({})).to_string();
    let rs256 = forge(r#"{"alg":"RS256","kid":"enc"}"#, &claims, |message| rsa.rs256(message));
    call(&gate, &rs256, at(0)).await.unwrap();
    let only_key = forge(r#"{"alg":"RS256"}"#, &claims, |message| rsa.rs256(message));
    call(&gate, &only_key, at(0)).await.unwrap();
    let ps256 = forge(r#"{"alg":"PS256","kid":"enc"}"#, &claims, |message| rsa.ps256(message));
    assert_reason(call(&gate, &ps256, at(0)).await, Reason::Algorithm);
}

#[tokio::test]
async fn each_issuer_has_its_own_keys_and_no_other() {
    let (web, ours, theirs) = (Web::start().await, signing_key(), signing_key());
    web.serve("/ours", 200, ours.jwk_set().to_string());
    web.serve("/theirs", 200, theirs.jwk_set().to_string());
    let issuer = |issuer: &str, path: &str| Issuer::Jwks {
        issuer: issuer.into(),
        jwks_uri: web.url(path).parse().unwrap(),
    };
    let authorizers = || {
        vec![
            authorizer(issuer("https://ours.example", "/ours")),
            authorizer(issuer("https://theirs.example", "/theirs")),
        ]
    };
    let gate = authenticator(authorizers(), &sources(None));
    let token = |key: &SigningKey, iss: &str| key.sign("at+jwt", &claims(iss, json!({})));
    let ours_alice = call(&gate, &token(&ours, "https://ours.example"), at(0)).await.unwrap();
    let theirs_alice = call(&gate, &token(&theirs, "https://theirs.example"), at(0)).await.unwrap();
    assert_ne!(ours_alice.key(), theirs_alice.key());
    assert_ne!(ours_alice.user_key(), theirs_alice.user_key());
    assert_reason(call(&gate, &token(&theirs, "https://ours.example"), at(0)).await, Reason::Key);
    assert_reason(call(&gate, &token(&ours, "https://theirs.example"), at(0)).await, Reason::Key);

    let mut twice = authorizers();
    twice.push(authorizer(issuer("https://ours.example", "/theirs")));
    let result = Authenticator::new(&Inbound::Jwt(twice), &[resource()], &sources(None));
    assert!(matches!(result, Err(IdentityError::DuplicateIssuer { .. })));
}

#[tokio::test]
async fn discovery_leads_to_the_keys_of_the_issuer_that_was_asked_for() {
    let (web, key) = (Web::start().await, signing_key());
    let well_known = "/realms/corp/.well-known/openid-configuration";
    let issuer = web.url("/realms/corp");
    web.serve("/realms/corp/keys", 200, key.jwk_set().to_string());
    let document =
        |issuer: &str, jwks_uri: &str| json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
    let gate = || {
        let discovery = Issuer::Discovery(web.url(well_known).parse().unwrap());
        authenticator(vec![authorizer(discovery)], &sources(None))
    };
    let token = |iss: &str| key.sign("JWT", &claims(iss, json!({})));
    let keys = web.url("/realms/corp/keys");

    web.serve(well_known, 200, document(&issuer, &keys));
    call(&gate(), &token(&issuer), at(0)).await.unwrap();
    assert_unknown_issuer(call(&gate(), &token(&format!("{issuer}/")), at(0)).await);

    let slash = format!("{issuer}/");
    web.serve(well_known, 200, document(&slash, &keys));
    let exact = gate();
    call(&exact, &token(&slash), at(0)).await.unwrap();
    assert_unknown_issuer(call(&exact, &token(&issuer), at(0)).await);
    let metadata = exact.resource_metadata(&resource(), "corp", at(0)).await.unwrap();
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    assert_eq!(metadata["authorization_servers"], json!([slash]));

    web.serve(well_known, 200, document("https://evil.example", &keys));
    assert_reason(call(&gate(), &token(&issuer), at(0)).await, Reason::KeysUnavailable);
    assert_unknown_issuer(call(&gate(), &token("https://evil.example"), at(0)).await);

    // Another origin was learned, not written by the operator: it has to be public and https.
    let elsewhere = Web::start().await;
    elsewhere.serve("/keys", 200, key.jwk_set().to_string());
    web.serve(well_known, 200, document(&issuer, &elsewhere.url("/keys")));
    assert_reason(call(&gate(), &token(&issuer), at(0)).await, Reason::KeysUnavailable);
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn gateways_and_revisions_share_keys() {
    let (web, key) = (Web::start().await, signing_key());
    web.serve("/keys", 200, key.jwk_set().to_string());
    let sources = sources(None);
    for _ in 0..3 {
        let gate = authenticator(vec![authorizer(jwks(&web))], &sources);
        call(&gate, &token(&key, "alice"), at(0)).await.unwrap();
    }
    assert_eq!(web.requests(), 1);
    sources.retain(&[]);
    assert!(sources.status(at(0)).is_empty());
}

#[tokio::test]
async fn the_embedded_issuer_needs_no_fetch_and_signs_access_tokens_only() {
    let (key, iss) = (signing_key(), "http://127.0.0.1:8642/dev");
    let dev = LocalIssuer::new(iss, &key.jwk_set()).unwrap();
    let gate = authenticator(vec![authorizer(Issuer::Dev)], &sources(Some(dev)));
    let alice = call(&gate, &key.sign("at+jwt", &claims(iss, json!({}))), at(0)).await.unwrap();
    assert_eq!(alice.subject(), "alice");
    let plain = key.sign("JWT", &claims(iss, json!({})));
    assert!(matches!(call(&gate, &plain, at(0)).await, Err(Rejection::InvalidToken(Reason::Kind(_)))));
    // The embedded STS is another issuer, and nobody configured it.
    let sts = key.sign("at+jwt", &claims("http://127.0.0.1:8642/sts", json!({})));
    assert_unknown_issuer(call(&gate, &sts, at(0)).await);
    let stranger = signing_key();
    let unknown = stranger.sign("at+jwt", &claims(iss, json!({})));
    assert_reason(call(&gate, &unknown, at(0)).await, Reason::Key);
    let result =
        Authenticator::new(&Inbound::Jwt(vec![authorizer(Issuer::Dev)]), &[resource()], &sources(None));
    assert!(matches!(result, Err(IdentityError::NoDevIssuer)));
}

#[tokio::test]
async fn metadata_names_the_resource_its_issuers_and_its_scopes() {
    let web = Web::start().await;
    let mut scoped = authorizer(jwks(&web));
    scoped.scopes = vec!["mcp:call".into()];
    let gate = authenticator(vec![scoped], &sources(None));
    let metadata = gate.resource_metadata(&resource(), "corp", at(0)).await.unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&metadata).unwrap(),
        json!({
            "resource": GATEWAY,
            "authorization_servers": [ISSUER],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["mcp:call"],
            "resource_name": "corp",
        })
    );
}

#[tokio::test]
async fn an_open_gateway_knows_only_the_anonymous_and_has_no_metadata() {
    let gate = Authenticator::new(&Inbound::None, &[resource()], &sources(None)).unwrap();
    let nobody = gate.authenticate(&http::HeaderMap::new(), at(0)).await.unwrap();
    let somebody = gate.authenticate(&bearer("whatever"), at(0)).await.unwrap();
    assert_eq!(nobody.subject(), "anonymous");
    assert_eq!(nobody.key(), somebody.key());
    assert!(gate.resource_metadata(&resource(), "corp", at(0)).await.is_none());
}

#[test]
fn a_url_that_is_no_discovery_document_and_a_scope_that_is_none_are_refused() {
    let wrong = authorizer(Issuer::Discovery("https://idp.example/token".parse().unwrap()));
    let result = Authenticator::new(&Inbound::Jwt(vec![wrong]), &[resource()], &sources(None));
    assert!(matches!(result, Err(IdentityError::DiscoveryUrl { .. })));
    let url = "https://idp.example/.well-known/openid-configuration";
    let mut wrong = authorizer(Issuer::Discovery(url.parse().unwrap()));
    wrong.scopes = vec!["a\" b".into()];
    let result = Authenticator::new(&Inbound::Jwt(vec![wrong]), &[resource()], &sources(None));
    assert!(matches!(result, Err(IdentityError::Scope { .. })));
}
