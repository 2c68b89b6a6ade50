//! Questions in the middle of a call: forms, addresses, sampling, roots, from servers of every era to clients of every era.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::{Pair, audit, corp, corp_with, eventually, listed, plain, target, text};
use serde_json::{Value, json};
use testkit::client::{Modern, Session, Streaming};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Hostile};
use testkit::idp::Idp;
use testkit::tools;

const ERAS: [Era; 3] = [Era::Legacy, Era::Modern, Era::Dual];

fn everything() -> Value {
    json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": { "listChanged": true } })
}

/// One fixture that may sample behind a gateway, its names unchanged.
async fn pair(era: Era) -> Result<Pair> {
    pair_with(era, "").await
}

async fn pair_with(era: Era, top: &str) -> Result<Pair> {
    let fixture = FixtureServer::start(era).await?;
    let settings = format!("mcp: {{ url: \"{}\" }}, prefix: none, sampling: {{}}", fixture.url());
    let gateway = Gateway::start(&format!("{top}{}", corp(&[target("fixture", &settings)]))).await?;
    listed(&gateway.endpoint("corp"), &["test_simple_text"]).await?;
    Ok(Pair { fixture, gateway })
}

/// What a person and a model answer.
fn answer(method: &str, params: &Value) -> Value {
    match method {
        "elicitation/create" => {
            let fields = params["requestedSchema"]["properties"].as_object().cloned().unwrap_or_default();
            let content: BTreeMap<_, _> =
                fields.keys().map(|name| (name.clone(), value(&fields[name]))).collect();
            json!({ "action": "accept", "content": content })
        }
        "sampling/createMessage" => {
            json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "Paris" } })
        }
        _ => json!({ "roots": [{ "uri": "file:///home/alice" }] }),
    }
}

fn value(field: &Value) -> Value {
    match field["type"].as_str() {
        Some("boolean") => json!(true),
        Some("integer" | "number") => json!(7),
        _ => json!("Alice"),
    }
}

/// The next request of the gateway's on a stream.
async fn asked(stream: &mut Streaming) -> Result<Value> {
    let message = stream.message().await?.context("the stream ended")?;
    ensure!(message.get("method").is_some() && message.get("id").is_some(), "no question: {message}");
    Ok(message)
}

/// Answers a question in its session.
async fn give(session: &Session, question: &Value, result: Value) -> Result<()> {
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": result });
    let reply = session.post(answer).send().await?;
    assert_eq!((reply.status, reply.body.len()), (202, 0));
    Ok(())
}

async fn begin(session: &Session, id: u64, tool: &str) -> Result<Streaming> {
    let params = json!({ "name": tool, "arguments": { "message": "Who?", "prompt": "Capital?" } });
    session.request(id, "tools/call", params).open().await
}

/// Runs a tool to its end, answering every question of its; the answer comes with the questions.
async fn converse(session: &Session, tool: &str) -> Result<(Vec<Value>, Value)> {
    let mut stream = begin(session, 1, tool).await?;
    let mut questions = Vec::new();
    if stream.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Ok((questions, stream.finish().await?.message()?));
    }
    while let Some(message) = stream.message().await? {
        match message["method"].as_str() {
            Some(method) if message.get("id").is_some() => {
                give(session, &message, answer(method, &message["params"])).await?;
                questions.push(message);
            }
            Some(_) => {}
            None => return Ok((questions, message)),
        }
    }
    bail!("the stream ended without an answer")
}

/// The same for a modern client: as many requests as it takes.
async fn converse_modern(client: &Modern, tool: &str) -> Result<(Vec<Value>, Value)> {
    let mut params = json!({ "name": tool, "arguments": { "message": "Who?", "prompt": "Capital?" } });
    let mut questions = Vec::new();
    for _ in 0..8 {
        let message = client.call("tools/call", params.clone()).await?.message()?;
        let result = &message["result"];
        if result["resultType"] != "input_required" {
            return Ok((questions, message));
        }
        let asked = result["inputRequests"].as_object().cloned().unwrap_or_default();
        let answered = asked.iter().map(|(key, entry)| {
            (key.clone(), answer(entry["method"].as_str().unwrap_or_default(), &entry["params"]))
        });
        params["inputResponses"] = answered.collect();
        if let Some(state) = result.get("requestState") {
            params["requestState"] = state.clone();
        } else if let Some(params) = params.as_object_mut() {
            params.remove("requestState");
        }
        questions.extend(asked.into_iter().map(|(_, entry)| entry));
    }
    bail!("it never ended")
}

