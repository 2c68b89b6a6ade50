//! Every forged, foreign or misshapen token gets the same answer, and none of them makes the gateway fetch anything
//! but its issuer's own keys. `threats.md`-style attacks: algorithm, key, claim type, kind, audience, time.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use std::sync::{Arc, LazyLock};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use config::{Audiences, Issuer};
use http::StatusCode;
use portcullis_identity::{Authenticator, Principal, Reason, Rejection};
use seal::SigningKey;
use serde_json::{Value, json};
use support::{
    GATEWAY, NOW, RsaKey, Web, at, authenticator, authorizer, bearer, call, claims, forge, resource,
    signing_key, sources,
};

const ISSUER: &str = "https://idp.example";

// Made once: an RSA key takes its time.
static RSA: LazyLock<RsaKey> = LazyLock::new(|| RsaKey::generate("rsa"));

/// A gateway that accepts tokens of one issuer with an ES256 and an RS256 key.
struct Stage {
    web: Web,
    es: SigningKey,
    rsa: &'static RsaKey,
    gate: Authenticator,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|authorizer| authorizer).await
    }

    async fn with(change: impl FnOnce(config::JwtAuthorizer) -> config::JwtAuthorizer) -> Self {
        let (web, es, rsa) = (Web::start().await, signing_key(), &*RSA);
        let mut keys = es.jwk_set();
        keys["keys"].as_array_mut().unwrap().push(rsa.jwk());
        web.serve("/keys", 200, keys.to_string());
        let issuer = Issuer::Jwks { issuer: ISSUER.into(), jwks_uri: web.url("/keys").parse().unwrap() };
        let gate = authenticator(vec![change(authorizer(issuer))], &sources(None));
        Self { web, es, rsa, gate }
    }

    fn token(&self, changes: Value) -> String {
        self.es.sign("at+jwt", &claims(ISSUER, changes))
    }

    /// A token with a good RSA signature and this header.
    fn rsa_token(&self, header: Value) -> String {
        forge(&header.to_string(), &claims(ISSUER, json!({})).to_string(), |message| self.rsa.rs256(message))
    }

    async fn call(&self, token: &str) -> Result<Arc<Principal>, Rejection> {
        call(&self.gate, token, at(0)).await
    }

    #[track_caller]
    fn assert_invalid(&self, result: Result<Arc<Principal>, Rejection>, what: &str) -> Reason {
        let rejection = result.expect_err(what);
        let challenge = self.gate.challenge(&rejection, &resource());
        assert_eq!(challenge.status, StatusCode::UNAUTHORIZED, "{what}");
        assert_eq!(
            challenge.www_authenticate,
            "Bearer error=\"invalid_token\", \
             resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/corp/mcp\"",
            "{what}"
        );
        match rejection {
            Rejection::InvalidToken(reason) => reason,
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_good_token_makes_a_principal() {
    let stage = Stage::new().await;
    let alice =
        stage.call(&stage.token(json!({ "scope": "read write", "groups": ["finance"] }))).await.unwrap();
    assert_eq!((alice.issuer(), alice.subject(), alice.client()), (ISSUER, "alice", Some("agent")));
    assert_eq!(alice.scopes().iter().collect::<Vec<_>>(), ["read", "write"]);
    assert_eq!(alice.claims()["groups"], json!(["finance"]));
    assert_eq!(alice.expires_at(), Some(at(600)));
    for typ in [json!("JWT"), json!("jwt"), json!("AT+JWT"), json!("application/at+jwt"), Value::Null] {
        let mut header = json!({ "alg": "RS256", "kid": "rsa", "typ": typ });
        if typ.is_null() {
            header.as_object_mut().unwrap().remove("typ");
        }
        stage.call(&stage.rsa_token(header)).await.unwrap();
    }
}

#[tokio::test]
async fn every_published_algorithm_verifies() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

    let ed = Ed25519KeyPair::generate().unwrap();
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let point = p384.public_key().as_ref();
    let mut pss = RSA.jwk();
    pss["alg"] = json!("PS256");
    pss["kid"] = json!("pss");
    let web = Web::start().await;
    let keys = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": URL_SAFE_NO_PAD.encode(ed.public_key()) },
        { "kty": "EC", "crv": "P-384", "kid": "p384",
          "x": URL_SAFE_NO_PAD.encode(&point[1..49]), "y": URL_SAFE_NO_PAD.encode(&point[49..]) },
        pss,
    ] });
    web.serve("/keys", 200, keys.to_string());
    let issuer = Issuer::Jwks { issuer: ISSUER.into(), jwks_uri: web.url("/keys").parse().unwrap() };
    let gate = authenticator(vec![authorizer(issuer)], &sources(None));
    let claims = claims(ISSUER, json!({})).to_string();
    let tokens = [
        forge(r#"{"alg":"EdDSA","kid":"ed"}"#, &claims, |message| ed.sign(message).as_ref().to_vec()),
        forge(r#"{"alg":"Ed25519","kid":"ed"}"#, &claims, |message| ed.sign(message).as_ref().to_vec()),
        forge(r#"{"alg":"ES384","kid":"p384"}"#, &claims, |message| {
            p384.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
        }),
        forge(r#"{"alg":"PS256","kid":"pss"}"#, &claims, |message| RSA.ps256(message)),
    ];
    for token in tokens {
        assert_eq!(call(&gate, &token, at(0)).await.unwrap().subject(), "alice", "{token}");
    }
}

#[tokio::test]
async fn no_spelling_of_none_is_an_algorithm() {
    let stage = Stage::new().await;
    let claims = claims(ISSUER, json!({})).to_string();
    for alg in
        [json!("none"), json!("None"), json!("nOnE"), json!("NONE"), json!(""), json!(null), json!(["ES256"])]
    {
        for kid in ["rsa", stage.es.kid()] {
            let header = json!({ "alg": alg, "typ": "at+jwt", "kid": kid }).to_string();
            let unsigned = forge(&header, &claims, |_| Vec::new());
            let signed = forge(&header, &claims, |message| stage.rsa.rs256(message));
            for token in [unsigned, signed] {
                let reason = stage.assert_invalid(stage.call(&token).await, &header);
                assert_eq!(reason, Reason::Algorithm, "{header}");
            }
        }
    }
    let header = json!({ "typ": "at+jwt", "kid": "rsa" }).to_string();
    stage.assert_invalid(stage.call(&forge(&header, &claims, |_| Vec::new())).await, "no alg");
}

#[tokio::test]
async fn a_public_key_is_never_an_hmac_secret() {
    let stage = Stage::new().await;
    let der = {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        use aws_lc_rs::signature::KeyPair as _;
        let der: PublicKeyX509Der<'_> = stage.rsa.pair.public_key().as_der().unwrap();
        der.as_ref().to_vec()
    };
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(&der));
    let secrets: Vec<Vec<u8>> = vec![
        pem.clone().into(),
        format!("{pem}\n").into(),
        format!(" {pem}").into(),
        der,
        stage.rsa.jwk().to_string().into(),
        stage.rsa.jwk()["n"].as_str().unwrap().into(),
        URL_SAFE_NO_PAD.decode(stage.rsa.jwk()["n"].as_str().unwrap()).unwrap(),
    ];
    let claims = claims(ISSUER, json!({})).to_string();
    for alg in ["HS256", "HS384", "HS512", "hs256"] {
        for secret in &secrets {
            let header = json!({ "alg": alg, "typ": "at+jwt", "kid": "rsa" }).to_string();
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let token = forge(&header, &claims, |message| hmac::sign(&key, message).as_ref().to_vec());
            assert_eq!(stage.assert_invalid(stage.call(&token).await, alg), Reason::Algorithm);
        }
    }
}

