//! What a client does not take, and what it keeps open, costs it its own share and nobody else anything.

use anyhow::{Context as _, Result, ensure};
use e2e::{corp, corp_with, eventually, listed, plain, prefixed, served_again};
use serde_json::{Value, json};
use testkit::client::{Call, Modern, Session, Streaming, request};
use testkit::gateway::Gateway;
use testkit::hostile::{Arrival, Behaviour, Gate, Hostile};
use testkit::idp::{Idp, header, now, sign};
use testkit::sse::Event;

/// More than the sockets between a client and the gateway hold.
const LARGE: usize = 24 * 1024 * 1024;
/// As often as it takes for a gateway to have noticed whatever there is to notice.
const OFTEN: usize = 20;
/// For how many seconds a token is good after its end.
const LEEWAY: u64 = 60;

fn call(tool: &str) -> Value {
    json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": "p" } })
}

/// A gateway with a tool whose answer is large, one that says something before it, and one that is quick.
async fn large(limits: &str) -> Result<(Hostile, Gateway)> {
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{token},"progress":1}}"#;
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"content":[{{"type":"text","text":"{}"}}]}}}}"#,
        "x".repeat(LARGE)
    );
    let backend = Hostile::modern()
        .tool("large", Behaviour::Large(LARGE))
        .tool("streamed", Behaviour::Events(vec![progress.to_owned(), answer]))
        .tool("quick", Behaviour::text("quick"))
        .start()
        .await?;
    let sections = corp(&[plain("backend", &backend.url())]);
    let gateway = Gateway::start(&format!("limits: {{ {limits} }}\n{sections}")).await?;
    listed(&gateway.endpoint("corp"), &["large", "streamed", "quick"]).await?;
    Ok((backend, gateway))
}

#[tokio::test]
async fn an_answer_that_nobody_takes_keeps_its_place() -> Result<()> {
    let (_backend, gateway) = large("in_flight: 1").await?;
    let endpoint = gateway.endpoint("corp");
    let (modern, legacy) = (Modern::new(&endpoint), Session::open(&endpoint, "2025-11-25").await?);
    let old = Session::open(&endpoint, "2025-03-26").await?;
    let batch = json!([request(1, "tools/call", call("large"))]);
    let calls: [(&str, Call); 6] = [
        ("modern", modern.request(1, "tools/call", call("large"))),
        ("modern, streamed", modern.request(1, "tools/call", call("streamed"))),
        ("legacy", legacy.request(1, "tools/call", call("large"))),
        ("legacy, streamed", legacy.request(2, "tools/call", call("streamed"))),
        ("batch", old.post(&batch)),
        ("batch, in one piece", old.post(&batch).replace("accept", "application/json")),
    ];
    for (how, large) in calls {
        let mut unread = large.open().await?;
        assert_eq!(unread.status, 200, "{how}");
        for _ in 0..OFTEN {
            let reply = modern.call("tools/call", call("quick")).await?;
            assert_eq!((reply.status, reply.error_code()?), (503, 1503), "{how}");
        }
        ensure!(unread.finish().await?.body.len() > LARGE, "{how}");
        served_again(&Modern::new(&endpoint)).await?;
        let dropped = large.open().await?;
        drop(dropped);
        served_again(&Modern::new(&endpoint)).await?;
    }
    Ok(())
}

/// A server whose tool says something before the gate and answers after it.
async fn gated(gate: &Gate) -> Result<Hostile> {
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{token},"progress":1}}"#;
    let answer =
        r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"the true answer"}]}}"#;
    let told = Behaviour::EventsAround(vec![progress.to_owned()], gate.clone(), vec![answer.to_owned()]);
    Hostile::legacy().tool("told", told).start().await
}

/// The next event with a message.
async fn next(stream: &mut Streaming) -> Result<Event> {
    loop {
        let event = stream.event().await?.context("the stream ended")?;
        if !event.data.is_empty() {
            return Ok(event);
        }
    }
}