/// The messages that reached a server.
fn messages(fixture: &FixtureServer) -> Vec<Value> {
    fixture.seen().iter().filter_map(|seen| serde_json::from_str(&seen.body).ok()).collect()
}

/// Whether a message tells a server that its client has a capability.
fn declares(message: &Value, capability: &str) -> bool {
    let handshake = message.pointer("/params/capabilities");
    let of_request = message.pointer("/params/_meta/io.modelcontextprotocol~1clientCapabilities");
    handshake.or(of_request).is_some_and(|capabilities| capabilities.get(capability).is_some())
}

/// An error, or a tool's.
fn refused(answer: &Value) -> Result<()> {
    ensure!(answer["result"]["isError"] == true || answer.get("error").is_some(), "{answer}");
    Ok(())
}

#[tokio::test]
async fn form_reaches_a_legacy_client_from_every_era() -> Result<()> {
    for era in ERAS {
        let pair = pair(era).await?;
        for version in ["2025-06-18", "2025-11-25"] {
            let session = Session::open_with(&pair.endpoint(), version, everything()).await?;
            for (reaction, said) in [
                (
                    json!({ "action": "accept", "content": { "username": "a", "email": "b" } }),
                    "action=accept",
                ),
                (json!({ "action": "decline" }), "action=decline"),
                (json!({ "action": "cancel" }), "action=cancel"),
            ] {
                let mut stream = begin(&session, 1, "test_elicitation").await?;
                let question = asked(&mut stream).await?;
                assert_eq!(question["params"]["message"], "[fixture] Who?", "{era:?}");
                assert_eq!(question["params"]["_meta"]["dev.portcullis/target"], "fixture");
                give(&session, &question, reaction).await?;
                let result = stream.message().await?.context("no answer")?;
                ensure!(text(&result["result"]).contains(said), "{era:?} {result}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_reaches_clients_of_both_eras_from_every_era() -> Result<()> {
    for era in ERAS {
        let pair = pair(era).await?;
        let session = Session::open_with(&pair.endpoint(), "2025-11-25", everything()).await?;
        let modern = Modern::with(&pair.endpoint(), everything());
        for (tool, kinds, said) in [
            ("test_input_required_result_elicitation", 1, "Hello, Alice!"),
            ("test_sampling", 1, "LLM response: Paris"),
            ("test_input_required_result_list_roots", 1, "file:///home/alice"),
            ("test_input_required_result_multiple_inputs", 3, "file:///home/alice"),
            ("test_input_required_result_multi_round", 2, "Alice"),
        ] {
            for (questions, answer) in
                [converse(&session, tool).await?, converse_modern(&modern, tool).await?]
            {
                assert_eq!(questions.len(), kinds, "{era:?} {tool} {answer}");
                ensure!(text(&answer["result"]).contains(said), "{era:?} {tool}: {answer}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn questions_of_several_calls_are_answered_in_any_order_each_to_its_own() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = pair(era).await?;
        let session = Session::open_with(&pair.endpoint(), "2025-11-25", everything()).await?;
        let mut open = Vec::new();
        for id in 1..=4 {
            let mut stream = begin(&session, id, "test_input_required_result_elicitation").await?;
            let question = asked(&mut stream).await?;
            open.push((id, stream, question));
        }
        for (id, mut stream, question) in open.into_iter().rev() {
            let name = format!("caller {id}");
            give(&session, &question, json!({ "action": "accept", "content": { "name": name } })).await?;
            let result = stream.message().await?.context("no answer")?;
            assert_eq!((&result["id"], text(&result["result"])), (&json!(id), &*format!("Hello, {name}!")));
        }
    }
    Ok(())
}

#[tokio::test]
async fn foreign_late_doubled_and_unasked_answers_have_no_effect() -> Result<()> {
    let pair = pair(Era::Legacy).await?;
    let session = Session::open_with(&pair.endpoint(), "2025-11-25", everything()).await?;
    let other = Session::open_with(&pair.endpoint(), "2025-11-25", everything()).await?;
    let mut stream = begin(&session, 1, "test_input_required_result_elicitation").await?;
    let question = asked(&mut stream).await?;
    let accept = |name: &str| json!({ "action": "accept", "content": { "name": name } });
    give(&other, &question, accept("Mallory")).await?;
    give(&session, &json!({ "id": 999 }), accept("Mallory")).await?;
    give(&session, &json!({ "id": question["id"].to_string() }), accept("Mallory")).await?;
    give(&session, &question, accept("Alice")).await?;
    give(&session, &question, accept("Mallory")).await?;
    let result = stream.message().await?.context("no answer")?;
    assert_eq!(text(&result["result"]), "Hello, Alice!");
    give(&session, &question, accept("Mallory")).await?;
    // Of another session, of no id, of another type, doubled, and too late.
    pair.gateway.wait_for_log(|log| log.matches("an answer came to no open question").count() == 5).await?;
    assert_eq!(pair.fixture.stats().calls.get("test_input_required_result_elicitation"), Some(&1));
    pair.gateway.wait_for_log(|log| log.matches("question stray").count() == 5).await?;
    Ok(())
}

#[tokio::test]
async fn client_that_declared_nothing_is_not_asked_and_the_server_is_not_told_otherwise() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = pair(era).await?;
        let session = Session::open(&pair.endpoint(), "2025-11-25").await?;
        let (questions, answer) = converse(&session, "test_elicitation").await?;
        ensure!(questions.is_empty(), "{era:?} {questions:?}");
        refused(&answer)?;
        let declared = Session::open_with(&pair.endpoint(), "2025-11-25", everything()).await?;
        // A client that takes no stream cannot be asked, whatever it declared.
        let call = json!({ "name": "test_elicitation", "arguments": { "message": "Who?" } });
        let json_only = declared.request(1, "tools/call", call).replace("accept", "application/json");
        refused(&json_only.send().await?.message()?)?;
        assert_eq!(pair.fixture.stats().calls.get("test_elicitation"), Some(&2), "the server was asked");
        for message in messages(&pair.fixture) {
            ensure!(!declares(&message, "elicitation"), "{era:?} {message}");
        }
        let able = Session::open_with(&pair.endpoint(), "2025-11-25", everything()).await?;
        let (questions, _) = converse(&able, "test_elicitation").await?;
        assert_eq!(questions.len(), 1, "{era:?}: who declared it and takes a stream is asked");
    }
    Ok(())
}

#[tokio::test]
async fn streaming_or_sessions_off_means_that_no_server_sees_the_capability() -> Result<()> {
    for settings in [
        "    inbound: none\n    streaming: true\n    sessions: off\n",
        "    inbound: none\n    streaming: false\n    sessions: {}\n",
    ] {
        let fixture = FixtureServer::start(Era::Dual).await?;
        let gateway = Gateway::start(&corp_with(settings, &[plain("fixture", &fixture.url())])).await?;
        listed(&gateway.endpoint("corp"), &["test_simple_text"]).await?;
        let session = Session::open_with(&gateway.endpoint("corp"), "2025-11-25", everything()).await?;
        let answer =
            session.call("tools/call", json!({ "name": "test_elicitation", "arguments": {} })).await?;
        refused(&answer.message()?)?;
        assert_eq!(fixture.stats().calls.get("test_elicitation"), Some(&1), "the server was asked");
        for message in messages(&fixture) {
            ensure!(!declares(&message, "elicitation"), "{message}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn sampling_is_off_unless_the_target_may() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let session = Session::open_with(&pair.endpoint(), "2025-11-25", everything()).await?;
        let modern = Modern::with(&pair.endpoint(), everything());
        for (questions, answer) in
            [converse(&session, "test_sampling").await?, converse_modern(&modern, "test_sampling").await?]
        {
            ensure!(questions.is_empty(), "{era:?} {questions:?}");
            refused(&answer)?;
        }
        assert_eq!(pair.fixture.stats().calls.get("test_sampling"), Some(&2), "the server was asked");
        let arrived = messages(&pair.fixture);
        ensure!(arrived.iter().any(|message| declares(message, "elicitation")), "{era:?}");
        ensure!(!arrived.iter().any(|message| declares(message, "sampling")), "{era:?}");
    }
    Ok(())
}

/// A call of a modern client that waits, and what it takes to go on.
async fn parked(client: &Modern) -> Result<Value> {
    let params = json!({ "name": "test_input_required_result_elicitation", "arguments": {} });
    let result = client.call("tools/call", params.clone()).await?.result()?;
    assert_eq!(result["resultType"], "input_required", "{result}");
    let entries = result["inputRequests"].as_object().context("no requests")?;
    let key = entries.keys().next().context("no request")?;
    let mut params = params;
    params["requestState"] = result["requestState"].clone();
    params["inputResponses"] = json!({ key: { "action": "accept", "content": { "name": "Alice" } } });
    Ok(params)
}

#[tokio::test]
async fn parked_call_runs_once_whatever_its_client_does() -> Result<()> {
    let pair = pair(Era::Legacy).await?;
    let client = Modern::with(&pair.endpoint(), everything());
    let runs = || pair.fixture.stats().calls.get("test_input_required_result_elicitation").copied();
    let params = parked(&client).await?;
    assert_eq!(runs(), Some(1));
    // Nothing of this opens the call, or begins another.
    let mut tampered = params.clone();
    tampered["requestState"] = json!(format!("{}x", params["requestState"].as_str().unwrap_or_default()));
    let mut other = params.clone();
    other["arguments"] = json!({ "x": 1 });
    let mut stateless = params.clone();
    stateless.as_object_mut().context("params")?.remove("requestState");
    let mut elsewhere = params.clone();
    elsewhere["name"] = json!("test_elicitation");
    let mut odd = params.clone();
    odd["requestState"] = json!(7);
    for wrong in [tampered, other, stateless, elsewhere, odd] {
        assert_eq!(client.call("tools/call", wrong.clone()).await?.error_code()?, -32602, "{wrong}");
    }
    assert_eq!(runs(), Some(1));
    // An answer that is missing, or does not fit, is asked for again, under a new state.
    let mut params = params;
    for odd in [
        json!({}),
        json!({ "question-1": 7 }),
        json!({ "question-1": { "action": "accept", "content": {} } }),
    ] {
        let mut again = params.clone();
        again["inputResponses"] = odd;
        let result = client.call("tools/call", again).await?.result()?;
        assert_eq!(result["resultType"], "input_required", "{result}");
        assert_eq!(
            client.call("tools/call", params.clone()).await?.error_code()?,
            -32602,
            "a state opens once"
        );
        params["requestState"] = result["requestState"].clone();
    }
    let both =
        tokio::join!(client.call("tools/call", params.clone()), client.call("tools/call", params.clone()));
    let answers = [both.0?.message()?, both.1?.message()?];
    let done = answers.iter().filter(|answer| text(&answer["result"]) == "Hello, Alice!").count();
    let refused = answers.iter().filter(|answer| answer["error"]["code"] == -32602).count();
    assert_eq!((done, refused), (1, 1), "{answers:?}");
    assert_eq!(client.call("tools/call", params).await?.error_code()?, -32602);
    assert_eq!(runs(), Some(1));
    Ok(())
}

#[tokio::test]
async fn parked_call_is_its_principals_own() -> Result<()> {
    const AUDIENCE: &str = "https://mcp.example.test/corp/mcp";
    let idp = Idp::start().await?;
    let settings = format!(
        "    inbound: {{ jwt: {{ issuer: \"{}\", jwks_uri: \"{}\", audiences: [\"{AUDIENCE}\"] }} }}\n    streaming: true\n    sessions: {{}}\n",
        idp.issuer(),
        idp.jwks_uri()
    );
    let fixture = FixtureServer::start(Era::Legacy).await?;
    let gateway = Gateway::start(&corp_with(&settings, &[plain("fixture", &fixture.url())])).await?;
    let of = |name: &str| {
        Modern::with(&gateway.endpoint("corp").as_bearer(&idp.token(name, AUDIENCE)), everything())
    };
    let (alice, bob) = (of("alice"), of("bob"));
    listed(&gateway.endpoint("corp").as_bearer(&idp.token("alice", AUDIENCE)), &["greet"]).await?;
    let params = parked(&alice).await?;
    assert_eq!(bob.call("tools/call", params.clone()).await?.error_code()?, -32602);
    let result = alice.call("tools/call", params).await?.result()?;
    assert_eq!(text(&result), "Hello, Alice!", "the owner was not disturbed");
    Ok(())
}

#[tokio::test]
async fn parked_call_is_given_up_in_time_and_its_server_is_told() -> Result<()> {
    let pair = pair_with(Era::Legacy, "limits: { question_timeout: 1s }\n").await?;
    let client = Modern::with(&pair.endpoint(), everything());
    let params = parked(&client).await?;
    let cancelled = || async {
        let arrived = messages(&pair.fixture);
        let told = arrived.iter().any(|message| message["result"]["action"] == "cancel");
        let ended = arrived.iter().any(|message| message["method"] == "notifications/cancelled");
        Ok((told && ended).then_some(()))
    };
    eventually("the server is told", cancelled).await?;
    assert_eq!(client.call("tools/call", params).await?.error_code()?, -32602);
    let calls = pair.fixture.stats().calls.get("test_input_required_result_elicitation").copied();
    assert_eq!(calls, Some(1));
    pair.gateway.wait_for_log(|log| audit::reactions(log, "tools/call") == ["expired", "stray"]).await
}

#[tokio::test]
async fn parks_are_bounded_and_the_question_is_then_dismissed() -> Result<()> {
    let pair = pair_with(Era::Legacy, "limits: { parks: 2 }\n").await?;
    let client = Modern::with(&pair.endpoint(), everything());
    let (first, _second) = (parked(&client).await?, parked(&client).await?);
    let params = json!({ "name": "test_elicitation", "arguments": { "message": "Who?" } });
    let result = client.call("tools/call", params.clone()).await?.result()?;
    ensure!(text(&result).contains("action=cancel"), "{result}");
    client.call("tools/call", first).await?.result()?;
    let result = client.call("tools/call", params).await?.result()?;
    assert_eq!(result["resultType"], "input_required", "a place is free again");
    Ok(())
}

#[tokio::test]
async fn capabilities_of_one_request_are_not_those_of_another() -> Result<()> {
    let pair = pair(Era::Legacy).await?;
    let able = Modern::with(&pair.endpoint(), everything());
    let unable = Modern::new(&pair.endpoint());
    let (questions, _) = converse_modern(&able, "test_elicitation").await?;
    assert_eq!(questions.len(), 1);
    let (questions, answer) = converse_modern(&unable, "test_elicitation").await?;
    ensure!(questions.is_empty(), "{answer}");
    ensure!(answer["result"]["isError"] == true, "{answer}");
    Ok(())
}

#[tokio::test]
async fn children_ask_too() -> Result<()> {
    for era in ["legacy", "modern"] {
        let script = format!("exec {} --era {era} --stdio", tools::fixture_binary().display());
        let quoted = serde_json::to_string(&script)?;
        let settings =
            format!("mcp: {{ command: sh, args: [\"-c\", {quoted}] }}, prefix: none, sampling: {{}}");
        let gateway = Gateway::start(&corp(&[target("child", &settings)])).await?;
        let endpoint = gateway.endpoint("corp");
        listed(&endpoint, &["greet"]).await?;
        let session = Session::open_with(&endpoint, "2025-11-25", everything()).await?;
        let modern = Modern::with(&endpoint, everything());
        for (questions, answer) in [
            converse(&session, "test_input_required_result_multiple_inputs").await?,
            converse_modern(&modern, "test_input_required_result_multiple_inputs").await?,
        ] {
            assert_eq!(questions.len(), 3, "{era} {answer}");
            ensure!(text(&answer["result"]).contains("Alice"), "{era} {answer}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn servers_on_http_and_sse_ask_too() -> Result<()> {
    let fixture = FixtureServer::start(Era::Legacy).await?;
    let settings = format!("mcp: {{ url: \"{}\" }}, prefix: none, sampling: {{}}", fixture.sse_url());
    let gateway = Gateway::start(&corp(&[target("old", &settings)])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["greet"]).await?;
    let session = Session::open_with(&endpoint, "2025-11-25", everything()).await?;
    let (questions, answer) = converse(&session, "test_input_required_result_elicitation").await?;
    assert_eq!((questions.len(), text(&answer["result"])), (1, "Hello, Alice!"));
    let modern = Modern::with(&endpoint, everything());
    let (questions, answer) = converse_modern(&modern, "test_input_required_result_elicitation").await?;
    assert_eq!((questions.len(), text(&answer["result"])), (1, "Hello, Alice!"));
    Ok(())
}

#[tokio::test]
async fn static_roots_are_told_without_the_client() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let fixture = FixtureServer::start(era).await?;
        let settings =
            format!("mcp: {{ url: \"{}\" }}, prefix: none, roots: [\"file:///srv/docs\"]", fixture.url());
        let gateway = Gateway::start(&corp(&[target("fixture", &settings)])).await?;
        listed(&gateway.endpoint("corp"), &["greet"]).await?;
        let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
        let modern = Modern::new(&gateway.endpoint("corp"));
        for (questions, answer) in [
            converse(&session, "test_input_required_result_list_roots").await?,
            converse_modern(&modern, "test_input_required_result_list_roots").await?,
        ] {
            ensure!(questions.is_empty(), "{era:?} {questions:?}");
            ensure!(text(&answer["result"]).contains("file:///srv/docs"), "{era:?} {answer}");
        }
    }
    Ok(())
}

fn question(id: u64, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

fn done() -> String {
    r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"done"}]}}"#.to_owned()
}

async fn in_front_of(hostile: &Hostile, settings: &str) -> Result<Gateway> {
    let settings = format!("    inbound: none\n    streaming: true\n    sessions: {{}}\n{settings}");
    let gateway = Gateway::start(&corp_with(&settings, &[plain("bad", &hostile.url())])).await?;
    listed(&gateway.endpoint("corp"), &["ask"]).await?;
    Ok(gateway)
}

#[tokio::test]
async fn dangerous_questions_reach_nobody() -> Result<()> {
    let secret = json!({ "message": "Log in", "requestedSchema": { "type": "object", "properties": { "apiKey": { "type": "string" } } } });
    let address = |url: &str| json!({ "mode": "url", "message": "Go", "elicitationId": "e", "url": url });
    let dangerous = [
        secret,
        address("javascript:alert(1)"),
        address("data:text/html,x"),
        address("file:///etc/passwd"),
        address("https://user@example.com/"),
        address("https://example.com/\r\nx: y"),
        address("http://127.0.0.1/"),
        address("http://example.com/"),
    ];
    let mut events: Vec<_> = dangerous
        .iter()
        .enumerate()
        .map(|(id, params)| question(id as u64, "elicitation/create", params))
        .collect();
    events.push(done());
    let hostile = Hostile::legacy().tool("ask", Behaviour::Events(events)).start().await?;
    let gateway = in_front_of(&hostile, "").await?;
    let session = Session::open_with(&gateway.endpoint("corp"), "2025-11-25", everything()).await?;
    let (questions, answer) = converse(&session, "ask").await?;
    assert_eq!((questions.len(), text(&answer["result"])), (0, "done"), "{questions:?}");
    let declined = || async {
        let arrivals = hostile.ledger().arrivals();
        let declined = arrivals.iter().filter(|seen| seen.body.contains("\"action\":\"decline\"")).count();
        Ok((declined == dangerous.len()).then_some(()))
    };
    eventually("the server learns that each was declined", declined).await
}

#[tokio::test]
async fn server_that_asks_without_end_is_cut() -> Result<()> {
    let params = json!({ "message": "?", "requestedSchema": { "type": "object", "properties": {} } });
    let events = (0..10_000).map(|id| question(id, "elicitation/create", &params)).collect();
    let hostile = Hostile::legacy().tool("ask", Behaviour::EventsThenSilence(events)).start().await?;
    let gateway = in_front_of(&hostile, "").await?;
    let session = Session::open_with(&gateway.endpoint("corp"), "2025-11-25", everything()).await?;
    let mut stream = begin(&session, 1, "ask").await?;
    let mut questions = 0;
    let answer = loop {
        let message = stream.message().await?.context("the stream ended")?;
        if message.get("error").is_some() {
            break message;
        }
        questions += 1;
    };
    assert_eq!((questions, &answer["error"]["code"]), (100, &json!(1502)), "{answer}");
    Ok(())
}

#[tokio::test]
async fn modern_client_learns_which_capability_the_server_needs() -> Result<()> {
    let params = json!({ "message": "?", "requestedSchema": { "type": "object", "properties": {} } });
    let events = vec![question(1, "elicitation/create", &params)];
    let hostile = Hostile::legacy().tool("ask", Behaviour::EventsThenSilence(events)).start().await?;
    let gateway = in_front_of(&hostile, "").await?;
    let reply = Modern::new(&gateway.endpoint("corp")).call("tools/call", json!({ "name": "ask" })).await?;
    let answer = reply.message()?;
    assert_eq!((reply.status, &answer["error"]["code"]), (400, &json!(-32021)), "{answer}");
    assert_eq!(answer["error"]["data"]["requiredCapabilities"], json!({ "elicitation": { "form": {} } }));
    Ok(())
}

#[tokio::test]
async fn url_exception_is_a_question_to_a_modern_client_and_itself_to_a_legacy_one() -> Result<()> {
    let elicitation = json!({ "mode": "url", "elicitationId": "e1", "url": "https://consent.example/x", "message": "Consent" });
    let error =
        json!({ "code": -32042, "message": "visit first", "data": { "elicitations": [elicitation] } });
    let turns = Behaviour::sequence(vec![
        Behaviour::Error(error.to_string()),
        Behaviour::Result(r#"{"content":[{"type":"text","text":"done"}]}"#.to_owned()),
    ]);
    let hostile = Hostile::legacy()
        .tool("ask", turns)
        .tool("always", Behaviour::Error(error.to_string()))
        .start()
        .await?;
    let gateway = in_front_of(&hostile, "").await?;
    let client = Modern::with(&gateway.endpoint("corp"), everything());
    let result = client.call("tools/call", json!({ "name": "ask" })).await?.result()?;
    let (key, entry) =
        result["inputRequests"].as_object().and_then(|all| all.iter().next()).context("no request")?;
    assert_eq!((&entry["params"]["mode"], entry["params"].get("elicitationId")), (&json!("url"), None));
    assert_eq!(entry["params"]["message"], "[bad] Consent");
    let retry = |action: &str| {
        json!({
            "name": "ask", "requestState": result["requestState"], "inputResponses": { key: { "action": action } },
        })
    };
    assert_eq!(client.call("tools/call", retry("decline")).await?.error_code()?, -32602);
    assert_eq!(text(&client.call("tools/call", retry("accept")).await?.result()?), "done");
    let session = Session::open_with(&gateway.endpoint("corp"), "2025-11-25", everything()).await?;
    let answer = session.call("tools/call", json!({ "name": "always" })).await?.message()?;
    assert_eq!(answer["error"]["code"], -32042);
    assert_eq!(answer["error"]["data"]["elicitations"][0]["message"], "[bad] Consent");
    assert_eq!(answer["error"]["data"]["elicitations"][0]["elicitationId"], "e1");
    let unable = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let code = unable.call("tools/call", json!({ "name": "always" })).await?.error_code()?;
    assert_eq!(code, 1502, "who cannot be asked is not");
    Ok(())
}

#[tokio::test]
async fn input_required_where_it_is_not_allowed_is_cut() -> Result<()> {
    let asks = r#"{"resultType":"input_required","inputRequests":{"k":{"method":"tools/call","params":{}}}}"#;
    let roots = r#"{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}}}"#;
    let hostile = Hostile::modern()
        .tool("ask", Behaviour::Result(asks.to_owned()))
        .method("completion/complete", Behaviour::Result(roots.to_owned()))
        .start()
        .await?;
    let gateway = in_front_of(&hostile, "").await?;
    let client = Modern::with(&gateway.endpoint("corp"), everything());
    assert_eq!(client.call("tools/call", json!({ "name": "ask" })).await?.error_code()?, 1502);
    let session = Session::open_with(&gateway.endpoint("corp"), "2025-11-25", everything()).await?;
    assert_eq!(session.call("tools/call", json!({ "name": "ask" })).await?.error_code()?, 1502);
    Ok(())
}

#[tokio::test]
async fn every_question_is_recorded_with_what_became_of_it() -> Result<()> {
    let pair = pair_with(Era::Legacy, "limits: { question_timeout: 1s }\n").await?;
    let session = Session::open_with(&pair.endpoint(), "2025-11-25", everything()).await?;
    let mut declined = begin(&session, 1, "test_elicitation").await?;
    let question = asked(&mut declined).await?;
    give(&session, &question, json!({ "action": "decline" })).await?;
    declined.finish().await?;
    let mut unanswered = begin(&session, 2, "test_elicitation").await?;
    asked(&mut unanswered).await?;
    let result = unanswered.message().await?.context("no answer")?;
    ensure!(text(&result["result"]).contains("action=cancel"), "{result}");
    pair.gateway.wait_for_log(|log| audit::reactions(log, "tools/call") == ["declined", "expired"]).await
}