#[tokio::test]
async fn the_key_fixes_the_algorithm() {
    let stage = Stage::new().await;
    let claims = claims(ISSUER, json!({})).to_string();
    let header = json!({ "alg": "PS256", "kid": "rsa" }).to_string();
    let token = forge(&header, &claims, |message| stage.rsa.ps256(message));
    assert_eq!(stage.assert_invalid(stage.call(&token).await, "PS256 on an RS256 key"), Reason::Algorithm);
    for (alg, kid) in
        [("RS256", stage.es.kid()), ("ES256", "rsa"), ("ES384", stage.es.kid()), ("RS512", "rsa")]
    {
        let token = stage.rsa_token(json!({ "alg": alg, "kid": kid }));
        assert_eq!(stage.assert_invalid(stage.call(&token).await, alg), Reason::Algorithm);
    }
    // The psychic signature, the empty one, and one for another message.
    let header = json!({ "alg": "ES256", "kid": stage.es.kid() }).to_string();
    for signature in [vec![0; 64], Vec::new(), vec![1; 64], vec![0x30, 0x06, 2, 1, 0, 2, 1, 0]] {
        let token = forge(&header, &claims, |_| signature);
        assert_eq!(stage.assert_invalid(stage.call(&token).await, "signature"), Reason::Signature);
    }
    let good = stage.token(json!({}));
    let other = stage.token(json!({ "sub": "bob" }));
    let (message, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let swapped = format!("{message}.{signature}");
    assert_eq!(stage.assert_invalid(stage.call(&swapped).await, "swapped"), Reason::Signature);
}

#[tokio::test]
async fn keys_in_the_header_are_never_used_nor_fetched() {
    let stage = Stage::new().await;
    stage.call(&stage.token(json!({}))).await.unwrap();
    let (sink, evil) = (Web::start().await, RsaKey::generate("evil"));
    sink.serve("/keys", 200, json!({ "keys": [evil.jwk()] }).to_string());
    let fetched = stage.web.requests();
    for kid in ["evil", "rsa"] {
        for (name, value) in [
            ("jwk", evil.jwk()),
            ("jku", json!(sink.url("/keys"))),
            ("x5u", json!(sink.url("/chain"))),
            ("x5c", json!([STANDARD.encode(b"certificate")])),
        ] {
            let header = json!({ "alg": "RS256", "kid": kid, name: value }).to_string();
            let token = forge(&header, &claims(ISSUER, json!({})).to_string(), |message| evil.rs256(message));
            stage.assert_invalid(stage.call(&token).await, &format!("{name}, kid {kid}"));
        }
    }
    assert_eq!(sink.requests(), 0);
    assert_eq!(stage.web.requests(), fetched);
}

#[tokio::test]
async fn a_kid_is_only_a_name() {
    let stage = Stage::new().await;
    let long = "k".repeat(257);
    for kid in [
        json!("../../dev/null"),
        json!("rsa\u{0}"),
        json!("RSA"),
        json!("' OR 1=1 --"),
        json!("rsa "),
        json!(""),
        json!(1),
        json!(["rsa"]),
        json!({ "kid": "rsa" }),
        json!(null),
        json!(long),
    ] {
        let token = stage.rsa_token(json!({ "alg": "RS256", "kid": kid }));
        stage.assert_invalid(stage.call(&token).await, &kid.to_string());
    }
    let token = stage.rsa_token(json!({ "alg": "RS256" }));
    assert_eq!(stage.assert_invalid(stage.call(&token).await, "no kid, two keys"), Reason::Key);
}

#[tokio::test]
async fn a_claim_of_the_wrong_type_is_not_an_absent_one() {
    let stage = Stage::new().await;
    for changes in [
        json!({ "exp": null }),
        json!({ "exp": (NOW + 600).to_string() }),
        json!({ "exp": -1 }),
        json!({ "exp": 1e300 }),
        json!({ "exp": 253_402_300_800_u64 }),
        json!({ "exp": [NOW + 600] }),
        json!({ "exp": true }),
        json!({ "nbf": "x" }),
        json!({ "nbf": {} }),
        json!({ "nbf": -5 }),
        json!({ "iat": "yesterday" }),
        json!({ "iat": false }),
        json!({ "aud": null }),
        json!({ "aud": {} }),
        json!({ "aud": { "0": GATEWAY } }),
        json!({ "aud": [GATEWAY, 1] }),
        json!({ "aud": [[GATEWAY]] }),
        json!({ "aud": [] }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": ["alice"] }),
        json!({ "sub": "a".repeat(1025) }),
        json!({ "sub": "alice\nbob" }),
        json!({ "iss": null }),
        json!({ "iss": [ISSUER] }),
        json!({ "client_id": 1 }),
        json!({ "azp": {} }),
        json!({ "scope": 1 }),
        json!({ "scp": [1] }),
    ] {
        let reason =
            stage.assert_invalid(stage.call(&stage.token(changes.clone())).await, &changes.to_string());
        assert!(!matches!(reason, Reason::Signature | Reason::Key), "{changes}: {reason}");
    }
    // Null, which `claims` cannot say, numbers no float can hold, and a name that occurs twice.
    let good = claims(ISSUER, json!({})).to_string();
    let (start, header) = (&good[..good.len() - 1], json!({ "alg": "RS256", "kid": "rsa" }).to_string());
    for (extra, reason) in [
        (r#""nbf":null"#, Reason::Claim("nbf")),
        (r#""scope":null"#, Reason::Claim("scope")),
        (r#""azp":null"#, Reason::Claim("azp")),
        (r#""x":1e400"#, Reason::Malformed("claims")),
        (r#""sub":"bob""#, Reason::Malformed("claims")),
        (r#""aud":"x""#, Reason::Malformed("claims")),
        (r#""x":1,"x":2"#, Reason::Malformed("claims")),
    ] {
        let token = forge(&header, &format!("{start},{extra}}}"), |message| stage.rsa.rs256(message));
        assert_eq!(stage.assert_invalid(stage.call(&token).await, extra), reason, "{extra}");
    }
    stage.call(&stage.token(json!({ "exp": NOW as f64 + 0.5, "nbf": NOW as f64 - 0.5 }))).await.unwrap();
}

#[tokio::test]
async fn critical_extensions_and_other_forms_are_refused() {
    let stage = Stage::new().await;
    for header in [
        json!({ "alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1 }),
        json!({ "alg": "RS256", "kid": "rsa", "crit": [] }),
        json!({ "alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": false }),
        json!({ "alg": "RS256", "kid": "rsa", "b64": true }),
        json!({ "alg": "RS256", "kid": "rsa", "zip": "DEF" }),
        json!({ "alg": "RS256", "kid": "rsa", "enc": "A128GCM" }),
    ] {
        stage.assert_invalid(stage.call(&stage.rsa_token(header.clone())).await, &header.to_string());
    }
    let good = stage.token(json!({}));
    let jwe = format!("{}.a.b.c.d", URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#));
    for token in [
        "a".into(),
        "a.b".into(),
        "..".into(),
        "a.b.c".into(),
        jwe,
        format!("{good}.x"),
        format!(".{good}"),
        format!("{good}="),
        good.replace('.', ".."),
        forge("[]", "{}", |_| Vec::new()),
        forge("{}", "[]", |_| Vec::new()),
        forge(r#"{"alg":"RS256","kid":"rsa","kid":"x"}"#, "{}", |_| Vec::new()),
    ] {
        stage.assert_invalid(stage.call(&token).await, &token);
    }
}

#[tokio::test]
async fn only_access_tokens_are() {
    let stage = Stage::new().await;
    for typ in ["id_token+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "refresh", "JOSE", "", "at+jwtx"] {
        let token = stage.es.sign(typ, &claims(ISSUER, json!({})));
        assert!(matches!(stage.assert_invalid(stage.call(&token).await, typ), Reason::Kind(_)), "{typ}");
    }
    for changes in [
        json!({ "at_hash": "x" }),
        json!({ "c_hash": "x" }),
        json!({ "typ": "ID" }),
        json!({ "typ": "Refresh" }),
        json!({ "token_use": "id" }),
        json!({ "events": {} }),
        json!({ "cnf": { "jkt": "x" } }),
        json!({ "cnf": { "x5t#S256": "x" } }),
        json!({ "cnf": {} }),
    ] {
        let result = stage.call(&stage.token(changes.clone())).await;
        assert!(matches!(stage.assert_invalid(result, &changes.to_string()), Reason::Kind(_)));
    }
    stage.call(&stage.token(json!({ "typ": "Bearer", "token_use": "access" }))).await.unwrap();
}

#[tokio::test]
async fn the_audience_is_exactly_this_gateway() {
    let stage = Stage::new().await;
    for aud in [
        json!("https://gate.example/corp"),
        json!("https://gate.example/corp/mcp/"),
        json!("https://gate.example/corp/mcp2"),
        json!("https://gate.example/other/mcp"),
        json!("https://GATE.example/corp/mcp"),
        json!("http://gate.example/corp/mcp"),
        json!("https://gate.example"),
        json!("legal"),
        json!(["legal", "https://gate.example/corp/mcp/"]),
        json!(format!("legal {GATEWAY}")),
    ] {
        let result = stage.call(&stage.token(json!({ "aud": aud }))).await;
        let reason = stage.assert_invalid(result, &aud.to_string());
        assert!(matches!(reason, Reason::Audience { .. }), "{aud}: {reason}");
    }
    stage.call(&stage.token(json!({ "aud": ["legal", GATEWAY] }))).await.unwrap();
    let result = stage.call(&stage.token(json!({ "aud": ["legal", "finance"] }))).await;
    let reason = stage.assert_invalid(result, "others").to_string();
    assert_eq!(
        reason,
        format!("the token's audience is `legal`, `finance`; this gateway takes tokens for `{GATEWAY}`")
    );
    let result = stage.call(&stage.token(json!({ "aud": null }))).await;
    let reason = stage.assert_invalid(result, "nobody").to_string();
    assert!(reason.starts_with("the token's audience is missing; "), "{reason}");
}

#[tokio::test]
async fn written_audiences_replace_the_own_one() {
    let listed = |mut authorizer: config::JwtAuthorizer| {
        authorizer.audiences = Audiences::Listed(vec!["api://corp".into()]);
        authorizer
    };
    let stage = Stage::with(listed).await;
    stage.call(&stage.token(json!({ "aud": ["api://corp"] }))).await.unwrap();
    stage.assert_invalid(stage.call(&stage.token(json!({}))).await, "own audience");

    let unchecked = |mut authorizer: config::JwtAuthorizer| {
        authorizer.audiences = Audiences::Unchecked;
        authorizer.clients = vec!["agent".into()];
        authorizer
    };
    let stage = Stage::with(unchecked).await;
    stage.call(&stage.token(json!({ "aud": null }))).await.unwrap();
    stage.call(&stage.token(json!({ "aud": null, "client_id": null, "azp": "agent" }))).await.unwrap();
    for changes in [json!({ "client_id": "other" }), json!({ "client_id": null }), json!({ "aud": 1 })] {
        stage.assert_invalid(stage.call(&stage.token(changes.clone())).await, &changes.to_string());
    }
}

#[tokio::test]
async fn the_issuer_is_exact() {
    let stage = Stage::new().await;
    stage.call(&stage.token(json!({}))).await.unwrap();
    for iss in [
        "https://idp.example/",
        "https://IDP.example",
        "http://idp.example",
        "https://staging.idp.example",
        "",
    ] {
        let result = stage.call(&stage.token(json!({ "iss": iss }))).await;
        let reason = stage.assert_invalid(result, iss).to_string();
        let said =
            format!("the token's issuer is `{iss}`; this gateway takes tokens of `https://idp.example`");
        assert_eq!(reason, said);
    }
}

#[tokio::test]
async fn clocks_may_differ_by_a_minute_either_way() {
    let stage = Stage::new().await;
    for (changes, good) in [
        (json!({ "exp": NOW - 59 }), true),
        (json!({ "exp": NOW - 60 }), false),
        (json!({ "nbf": NOW + 60 }), true),
        (json!({ "nbf": NOW + 61 }), false),
        (json!({ "iat": NOW + 60 }), true),
        (json!({ "iat": NOW + 61 }), false),
    ] {
        let result = stage.call(&stage.token(changes.clone())).await;
        if good {
            result.unwrap();
        } else {
            stage.assert_invalid(result, &changes.to_string());
        }
    }
}

#[tokio::test]
async fn a_missing_scope_is_told_with_all_that_are_needed() {
    let scoped = |mut authorizer: config::JwtAuthorizer| {
        authorizer.scopes = vec!["mcp:read".into(), "mcp:call".into()];
        authorizer
    };
    let stage = Stage::with(scoped).await;
    let metadata = "resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/corp/mcp\"";
    for changes in [json!({}), json!({ "scope": "mcp:read" }), json!({ "scope": "mcp:read mcp:calls" })] {
        let rejection = stage.call(&stage.token(changes)).await.unwrap_err();
        let challenge = stage.gate.challenge(&rejection, &resource());
        assert_eq!(challenge.status, StatusCode::FORBIDDEN);
        let expected =
            format!("Bearer error=\"insufficient_scope\", {metadata}, scope=\"mcp:read mcp:call\"");
        assert_eq!(challenge.www_authenticate, expected);
    }
    let rejection = stage.gate.authenticate(&http::HeaderMap::new(), at(0)).await.unwrap_err();
    let challenge = stage.gate.challenge(&rejection, &resource());
    assert_eq!(challenge.status, StatusCode::UNAUTHORIZED);
    assert_eq!(challenge.www_authenticate, format!("Bearer {metadata}, scope=\"mcp:read mcp:call\""));
    for changes in [json!({ "scope": "mcp:call x mcp:read" }), json!({ "scp": ["mcp:read", "mcp:call"] })] {
        stage.call(&stage.token(changes)).await.unwrap();
    }
}

#[tokio::test]
async fn two_authorization_headers_are_a_bad_request() {
    let stage = Stage::new().await;
    let mut headers = bearer(&stage.token(json!({})));
    headers.append("authorization", "Bearer x".parse().unwrap());
    let rejection = stage.gate.authenticate(&headers, at(0)).await.unwrap_err();
    let challenge = stage.gate.challenge(&rejection, &resource());
    assert_eq!(challenge.status, StatusCode::BAD_REQUEST);
    assert!(challenge.www_authenticate.starts_with("Bearer error=\"invalid_request\", "), "{challenge:?}");
}

#[tokio::test]
async fn a_remembered_token_vouches_for_no_other() {
    let stage = Stage::new().await;
    let good = stage.token(json!({}));
    stage.call(&good).await.unwrap();
    for position in (0..good.len()).step_by(7) {
        let mut altered = good.clone().into_bytes();
        altered[position] = if altered[position] == b'B' { b'C' } else { b'B' };
        let altered = String::from_utf8(altered).unwrap();
        stage.assert_invalid(stage.call(&altered).await, &format!("changed at {position}"));
    }
    stage.call(&good).await.unwrap();
}