/// The texts that calls were answered with on a stream that ends.
async fn answers(mut stream: Streaming) -> Result<Vec<String>> {
    assert_eq!(stream.status, 200);
    let mut answers = Vec::new();
    while let Some(message) = stream.message().await? {
        answers.extend(message["result"]["content"][0]["text"].as_str().map(ToOwned::to_owned));
    }
    answers.sort();
    Ok(answers)
}

#[tokio::test]
async fn a_call_that_is_taken_up_is_one_of_the_streams() -> Result<()> {
    let gate = Gate::default();
    let backend = gated(&gate).await?;
    let sections = corp(&[plain("backend", &backend.url())]);
    let gateway = Gateway::start(&format!("limits: {{ streams: 1 }}\n{sections}")).await?;
    listed(&gateway.endpoint("corp"), &["told"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let mut stream = session.request(1, "tools/call", call("told")).open().await?;
    let from = next(&mut stream).await?.id.context("no id")?;
    let resume = || session.stream().header("last-event-id", &*from);
    let own = session.stream().open().await?;
    assert_eq!(own.status, 200);
    let refused = resume().send().await?;
    assert_eq!((refused.status, refused.error_code()?), (429, 1429));
    ensure!(refused.error_message()?.contains("`limits.streams`"), "{}", refused.text());
    drop(own);
    let taken_up = eventually("the place is free", || async {
        let stream = resume().open().await?;
        Ok((stream.status == 200).then_some(stream))
    })
    .await?;
    assert_eq!(session.stream().send().await?.status, 429, "it holds the place");
    gate.open();
    assert_eq!(answers(taken_up).await?, ["the true answer"]);
    eventually("the place is free", || async {
        Ok((session.stream().open().await?.status == 200).then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_stream_of_a_call_ends_with_the_credential_and_its_result_waits_for_the_next() -> Result<()> {
    for version in ["2025-11-25", "2025-06-18"] {
        ends_and_waits(version).await.with_context(|| version.to_owned())?;
    }
    Ok(())
}

async fn ends_and_waits(version: &str) -> Result<()> {
    let (idp, gate) = (Idp::start().await?, Gate::default());
    let backend = gated(&gate).await?;
    let inbound = format!(
        "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [e2e] }} }}\n    streaming: true\n    sessions: {{}}\n",
        idp.issuer(),
        idp.jwks_uri()
    );
    let gateway = Gateway::start(&corp_with(&inbound, &[plain("backend", &backend.url())])).await?;
    let with = |token: &str| gateway.endpoint("corp").as_bearer(token);
    let renewed = with(&idp.token("alice", "e2e"));
    listed(&renewed, &["told"]).await?;
    let session = Session::open(&renewed, version).await?;
    // Good for three seconds more.
    let ending = |method: fn(&Session) -> Call| {
        let mut claims = idp.claims("alice", "e2e");
        claims["exp"] = json!(now() - LEEWAY + 3);
        let token = sign(&header(), &claims);
        method(&session).replace("authorization", format!("Bearer {token}"))
    };
    let started = ending(|session| session.request(1, "tools/call", call("told")));
    let mut stream = started.open().await?;
    assert_eq!(stream.status, 200);
    let from = next(&mut stream).await?.id.context("no id")?;
    ensure!(stream.event().await?.is_none(), "the stream ends, the call does not");
    let mut taken_up = ending(Session::stream).header("last-event-id", &*from).open().await?;
    assert_eq!(taken_up.status, 200);
    ensure!(taken_up.event().await?.is_none(), "so does one that was taken up");
    let waiting = session.stream().header("last-event-id", &*from).open().await?;
    gate.open();
    assert_eq!(answers(waiting).await?, ["the true answer"]);
    ensure!(backend.ledger().of("notifications/cancelled").is_empty());
    Ok(())
}

#[tokio::test]
async fn the_events_of_a_batch_are_taken_up_like_those_of_a_call() -> Result<()> {
    let gate = Gate::default();
    let backend = gated(&gate).await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["told"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-03-26").await?;
    let batch = json!([request(1, "tools/call", call("told")), request(2, "tools/call", call("told"))]);
    let mut stream = session.post(&batch).open().await?;
    let first = next(&mut stream).await?.id.context("no id")?;
    let second = next(&mut stream).await?.id.context("no id")?;
    ensure!(first != second);
    drop(stream);
    gate.open();
    let resume = async |from: &str| session.stream().header("last-event-id", from).open().await;
    assert_eq!(answers(resume(&second).await?).await?, ["the true answer", "the true answer"]);
    assert_eq!(backend.ledger().calls("told").len(), 2, "nothing was sent twice");
    let mut again = resume(&first).await?;
    assert_eq!(next(&mut again).await?.id, Some(second));
    Ok(())
}

/// A server with one resource, which agrees to tell of it once the gate is open.
async fn watchable(gate: &Gate) -> Result<Hostile> {
    let agreed = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":{id}},"notifications":{"resourceSubscriptions":["doc://a"]}}}"#;
    Hostile::modern()
        .capabilities(json!({ "tools": {}, "resources": { "subscribe": true } }))
        .method(
            "resources/list",
            Behaviour::Result(r#"{"resources":[{"uri":"doc://a","name":"a"}]}"#.to_owned()),
        )
        .method("subscriptions/listen", Behaviour::EventsThenSilence(vec![agreed.to_owned()]).held(gate))
        .tool("quick", Behaviour::text("quick"))
        .start()
        .await
}

#[tokio::test]
async fn a_reader_that_is_cut_while_the_gateway_moves_loses_no_subscription() -> Result<()> {
    let (open, gate) = (Gate::default(), Gate::default());
    open.open();
    let (before, after) = (watchable(&open).await?, watchable(&gate).await?);
    let gateway = Gateway::start(&corp(&[plain("docs", &before.url())])).await?;
    listed(&gateway.endpoint("corp"), &["quick"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-06-18").await?;
    session.call("resources/subscribe", json!({ "uri": "doc://a" })).await?.result()?;
    let mut cut = session.stream().open().await?;
    gateway.rewrite(&corp(&[plain("docs", &after.url())]))?;
    after.ledger().wait_for(|ledger| !ledger.of("subscriptions/listen").is_empty()).await?;
    let mut reader = session.stream().open().await?;
    // Only when the first has ended has the second taken its place.
    while cut.event().await?.is_some() {}
    gate.open();
    let told: Value = serde_json::from_str(&next(&mut reader).await?.data)?;
    assert_eq!(
        (&told["method"], &told["params"]["uri"]),
        (&json!("notifications/resources/updated"), &json!("doc://a"))
    );
    Ok(())
}

#[tokio::test]
async fn an_old_clients_stream_that_ends_after_a_reload_ends_its_sessions_with_servers() -> Result<()> {
    let backend = Hostile::legacy().tool("quick", Behaviour::text("quick")).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["quick"]).await?;
    let mut stream =
        endpoint.at("/corp/sse").call("GET").header("accept", "text/event-stream").open().await?;
    let messages = endpoint.at(&stream.event().await?.context("no endpoint")?.data);
    messages.post(Session::initialize("2024-11-05", json!({}))).send().await?;
    next(&mut stream).await?;
    // Another target of the same name, which has the client's next calls.
    gateway.rewrite(&corp(&[prefixed("backend", &backend.url())]))?;
    listed(&endpoint, &["backend___quick"]).await?;
    messages.post(request(1, "tools/call", call("backend___quick"))).send().await?;
    let answered = |event: &Event| event.data.contains("quick") && event.data.contains(r#""id":1"#);
    while !answered(&next(&mut stream).await?) {}
    let calls = backend.ledger().calls("quick");
    let within = calls[0].header("mcp-session-id").context("no session")?;
    drop(stream);
    let ended =
        |arrival: &Arrival| arrival.verb == "DELETE" && arrival.header("mcp-session-id") == Some(within);
    backend.ledger().wait_for(|ledger| ledger.arrivals().iter().any(ended)).await
}
