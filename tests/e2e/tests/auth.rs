//! Who may come in: bearer tokens, challenges, metadata, and what belongs to whom.

use anyhow::{Result, ensure};
use e2e::{audit, corp_with, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::{Endpoint, Modern, Reply, Session, request};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::{self, Gateway};
use testkit::hostile::{Behaviour, Hostile};
use testkit::idp::{self, Idp};

const AUDIENCE: &str = "https://mcp.example.test/corp/mcp";

struct Site {
    idp: Idp,
    fixture: FixtureServer,
    gateway: Gateway,
}

fn inbound(idp: &Idp) -> String {
    format!(
        "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [\"{AUDIENCE}\"] }} }}\n    streaming: true\n    sessions: {{}}\n",
        idp.issuer(),
        idp.jwks_uri()
    )
}

impl Site {
    async fn start() -> Result<Self> {
        let (idp, fixture) = (Idp::start().await?, FixtureServer::start(Era::Dual).await?);
        let gateway = Gateway::start(&corp_with(&inbound(&idp), &[plain("fixture", &fixture.url())])).await?;
        let site = Self { idp, fixture, gateway };
        listed(&site.user("alice"), &["greet"]).await?;
        Ok(site)
    }

    fn nobody(&self) -> Endpoint {
        self.gateway.endpoint("corp")
    }

    fn user(&self, name: &str) -> Endpoint {
        self.nobody().as_bearer(&self.idp.token(name, AUDIENCE))
    }

    async fn with(&self, token: &str) -> Result<Reply> {
        Modern::new(&self.nobody().as_bearer(token)).call("tools/list", json!({})).await
    }
}

#[tokio::test]
async fn a_good_token_lets_both_eras_in() -> Result<()> {
    let site = Site::start().await?;
    let alice = site.user("alice");
    assert_eq!(text(&Modern::new(&alice).tool("greet", json!({"name": "M"})).await?), "Hello, M!");
    let session = Session::open(&alice, "2025-11-25").await?;
    assert_eq!(text(&session.tool("greet", json!({"name": "L"})).await?), "Hello, L!");
    Ok(())
}

#[tokio::test]
async fn every_method_and_route_is_closed_without_a_token() -> Result<()> {
    let site = Site::start().await?;
    let methods = [
        "server/discover",
        "initialize",
        "ping",
        "tools/list",
        "tools/call",
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "completion/complete",
        "logging/setLevel",
        "no/such/method",
        "notifications/initialized",
    ];
    let weak = site.nobody().as_bearer("not-a-token");
    for endpoint in [site.nobody(), weak] {
        for method in methods {
            let modern = Modern::new(&endpoint)
                .call(method, json!({"name": "greet", "uri": "test://static-text"}))
                .await?;
            let legacy = endpoint.post(request(1, method, json!({}))).send().await?;
            assert_eq!((modern.status, legacy.status), (401, 401), "{method}");
        }
        for (verb, path) in [
            ("GET", "/corp/mcp"),
            ("DELETE", "/corp/mcp"),
            ("POST", "/corp/mcp"),
            ("GET", "/mcp"),
            ("GET", "/corp/sse"),
            ("POST", "/corp/sse/messages?sessionId=x"),
        ] {
            let reply = endpoint.at(path).call(verb).header("accept", "text/event-stream").send().await?;
            assert_eq!(reply.status, 401, "{verb} {path}");
        }
    }
    Modern::new(&site.user("alice")).tool("greet", json!({"name": "A"})).await?;
    let called: Vec<_> = site.fixture.stats().calls.into_iter().collect();
    assert_eq!(called, [("greet".to_owned(), 1)], "nothing of this was forwarded");
    for seen in site.fixture.seen() {
        let others = ["prompts/get", "resources/read", "completion/complete", "no/such/method"];
        ensure!(!others.iter().any(|method| seen.body.contains(method)), "{seen:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_challenge_leads_to_the_metadata() -> Result<()> {
    let site = Site::start().await?;
    let reply = Modern::new(&site.nobody()).call("tools/list", json!({})).await?;
    let challenge = reply.header("www-authenticate").unwrap_or_default().to_owned();
    ensure!(challenge.starts_with("Bearer "), "{challenge}");
    ensure!(!challenge.contains("error="), "no token was sent: {challenge}");
    let url = challenge
        .split("resource_metadata=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default();
    let path = url.strip_prefix(&format!("http://{}", site.nobody().address)).unwrap_or_default().to_owned();
    assert_eq!(path, "/.well-known/oauth-protected-resource/corp/mcp", "{url}");
    let metadata: Value = serde_json::from_str(&site.nobody().at(&path).call("GET").send().await?.text())?;
    assert_eq!(metadata["resource"], site.nobody().url());
    assert_eq!(metadata["authorization_servers"], json!([site.idp.issuer()]));
    let root = site.nobody().at("/.well-known/oauth-protected-resource").call("GET").send().await?;
    assert_eq!(root.status, 200, "one gateway: the root document is its own");
    let bad = site.with("not-a-token").await?;
    ensure!(bad.header("www-authenticate").is_some_and(|text| text.contains("error=\"invalid_token\"")));
    Ok(())
}

#[tokio::test]
async fn tokens_that_are_wrong_in_any_way_look_alike() -> Result<()> {
    let site = Site::start().await?;
    let sink = Hostile::modern().start().await?;
    let good = site.idp.claims("mallory", AUDIENCE);
    let reference = site.with("x.y.z").await?.fingerprint();
    assert_eq!(reference.0, 401);
    let mut bad: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| bad.push((what.to_owned(), token));
    for alg in ["none", "None", "nOnE", "", "HS256", "RS256", "PS512", "EdDSA"] {
        let mut header = idp::header();
        header["alg"] = json!(alg);
        add(&format!("alg {alg}, unsigned"), idp::with_signature(&header, &good, b""));
        add(&format!("alg {alg}, signed"), idp::sign(&header, &good));
    }
    let hs = json!({"alg": "HS256", "typ": "at+jwt", "kid": idp::KEY_ID});
    let jwk = idp::public_jwk();
    for secret in
        [jwk.to_string(), format!(" {jwk}"), jwk["x"].as_str().unwrap_or_default().to_owned(), String::new()]
    {
        add("HMAC under the public key", idp::sign_hmac(secret.as_bytes(), &hs, &good));
    }
    let with_header = |key: &str, value: Value| {
        let mut header = idp::header();
        header[key] = value;
        header
    };
    add("a stranger's key", idp::sign_as_stranger(&idp::header(), &good));
    add("an embedded key", idp::sign_as_stranger(&with_header("jwk", idp::stranger_jwk()), &good));
    add("a certificate chain", idp::sign_as_stranger(&with_header("x5c", json!(["AAAA"])), &good));
    add("jku", idp::sign_as_stranger(&with_header("jku", json!(sink.url())), &good));
    add("x5u", idp::sign_as_stranger(&with_header("x5u", json!(sink.url())), &good));
    for kid in [
        json!("../../dev/null"),
        json!("' OR 1=1"),
        json!("\0"),
        json!("k".repeat(64 << 10)),
        json!(7),
        json!([]),
    ] {
        add("an odd kid", idp::sign(&with_header("kid", kid), &good));
    }
    add("crit", idp::sign(&with_header("crit", json!(["x"])), &good));
    for (key, value) in [
        ("exp", json!("99999999999")),
        ("exp", json!(1)),
        ("exp", Value::Null),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("nbf", json!("x")),
        ("nbf", json!(idp::now() + 3600)),
        ("aud", json!({})),
        ("aud", json!("other")),
        ("aud", json!(format!("{AUDIENCE}/"))),
        ("aud", json!([])),
        ("aud", json!(&AUDIENCE[..AUDIENCE.len() - 1])),
        ("aud", json!([["nested"]])),
        ("aud", Value::Null),
        ("iss", json!("https://other.example")),
        ("iss", json!(format!("{}/", site.idp.issuer()))),
        ("iss", json!(7)),
        ("iss", Value::Null),
        ("cnf", json!({"jkt": "thumbprint"})),
    ] {
        let mut claims = good.clone();
        claims[key] = value.clone();
        if value.is_null() {
            claims.as_object_mut().map(|map| map.remove(key));
        }
        add(&format!("{key} {value}"), idp::sign(&idp::header(), &claims));
    }
    add(
        "no signature at all",
        site.idp
            .token("mallory", AUDIENCE)
            .rsplit_once('.')
            .map(|(start, _)| start.to_owned())
            .unwrap_or_default(),
    );
    add("zero signature", idp::with_signature(&idp::header(), &good, &[0; 64]));
    add("an encrypted token", "a.b.c.d.e".to_owned());
    add("an ID token", idp::sign(&with_header("typ", json!("id_token+jwt")), &good));
    for (what, token) in bad {
        if token.len() > 8 << 10 {
            let status = site.with(&token).await?.status;
            ensure!(status == 401 || status == 431, "{what}: {status}");
            continue;
        }
        assert_eq!(site.with(&token).await?.fingerprint(), reference, "{what}");
    }
    ensure!(sink.ledger().arrivals().is_empty(), "a URL in a token was fetched");
    assert_eq!(site.with(&site.idp.token("alice", AUDIENCE)).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn malformed_credentials_are_refused() -> Result<()> {
    let site = Site::start().await?;
    let call = || Modern::new(&site.nobody()).request(1, "tools/list", json!({}));
    let token = site.idp.token("alice", AUDIENCE);
    for value in [
        format!("Basic {token}"),
        token.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {token} x"),
    ] {
        assert_eq!(call().header("authorization", &value).send().await?.status, 401, "{value:.20}");
    }
    let twice = call().header("authorization", format!("Bearer {token}")).header("authorization", "Bearer x");
    let twice = twice.send().await?.status;
    ensure!([400, 401].contains(&twice), "{twice}");
    assert_eq!(
        call().header("authorization", format!("bearer {token}")).send().await?.status,
        200,
        "the scheme has no case"
    );
    Ok(())
}

#[tokio::test]
async fn many_unknown_keys_do_not_become_many_fetches() -> Result<()> {
    let site = Site::start().await?;
    let before = site.idp.fetches();
    let claims = site.idp.claims("mallory", AUDIENCE);
    for at in 0..200 {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": format!("unknown-{at}")});
        assert_eq!(site.with(&idp::sign(&header, &claims)).await?.status, 401);
    }
    ensure!(site.idp.fetches() - before <= 5, "{} fetches", site.idp.fetches() - before);
    Ok(())
}

#[tokio::test]
async fn nothing_goes_upstream_of_the_clients_token() -> Result<()> {
    let site = Site::start().await?;
    let token = site.idp.token("alice", AUDIENCE);
    let alice = site.nobody().as_bearer(&token);
    Modern::new(&alice).tool("fixture_headers", json!({})).await?;
    Session::open(&alice, "2025-11-25").await?.tool("fixture_headers", json!({})).await?;
    assert_eq!(site.fixture.stats().calls.get("fixture_headers"), Some(&2));
    for seen in site.fixture.seen() {
        ensure!(seen.header("authorization").is_none(), "{seen:?}");
        ensure!(!format!("{seen:?}").contains(&token[..40]), "{seen:?}");
    }
    site.gateway.wait_for_log(|log| audit::outcomes(log, "tools/call") == ["ok", "ok"]).await?;
    ensure!(!site.gateway.log().contains(&token[..40]), "the token is in the log");
    Ok(())
}

#[tokio::test]
async fn a_session_belongs_to_who_opened_it() -> Result<()> {
    let site = Site::start().await?;
    let session = Session::open(&site.user("alice"), "2025-11-25").await?;
    let id = session.id.clone().unwrap_or_default();
    let bob = |id: &str, call: testkit::client::Call| {
        call.header("mcp-session-id", id).header("mcp-protocol-version", "2025-11-25")
    };
    for verb in ["POST", "GET", "DELETE"] {
        let call = || match verb {
            "POST" => site.user("bob").post(request(1, "tools/list", json!({}))),
            other => site.user("bob").call(other).header("accept", "text/event-stream"),
        };
        let stolen = bob(&id, call()).send().await?;
        let unknown = bob("never-issued", call()).send().await?;
        assert_eq!(stolen.status, 404, "{verb}");
        assert_eq!(stolen.fingerprint(), unknown.fingerprint(), "{verb}");
    }
    assert_eq!(text(&session.tool("greet", json!({"name": "mine"})).await?), "Hello, mine!");
    Ok(())
}

#[tokio::test]
async fn a_user_cannot_hold_more_sessions_than_it_may() -> Result<()> {
    let (idp, fixture) = (Idp::start().await?, FixtureServer::start(Era::Dual).await?);
    let site = corp_with(&inbound(&idp), &[plain("fixture", &fixture.url())]);
    let gateway = Gateway::start(&format!("limits: {{ sessions_per_principal: 3 }}\n{site}")).await?;
    let user = |name: &str| gateway.endpoint("corp").as_bearer(&idp.token(name, AUDIENCE));
    let alice = user("alice");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Session::open(&alice, "2025-11-25").await?);
    }
    let refused = alice.post(Session::initialize("2025-11-25", json!({}))).send().await?;
    assert_eq!(
        (refused.status, refused.error_code()?),
        (200, 1429),
        "legacy clients need a body they can read"
    );
    Session::open(&user("bob"), "2025-11-25").await?;
    held[0].delete().send().await?;
    Session::open(&alice, "2025-11-25").await?;
    Ok(())
}

#[tokio::test]
async fn an_upstream_session_is_never_shared_between_users() -> Result<()> {
    let idp = Idp::start().await?;
    let backend = Hostile::legacy().tool("work", Behaviour::text("done")).start().await?;
    let gateway = Gateway::start(&corp_with(&inbound(&idp), &[plain("backend", &backend.url())])).await?;
    let user = |name: &str| gateway.endpoint("corp").as_bearer(&idp.token(name, AUDIENCE));
    listed(&user("alice"), &["work"]).await?;
    for name in ["alice", "bob", "alice", "bob"] {
        Modern::new(&user(name)).tool("work", json!({})).await?;
        Session::open(&user(name), "2025-11-25").await?.tool("work", json!({})).await?;
    }
    let calls = backend.ledger().calls("work");
    let session = |at: usize| calls[at].header("mcp-session-id").map(str::to_owned);
    assert_eq!(calls.len(), 8);
    for (alice, bob) in [(0, 2), (1, 3), (4, 6), (5, 7)] {
        assert_ne!(session(alice), session(bob));
    }
    Ok(())
}

#[tokio::test]
async fn a_cursor_belongs_to_who_got_it() -> Result<()> {
    let idp = Idp::start().await?;
    let backend = Hostile::modern().method("tools/list", Behaviour::Pages(25)).start().await?;
    let settings = format!("{}    page_size: 10\n", inbound(&idp));
    let gateway = Gateway::start(&corp_with(&settings, &[plain("backend", &backend.url())])).await?;
    let user = |name: &str| gateway.endpoint("corp").as_bearer(&idp.token(name, AUDIENCE));
    listed(&user("alice"), &["tool24"]).await?;
    let page = Modern::new(&user("alice")).call("tools/list", json!({})).await?.result()?;
    let cursor = json!({"cursor": page["nextCursor"]});
    assert_eq!(Modern::new(&user("bob")).call("tools/list", cursor.clone()).await?.error_code()?, -32602);
    Modern::new(&user("alice")).call("tools/list", cursor).await?.result()?;
    Ok(())
}

#[tokio::test]
async fn a_scope_every_caller_needs_is_asked_for() -> Result<()> {
    let (idp, fixture) = (Idp::start().await?, FixtureServer::start(Era::Dual).await?);
    let settings = inbound(&idp).replace("audiences:", "scopes: [\"tools:use\"], audiences:");
    let gateway = Gateway::start(&corp_with(&settings, &[plain("fixture", &fixture.url())])).await?;
    let call = |claims: &Value| {
        let endpoint = gateway.endpoint("corp").as_bearer(&idp::sign(&idp::header(), claims));
        async move { Modern::new(&endpoint).call("tools/list", json!({})).await }
    };
    let mut claims = idp.claims("alice", AUDIENCE);
    let refused = call(&claims).await?;
    assert_eq!(refused.status, 403);
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    ensure!(challenge.contains("insufficient_scope") && challenge.contains("tools:use"), "{challenge}");
    claims["scope"] = json!("profile tools:use");
    assert_eq!(call(&claims).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn discovery_finds_the_keys() -> Result<()> {
    let (idp, fixture) = (Idp::start().await?, FixtureServer::start(Era::Dual).await?);
    let settings = format!(
        "    inbound: {{ jwt: {{ discovery_url: \"{}/.well-known/openid-configuration\", audiences: [\"{AUDIENCE}\"] }} }}\n    streaming: true\n    sessions: {{}}\n",
        idp.issuer()
    );
    let sections = format!(
        "egress: {{ allow: [\"127.0.0.1/32\"] }}\n{}",
        corp_with(&settings, &[plain("fixture", &fixture.url())])
    );
    let gateway = Gateway::start(&sections).await?;
    listed(&gateway.endpoint("corp").as_bearer(&idp.token("alice", AUDIENCE)), &["greet"]).await?;
    Ok(())
}

#[tokio::test]
async fn the_development_issuer_signs_tokens_for_the_command_line() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let settings = "    inbound: { jwt: { issuer: dev } }\n    streaming: true\n    sessions: {}\n";
    let gateway = Gateway::start(&corp_with(settings, &[plain("fixture", &fixture.url())])).await?;
    let folder = gateway.folder();
    let printed =
        gateway::run(folder.path(), &["token", "--sub", "alice", "--claim", "role=manager"]).await?;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let token = printed.stdout.trim();
    assert_eq!(token.split('.').count(), 3, "{token}");
    listed(&gateway.endpoint("corp").as_bearer(token), &["greet"]).await?;
    let nobody = Modern::new(&gateway.endpoint("corp")).call("tools/list", json!({})).await?;
    assert_eq!(nobody.status, 401);
    Ok(())
}

#[tokio::test]
async fn an_assertion_about_the_user_goes_to_the_target_that_asks_for_it() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let settings = "    inbound: { jwt: { issuer: dev } }\n    streaming: true\n    sessions: {}\n";
    let asks = format!(
        "mcp: {{ url: \"{}\", listing: dynamic }}, outbound: {{ assertion: {{ audience: finance }} }}, prefix: none",
        fixture.url()
    );
    let gateway = Gateway::start(&corp_with(settings, &[e2e::target("finance", &asks)])).await?;
    let folder = gateway.folder();
    let mut tokens = Vec::new();
    for user in ["alice", "bob"] {
        let token = gateway::run(folder.path(), &["token", "--sub", user]).await?.stdout.trim().to_owned();
        let endpoint = gateway.endpoint("corp").as_bearer(&token);
        listed(&endpoint, &["fixture_headers"]).await?;
        let result = Modern::new(&endpoint).tool("fixture_headers", json!({})).await?;
        let sent = result["structuredContent"]["authorization"].as_str().unwrap_or_default().to_owned();
        let assertion = sent.strip_prefix("Bearer ").unwrap_or_default().to_owned();
        assert_ne!(assertion, token, "the client's own token never goes upstream");
        let claims = claims(&assertion)?;
        assert_eq!(
            (claims["sub"].as_str(), claims["aud"].as_str()),
            (Some(user), Some("finance")),
            "{claims}"
        );
        ensure!(claims["exp"].as_u64().is_some_and(|exp| exp <= idp::now() + 900), "short-lived: {claims}");
        tokens.push(assertion);
    }
    assert_ne!(tokens[0], tokens[1]);
    Ok(())
}

fn claims(token: &str) -> Result<Value> {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap_or_default();
    Ok(serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload)?)?)
}

#[tokio::test]
async fn a_foreign_audience_or_issuer_is_named_in_the_log_and_not_in_the_answer() -> Result<()> {
    let site = Site::start().await?;
    let mut foreign = site.idp.claims("alice", AUDIENCE);
    foreign["iss"] = json!("https://other-issuer.example");
    for (token, named) in [
        (site.idp.token("alice", "other-audience"), ["other-audience", AUDIENCE]),
        (idp::sign(&idp::header(), &foreign), ["https://other-issuer.example", &site.idp.issuer()]),
    ] {
        let reply = site.with(&token).await?;
        assert_eq!(reply.status, 401);
        let answer = format!("{:?} {}", reply.headers, reply.text());
        ensure!(!answer.contains("other-"), "{answer}");
        let said = |log: &str| {
            log.lines().any(|line| {
                line.contains("not authenticated")
                    && named.iter().all(|name| line.contains(&format!("`{name}`")))
            })
        };
        site.gateway.wait_for_log(said).await?;
    }
    Ok(())
}
