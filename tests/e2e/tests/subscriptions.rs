//! What clients are told outside their requests: changed resources and lists, log messages; to whom it concerns, and to
//! nobody else.

use anyhow::{Context as _, Result, ensure};
use e2e::{Pair, corp, corp_with, eventually, listed, plain, target, text};
use serde_json::{Value, json};
use testkit::client::{Endpoint, Modern, Session, Streaming, notification, request};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Hostile};
use testkit::idp::Idp;
use testkit::tools;

const WATCHED: &str = "test://watched-resource";
const OTHER: &str = "test://static-text";
const UPDATED: &str = "notifications/resources/updated";
const TOOLS: &str = "notifications/tools/list_changed";
const SUBSCRIPTION: &str = "/params/_meta/io.modelcontextprotocol~1subscriptionId";
const AUDIENCE: &str = "https://mcp.example.test/corp/mcp";

async fn listen(client: &Modern, id: impl Into<Value>, filter: Value) -> Result<(Streaming, Value)> {
    let call = client.request(id, "subscriptions/listen", json!({ "notifications": filter }));
    let mut stream = call.open().await?;
    ensure!(stream.status == 200, "{}", stream.finish().await?.text());
    let first = stream.message().await?.context("nothing was acknowledged")?;
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    Ok((stream, first))
}

async fn stream_of(session: &Session) -> Result<Streaming> {
    let stream = session.stream().open().await?;
    assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
    Ok(stream)
}

async fn subscribe(session: &Session, uri: &str) -> Result<()> {
    let answer = session.call("resources/subscribe", json!({ "uri": uri })).await?;
    assert_eq!(answer.result()?, json!({}));
    Ok(())
}

async fn update(client: &Modern, uri: &str) -> Result<()> {
    client.tool("fixture_update_resource", json!({ "uri": uri })).await.map(drop)
}

async fn next(stream: &mut Streaming) -> Result<Value> {
    stream.message().await?.context("the stream ended")
}

#[tokio::test]
async fn a_resource_is_watched_across_every_pair_of_eras() -> Result<()> {
    for era in [Era::Legacy, Era::Modern, Era::Dual] {
        let pair = Pair::start(era).await?;
        let (session, bystander, modern) = (pair.session().await?, pair.session().await?, pair.modern());
        let mut legacy_stream = stream_of(&session).await?;
        let mut bystanders = stream_of(&bystander).await?;
        subscribe(&session, WATCHED).await?;
        let filter =
            json!({ "resourceSubscriptions": [WATCHED, "test://nowhere"], "toolsListChanged": true });
        let (mut listening, acknowledged) = listen(&modern, "my-id", filter).await?;
        let honoured = &acknowledged["params"]["notifications"];
        assert_eq!(
            *honoured,
            json!({ "resourceSubscriptions": [WATCHED], "toolsListChanged": true }),
            "{era:?}"
        );
        assert_eq!(acknowledged.pointer(SUBSCRIPTION), Some(&json!("my-id")));

        update(&modern, OTHER).await?;
        update(&modern, WATCHED).await?;
        let told = next(&mut legacy_stream).await?;
        assert_eq!((&told["method"], &told["params"]["uri"]), (&json!(UPDATED), &json!(WATCHED)), "{era:?}");
        assert_eq!(told.pointer(SUBSCRIPTION), None, "{told}");
        let told = next(&mut listening).await?;
        assert_eq!((&told["method"], &told["params"]["uri"]), (&json!(UPDATED), &json!(WATCHED)), "{era:?}");
        assert_eq!(told.pointer(SUBSCRIPTION), Some(&json!("my-id")));

        modern.tool("fixture_toggle_tool", json!({})).await?;
        assert_eq!(next(&mut bystanders).await?["method"], TOOLS, "{era:?}: not the update");
        assert_eq!(next(&mut legacy_stream).await?["method"], TOOLS, "{era:?}");
        let told = next(&mut listening).await?;
        assert_eq!((&told["method"], told.pointer(SUBSCRIPTION)), (&json!(TOOLS), Some(&json!("my-id"))));
        ensure!(modern.tool_names().await?.iter().any(|name| name == "fixture_extra"), "refreshed first");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_is_asked_once_and_let_go_by_the_last_one() -> Result<()> {
    let pair = Pair::start(Era::Legacy).await?;
    let (one, other, modern) = (pair.session().await?, pair.session().await?, pair.modern());
    subscribe(&one, WATCHED).await?;
    subscribe(&one, WATCHED).await?;
    subscribe(&other, WATCHED).await?;
    let (listening, _) = listen(&modern, 1, json!({ "resourceSubscriptions": [WATCHED] })).await?;
    assert_eq!(pair.fixture.stats().subscriptions, 1);
    one.call("resources/unsubscribe", json!({ "uri": WATCHED })).await?.result()?;
    drop(listening);
    let mut stream = stream_of(&other).await?;
    update(&modern, WATCHED).await?;
    assert_eq!(next(&mut stream).await?["params"]["uri"], WATCHED);
    assert_eq!(other.delete().send().await?.status, 204);
    eventually("the server is let go", || async {
        Ok((pair.fixture.stats().subscriptions == 0).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_modern_server_sees_one_stream_for_everything() -> Result<()> {
    let pair = Pair::start(Era::Modern).await?;
    let (session, modern) = (pair.session().await?, pair.modern());
    let mut stream = stream_of(&session).await?;
    for uri in [WATCHED, OTHER, "test://static-binary"] {
        subscribe(&session, uri).await?;
    }
    eventually("one stream is left", || async { Ok((pair.fixture.stats().listeners == 1).then_some(())) })
        .await?;
    for uri in [OTHER, WATCHED] {
        update(&modern, uri).await?;
        assert_eq!(next(&mut stream).await?["params"]["uri"], uri);
    }
    session.call("resources/unsubscribe", json!({ "uri": OTHER })).await?.result()?;
    update(&modern, OTHER).await?;
    update(&modern, WATCHED).await?;
    assert_eq!(next(&mut stream).await?["params"]["uri"], WATCHED, "what was given up is not told");
    Ok(())
}

#[tokio::test]
async fn what_happens_while_nobody_reads_waits_for_the_reader() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let (session, modern) = (pair.session().await?, pair.modern());
    subscribe(&session, WATCHED).await?;
    for _ in 0..3 {
        update(&modern, WATCHED).await?;
    }
    modern.tool("fixture_toggle_tool", json!({})).await?;
    listed(&pair.endpoint(), &["fixture_extra"]).await?;
    let mut stream = stream_of(&session).await?;
    let told = [next(&mut stream).await?, next(&mut stream).await?];
    let mut methods: Vec<_> = told.iter().filter_map(|told| told["method"].as_str()).collect();
    methods.sort_unstable();
    assert_eq!(methods, [UPDATED, TOOLS], "of one resource the newest update counts");
    Ok(())
}

#[tokio::test]
async fn a_child_tells_of_its_changes_too() -> Result<()> {
    for era in ["legacy", "modern"] {
        let program = tools::fixture_binary().display().to_string();
        let settings = format!(
            "mcp: {{ command: \"{program}\", args: [--era, {era}, --stdio], isolation: shared }}, prefix: none"
        );
        let gateway = Gateway::start(&corp(&[target("child", &settings)])).await?;
        let endpoint = gateway.endpoint("corp");
        listed(&endpoint, &["greet"]).await?;
        let (session, modern) = (Session::open(&endpoint, "2025-11-25").await?, Modern::new(&endpoint));
        let mut stream = stream_of(&session).await?;
        subscribe(&session, OTHER).await?;
        let (mut listening, _) = listen(&modern, 1, json!({ "resourceSubscriptions": [WATCHED] })).await?;
        for uri in [WATCHED, OTHER] {
            update(&modern, uri).await?;
        }
        assert_eq!(next(&mut stream).await?["params"]["uri"], OTHER, "{era}");
        assert_eq!(next(&mut listening).await?["params"]["uri"], WATCHED, "{era}");
        modern.tool("fixture_toggle_tool", json!({})).await?;
        assert_eq!(next(&mut stream).await?["method"], TOOLS, "{era}");
    }
    Ok(())
}

#[tokio::test]
async fn a_list_of_ones_own_is_asked_for_again_before_it_is_told() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let fixture = FixtureServer::start(era).await?;
        let settings = format!("mcp: {{ url: \"{}\", listing: dynamic }}, prefix: none", fixture.url());
        let gateway = Gateway::start(&corp(&[target("fixture", &settings)])).await?;
        let endpoint = gateway.endpoint("corp");
        listed(&endpoint, &["greet"]).await?;
        let session = Session::open(&endpoint, "2025-11-25").await?;
        let modern = Modern::new(&endpoint);
        let mut stream = stream_of(&session).await?;
        let (mut listening, _) = listen(&modern, 1, json!({ "toolsListChanged": true })).await?;
        eventually("the server is listened to", || async {
            let stats = fixture.stats();
            Ok((stats.listeners > 0 || stats.streams > 0).then_some(()))
        })
        .await?;
        modern.tool("fixture_toggle_tool", json!({})).await?;
        assert_eq!(next(&mut stream).await?["method"], TOOLS, "{era:?}");
        assert_eq!(next(&mut listening).await?["method"], TOOLS, "{era:?}");
    }
    Ok(())
}

#[tokio::test]
async fn two_users_never_meet() -> Result<()> {
    let (idp, fixture) = (Idp::start().await?, FixtureServer::start(Era::Dual).await?);
    let inbound = format!(
        "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [\"{AUDIENCE}\"] }} }}\n    streaming: true\n    sessions: {{}}\n",
        idp.issuer(),
        idp.jwks_uri()
    );
    let gateway = Gateway::start(&corp_with(&inbound, &[plain("fixture", &fixture.url())])).await?;
    let user = |name: &str| gateway.endpoint("corp").as_bearer(&idp.token(name, AUDIENCE));
    listed(&user("alice"), &["greet"]).await?;
    let alice = Session::open(&user("alice"), "2025-11-25").await?;
    let bob = Session::open(&user("bob"), "2025-11-25").await?;
    let (mut to_alice, mut to_bob) = (stream_of(&alice).await?, stream_of(&bob).await?);
    subscribe(&alice, WATCHED).await?;
    subscribe(&bob, OTHER).await?;
    // Equal ids of two users on one server.
    let filter = |uri: &str| json!({ "resourceSubscriptions": [uri] });
    let (mut alice_listens, _) = listen(&Modern::new(&user("alice")), 1, filter(WATCHED)).await?;
    let (mut bob_listens, _) = listen(&Modern::new(&user("bob")), 1, filter(OTHER)).await?;
    let carol = Modern::new(&user("carol"));
    for uri in [WATCHED, OTHER] {
        update(&carol, uri).await?;
    }
    for (stream, uri) in [
        (&mut to_alice, WATCHED),
        (&mut to_bob, OTHER),
        (&mut alice_listens, WATCHED),
        (&mut bob_listens, OTHER),
    ] {
        assert_eq!(next(stream).await?["params"]["uri"], uri);
    }
    // The stream of one is not there for the other, whatever they ask.
    let stolen = bob.named(alice.id.as_deref().unwrap_or_default());
    let unknown = bob.named("never-issued");
    assert_eq!(stolen.stream().send().await?.fingerprint(), unknown.stream().send().await?.fingerprint());
    update(&carol, WATCHED).await?;
    assert_eq!(next(&mut to_alice).await?["params"]["uri"], WATCHED, "the owner is undisturbed");
    Ok(())
}

#[tokio::test]
async fn a_reload_that_changes_the_view_is_told() -> Result<()> {
    let first = Hostile::modern().tool("first", Behaviour::text("1")).start().await?;
    let second = Hostile::legacy().tool("second", Behaviour::text("2")).start().await?;
    let one = corp(&[plain("first", &first.url())]);
    let gateway = Gateway::start(&one).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["first"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    let mut stream = stream_of(&session).await?;
    let (mut listening, _) = listen(&Modern::new(&endpoint), 5, json!({ "toolsListChanged": true })).await?;
    gateway.rewrite(&corp(&[plain("first", &first.url()), plain("second", &second.url())]))?;
    assert_eq!(next(&mut stream).await?["method"], TOOLS);
    assert_eq!(next(&mut listening).await?["method"], TOOLS);
    ensure!(Modern::new(&endpoint).tool_names().await?.len() == 2);
    Ok(())
}

#[tokio::test]
async fn a_further_get_takes_the_stream_over() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    subscribe(&session, WATCHED).await?;
    let mut first = stream_of(&session).await?;
    let mut second = stream_of(&session).await?;
    while first.message().await?.is_some() {}
    update(&pair.modern(), WATCHED).await?;
    assert_eq!(next(&mut second).await?["params"]["uri"], WATCHED);
    Ok(())
}

#[tokio::test]
async fn a_stream_needs_a_session_and_a_client_that_takes_events() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    let no_session = pair.endpoint().call("GET").header("accept", "text/event-stream");
    assert_eq!(no_session.send().await?.status, 400);
    let only_json = session.stream().replace("accept", "application/json");
    assert_eq!(only_json.send().await?.status, 406);
    let client = pair.modern();
    let call = client.request(1, "subscriptions/listen", json!({ "notifications": {} }));
    assert_eq!(call.replace("accept", "application/json").send().await?.status, 406);
    let nothing = client.call("subscriptions/listen", json!({})).await?;
    assert_eq!((nothing.status, nothing.error_code()?), (200, -32602));
    let mut stream = stream_of(&session).await?;
    assert_eq!(session.delete().send().await?.status, 204);
    while stream.message().await?.is_some() {}
    Ok(())
}

#[tokio::test]
async fn only_what_is_delivered_is_advertised() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let on = json!({ "listChanged": true, "subscribe": true });
    let discovered = pair.modern().call("server/discover", json!({})).await?.result()?;
    assert_eq!(discovered["capabilities"]["resources"], on);
    assert_eq!(discovered["capabilities"]["tools"], json!({ "listChanged": true }));
    assert_eq!(pair.session().await?.initialized["capabilities"]["resources"], on);

    for settings in [
        "    inbound: none\n    streaming: false\n    sessions: {}\n",
        "    inbound: none\n    streaming: true\n",
    ] {
        let gateway = Gateway::start(&corp_with(settings, &[plain("fixture", &pair.fixture.url())])).await?;
        listed(&gateway.endpoint("corp"), &["greet"]).await?;
        let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
        assert_eq!(session.initialized["capabilities"]["resources"], json!({}), "{settings}");
        let refused = session.call("resources/subscribe", json!({ "uri": WATCHED })).await?;
        assert_eq!(refused.error_code()?, -32601, "{settings}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_or_not_told_is_not_subscribed_to() -> Result<()> {
    let backend = Hostile::legacy()
        .capabilities(json!({ "tools": {}, "resources": {} }))
        .method(
            "resources/list",
            Behaviour::Result(r#"{"resources":[{"uri":"doc://a","name":"a"}]}"#.to_owned()),
        )
        .tool("quick", Behaviour::text("quick"))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["quick"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let code =
        async |uri: &str| session.call("resources/subscribe", json!({ "uri": uri })).await?.error_code();
    assert_eq!(code("doc://nowhere").await?, -32002);
    assert_eq!(code("doc://a").await?, -32601);
    let nameless = session.call("resources/subscribe", json!({})).await?;
    assert_eq!(nameless.error_code()?, -32602);
    ensure!(backend.ledger().of("resources/subscribe").is_empty());
    Ok(())
}

#[tokio::test]
async fn subscriptions_are_bounded() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let limits = "limits: { subscriptions_per_session: 1, streams: 1 }\n";
    let gateway = Gateway::start(&format!("{limits}{}", corp(&[plain("fixture", &fixture.url())]))).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["greet"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    subscribe(&session, WATCHED).await?;
    let more = session.call("resources/subscribe", json!({ "uri": OTHER })).await?;
    assert_eq!(more.error_code()?, 1429);
    let filter = json!({ "resourceSubscriptions": [OTHER, WATCHED] });
    let (listening, acknowledged) = listen(&Modern::new(&endpoint), 1, filter).await?;
    assert_eq!(acknowledged["params"]["notifications"]["resourceSubscriptions"], json!([OTHER]));
    assert_eq!(session.stream().send().await?.status, 429);
    drop(listening);
    eventually("the place is free", || async {
        Ok((session.stream().open().await?.status == 200).then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_subscriptions_of_one_principal_are_bounded_in_all_its_sessions_and_streams() -> Result<()> {
    let (idp, fixture) = (Idp::start().await?, FixtureServer::start(Era::Dual).await?);
    let inbound = format!(
        "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [\"{AUDIENCE}\"] }} }}\n    streaming: true\n    sessions: {{}}\n",
        idp.issuer(),
        idp.jwks_uri()
    );
    let sections = corp_with(&inbound, &[plain("fixture", &fixture.url())]);
    let gateway =
        Gateway::start(&format!("limits: {{ subscriptions_per_principal: 2 }}\n{sections}")).await?;
    let user = |name: &str| gateway.endpoint("corp").as_bearer(&idp.token(name, AUDIENCE));
    listed(&user("alice"), &["greet"]).await?;
    let one = Session::open(&user("alice"), "2025-11-25").await?;
    let other = Session::open(&user("alice"), "2025-06-18").await?;
    subscribe(&one, WATCHED).await?;
    subscribe(&one, WATCHED).await?;
    let filter = json!({ "resourceSubscriptions": [OTHER, "test://static-binary"] });
    let modern = Modern::new(&user("alice"));
    let (listening, acknowledged) = listen(&modern, 1, filter).await?;
    let honoured = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(honoured.as_array().map(Vec::len), Some(1), "{acknowledged}");
    let refused = other.call("resources/subscribe", json!({ "uri": WATCHED })).await?;
    assert_eq!(refused.error_code()?, 1429);
    ensure!(refused.error_message()?.contains("`limits.subscriptions_per_principal`"), "{}", refused.text());
    subscribe(&Session::open(&user("bob"), "2025-11-25").await?, WATCHED).await?;
    one.call("resources/unsubscribe", json!({ "uri": WATCHED })).await?.result()?;
    subscribe(&other, WATCHED).await?;
    drop(listening);
    eventually("the share is free again", || async {
        let answer = one.call("resources/subscribe", json!({ "uri": OTHER })).await?;
        Ok(answer.result().is_ok().then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_server_that_logs_on_its_sessions_stream_is_heard() -> Result<()> {
    let pair = Pair::start(Era::Legacy).await?;
    let session = pair.session().await?;
    let mut stream = stream_of(&session).await?;
    assert_eq!(text(&session.tool("test_tool_with_logging", json!({})).await?), "Logging test completed");
    for _ in 0..3 {
        assert_eq!(next(&mut stream).await?["method"], "notifications/message");
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_that_listens_ends_with_a_result_when_the_gateway_stops() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    let mut own = stream_of(&session).await?;
    let (mut listening, _) = listen(&pair.modern(), 9, json!({ "toolsListChanged": true })).await?;
    pair.gateway.ask_to_stop().await?;
    let last = next(&mut listening).await?;
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!(9), &json!("complete")));
    assert_eq!(last.pointer("/result/_meta/io.modelcontextprotocol~1subscriptionId"), Some(&json!(9)));
    ensure!(listening.message().await?.is_none());
    ensure!(own.message().await?.is_none());
    Ok(())
}

#[tokio::test]
async fn an_old_client_is_told_on_its_stream() -> Result<()> {
    let pair = Pair::start(Era::Modern).await?;
    let endpoint = pair.endpoint();
    let mut stream =
        endpoint.at("/corp/sse").call("GET").header("accept", "text/event-stream").open().await?;
    let path = stream.event().await?.context("no endpoint")?.data;
    let messages: Endpoint = endpoint.at(&path);
    let tell = async |message: Value| messages.post(&message).send().await;
    tell(Session::initialize("2024-11-05", json!({}))).await?;
    let hello = next(&mut stream).await?;
    assert_eq!(hello["result"]["capabilities"]["resources"]["subscribe"], true, "{hello}");
    tell(notification("notifications/initialized", json!({}))).await?;
    tell(request(1, "resources/subscribe", json!({ "uri": WATCHED }))).await?;
    assert_eq!(next(&mut stream).await?["result"], json!({}));
    update(&pair.modern(), WATCHED).await?;
    assert_eq!(next(&mut stream).await?["method"], UPDATED);
    pair.modern().tool("fixture_toggle_tool", json!({})).await?;
    assert_eq!(next(&mut stream).await?["method"], TOOLS);
    Ok(())
}
