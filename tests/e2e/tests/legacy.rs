//! What a legacy client (2025-03-26 to 2025-11-25) sees over Streamable HTTP.

use anyhow::{Result, ensure};
use e2e::{Pair, corp, corp_with, eventually, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::{LEGACY_VERSIONS, MODERN, Modern, Session, notification, request};
use testkit::fixture::{Era, FixtureServer};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Gate, Hostile};

#[tokio::test]
async fn each_legacy_version_is_answered_with_itself() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    for version in LEGACY_VERSIONS {
        let session = Session::open(&pair.endpoint(), version).await?;
        assert_eq!(session.version, *version);
        assert!(session.id.is_some(), "{version}");
        assert_eq!(
            text(&session.tool("test_simple_text", json!({})).await?),
            "This is a simple text response for testing."
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_version_that_is_not_legacy_is_answered_with_the_newest_legacy_one() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    for asked in [MODERN, "1999-01-01", "2099-12-31"] {
        let reply = pair.endpoint().post(Session::initialize(asked, json!({}))).send().await?;
        assert_eq!(reply.result()?["protocolVersion"], "2025-11-25", "asked for {asked}");
    }
    Ok(())
}

#[tokio::test]
async fn who_likes_a_stream_best_gets_one() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let liking = "application/json;q=0.9, text/event-stream";
    let hello = pair.endpoint().post(Session::initialize("2025-11-25", json!({})));
    let hello = hello.replace("accept", liking).send().await?;
    assert_eq!((hello.is_stream(), hello.result()?["protocolVersion"].as_str()), (true, Some("2025-11-25")));
    let session = pair.session().await?;
    let listed = session.request(1, "tools/list", json!({})).replace("accept", liking).send().await?;
    assert_eq!((listed.status, listed.is_stream(), listed.events().len()), (200, true, 1));
    ensure!(listed.result()?["tools"].is_array(), "{}", listed.text());
    Ok(())
}

#[tokio::test]
async fn only_what_works_is_advertised() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let capabilities = pair.session().await?.initialized["capabilities"].clone();
    for works in ["tools", "prompts", "resources", "completions", "logging"] {
        assert!(capabilities.get(works).is_some(), "{works} in {capabilities}");
    }
    // The server has tasks of the other kind, which are told of in this client's words. There is no list of them.
    let tasks = json!({ "requests": { "tools": { "call": {} } }, "cancel": {} });
    assert_eq!(capabilities["tasks"], tasks, "{capabilities}");
    Ok(())
}

#[tokio::test]
async fn instructions_reach_the_client() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let settings =
        "    inbound: none\n    streaming: true\n    sessions: {}\n    instructions: Ask nicely.\n";
    let gateway = Gateway::start(&corp_with(settings, &[plain("fixture", &fixture.url())])).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let instructions = session.initialized["instructions"].as_str().unwrap_or_default();
    ensure!(instructions.contains("Ask nicely."), "{instructions}");
    Ok(())
}

#[tokio::test]
async fn every_kind_of_content_passes_from_every_era() -> Result<()> {
    for era in [Era::Dual, Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let session = pair.session().await?;
        let kinds = [
            ("test_simple_text", "text"),
            ("test_image_content", "image"),
            ("test_audio_content", "audio"),
            ("test_embedded_resource", "resource"),
        ];
        for (tool, kind) in kinds {
            let result = session.tool(tool, json!({})).await?;
            assert_eq!(result["content"][0]["type"], kind, "{tool} from {era:?}");
        }
        let error = session.tool("test_error_handling", json!({})).await?;
        assert_eq!(error["isError"], true, "{era:?}");
        let echo = session.tool("fixture_echo", json!({"big": 9_007_199_254_740_993_u64, "ä": "ß"})).await?;
        assert_eq!(echo["structuredContent"], json!({"big": 9_007_199_254_740_993_u64, "ä": "ß"}), "{era:?}");
    }
    Ok(())
}

#[tokio::test]
async fn prompts_resources_and_completion_pass_from_every_era() -> Result<()> {
    for era in [Era::Dual, Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let session = pair.session().await?;
        let arguments = json!({"arg1": "hello", "arg2": "world"});
        let prompt = session
            .call("prompts/get", json!({"name": "test_prompt_with_arguments", "arguments": arguments}))
            .await?
            .result()?;
        assert_eq!(
            prompt["messages"][0]["content"]["text"],
            "Prompt with arguments: arg1='hello', arg2='world'"
        );
        let read = session.call("resources/read", json!({"uri": "test://static-binary"})).await?.result()?;
        assert_eq!(read["contents"][0]["mimeType"], "image/png");
        let templated =
            session.call("resources/read", json!({"uri": "test://template/42/data"})).await?.result()?;
        ensure!(
            templated["contents"][0]["text"].as_str().is_some_and(|text| text.contains("\"42\"")),
            "{templated}"
        );
        let templates = session.call("resources/templates/list", json!({})).await?.result()?;
        assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "test://template/{id}/data");
        let asked = json!({
            "ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"},
            "argument": {"name": "arg1", "value": "par"},
        });
        let completion = session.call("completion/complete", asked).await?.result()?;
        assert_eq!(completion["completion"]["values"], json!(["paris", "park", "party"]), "{era:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_missing_resource_has_the_legacy_code() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let reply =
            pair.session().await?.call("resources/read", json!({"uri": "test://no-such-thing"})).await?;
        assert_eq!((reply.status, reply.error_code()?), (200, -32002), "{era:?}");
    }
    Ok(())
}

#[tokio::test]
async fn unknown_tools_and_methods_are_errors_with_http_200() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    let tool = session.call("tools/call", json!({"name": "no_such_tool", "arguments": {}})).await?;
    assert_eq!((tool.status, tool.error_code()?), (200, -32602));
    let prompt = session.call("prompts/get", json!({"name": "no_such_prompt"})).await?;
    assert_eq!((prompt.status, prompt.error_code()?), (200, -32602));
    let method = session.call("no/such/method", json!({})).await?;
    assert_eq!((method.status, method.error_code()?), (200, -32601));
    Ok(())
}

#[tokio::test]
async fn ping_is_answered_with_an_empty_object() -> Result<()> {
    let pair = Pair::start(Era::Modern).await?;
    assert_eq!(pair.session().await?.call("ping", json!({})).await?.result()?, json!({}));
    Ok(())
}

#[tokio::test]
async fn ids_keep_their_type_and_spelling() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    for id in [json!(0), json!(9_007_199_254_740_993_u64), json!("7"), json!(""), json!("ü\"\\")] {
        let reply = session.request(id.clone(), "ping", json!({})).send().await?;
        assert_eq!(reply.message()?["id"], id);
    }
    Ok(())
}

#[tokio::test]
async fn progress_arrives_while_the_call_runs() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let session = pair.session().await?;
        for token in [json!("token-a"), json!(41)] {
            let params = json!({
                "name": "fixture_slow",
                "arguments": {"steps": 3, "step_ms": 30},
                "_meta": {"progressToken": token},
            });
            let mut stream = session.request(1, "tools/call", params).open().await?;
            let mut progress = Vec::new();
            let result = loop {
                let message = stream.message().await?.ok_or_else(|| anyhow::anyhow!("ended early"))?;
                if message["method"] != "notifications/progress" {
                    break message;
                }
                assert_eq!(message["params"]["progressToken"], token, "{era:?}");
                progress.push(message["params"]["progress"].as_f64().unwrap_or(-1.0));
            };
            assert_eq!(progress, [0.0, 50.0, 100.0], "{era:?}");
            assert_eq!(text(&result["result"]), "done after 3 steps");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_first_progress_does_not_wait_for_the_result() -> Result<()> {
    let gate = Gate::default();
    let message = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{token},"progress":1}}"#;
    let backend = Hostile::modern()
        .tool("watched", Behaviour::EventsThenSilence(vec![message.to_owned()]))
        .tool("other", Behaviour::text("other").held(&gate))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["watched"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let params = json!({"name": "watched", "arguments": {}, "_meta": {"progressToken": "p"}});
    let mut stream = session.request(1, "tools/call", params).open().await?;
    let progress = stream.until("notifications/progress").await?;
    assert_eq!(progress["params"]["progressToken"], "p");
    Ok(())
}

#[tokio::test]
async fn log_messages_follow_the_level_of_the_session() -> Result<()> {
    let note = |level: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":"x"}}}}"#
        )
    };
    let done = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[]}}"#.to_owned();
    let events = vec![note("debug"), note("info"), note("error"), done];
    let backend = Hostile::legacy()
        .capabilities(json!({"tools": {}, "logging": {}}))
        .method("logging/setLevel", Behaviour::Result("{}".to_owned()))
        .tool("test_tool_with_logging", Behaviour::Events(events))
        .start()
        .await?;
    let fixture = FixtureServer::start(Era::Modern).await?;
    for url in [backend.url(), fixture.url()] {
        let gateway = Gateway::start(&corp(&[plain("backend", &url)])).await?;
        listed(&gateway.endpoint("corp"), &["test_tool_with_logging"]).await?;
        let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
        let call = json!({"name": "test_tool_with_logging", "arguments": {}});
        session.call("logging/setLevel", json!({"level": "debug"})).await?.result()?;
        assert_eq!(logged(&session, &call).await?, 3, "{url} at debug");
        session.call("logging/setLevel", json!({"level": "emergency"})).await?.result()?;
        assert_eq!(logged(&session, &call).await?, 0, "{url} at emergency");
        assert_eq!(session.call("logging/setLevel", json!({"level": "loud"})).await?.error_code()?, -32602);
    }
    Ok(())
}

async fn logged(session: &Session, call: &Value) -> Result<usize> {
    let messages = session.call("tools/call", call.clone()).await?.messages()?;
    Ok(messages.iter().filter(|message| message["method"] == "notifications/message").count())
}

#[tokio::test]
async fn a_client_that_takes_only_json_gets_one_json_body() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let params = json!({"name": "fixture_slow", "arguments": {"steps": 2}, "_meta": {"progressToken": 1}});
    let call = pair.session().await?.request(1, "tools/call", params).replace("accept", "application/json");
    let reply = call.send().await?;
    assert!(!reply.is_stream());
    assert_eq!(text(&reply.result()?), "done after 2 steps");
    Ok(())
}

#[tokio::test]
async fn without_streaming_every_answer_is_json_and_get_is_refused() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let settings = "    inbound: none\n    streaming: false\n    sessions: {}\n";
    let gateway = Gateway::start(&corp_with(settings, &[plain("fixture", &fixture.url())])).await?;
    listed(&gateway.endpoint("corp"), &["fixture_slow"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let params = json!({"name": "fixture_slow", "arguments": {"steps": 2}, "_meta": {"progressToken": 1}});
    let reply = session.call("tools/call", params).await?;
    assert!(!reply.is_stream());
    assert_eq!(text(&reply.result()?), "done after 2 steps");
    assert_eq!(session.stream().send().await?.status, 405);
    Ok(())
}

#[tokio::test]
async fn notifications_and_unasked_answers_get_202_and_no_body() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    let unasked = json!({"jsonrpc": "2.0", "id": "never-asked", "result": {}});
    let bodies = [
        notification("notifications/initialized", json!({})),
        notification("notifications/roots/list_changed", json!({})),
        notification("notifications/we_have_never_heard_of", json!({})),
        unasked,
    ];
    for body in bodies {
        let reply = session.post(&body).send().await?;
        assert_eq!((reply.status, reply.text().as_str()), (202, ""), "{body}");
    }
    Ok(())
}

#[tokio::test]
async fn batches_belong_to_2025_03_26_alone() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let batch = json!([
        request("a", "ping", json!({})),
        notification("notifications/initialized", json!({})),
        request("b", "tools/call", json!({"name": "greet", "arguments": {"name": "B"}})),
        request("c", "no/such/method", json!({})),
    ]);
    let old = Session::open(&pair.endpoint(), "2025-03-26").await?;
    let reply = old.post(&batch).send().await?;
    let messages = reply.messages()?;
    let answers: Vec<Value> = match messages.as_slice() {
        [Value::Array(answers)] => answers.clone(),
        answers => answers.to_vec(),
    };
    let of = |id: &str| answers.iter().find(|answer| answer["id"] == id).cloned().unwrap_or_default();
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert_eq!(of("a")["result"], json!({}));
    assert_eq!(text(&of("b")["result"]), "Hello, B!");
    assert_eq!(of("c")["error"]["code"], -32601);

    let silent = old.post(json!([notification("notifications/initialized", json!({}))])).send().await?;
    assert_eq!((silent.status, silent.text().as_str()), (202, ""));
    assert_eq!(old.post("[]").send().await?.status, 400);
    let nested = json!([Session::initialize("2025-03-26", json!({})), request(1, "ping", json!({}))]);
    let opening = pair.endpoint().post(&nested).send().await?;
    assert_eq!(opening.status, 400, "initialize is never part of a batch");

    for version in ["2025-06-18", "2025-11-25"] {
        let newer = Session::open(&pair.endpoint(), version).await?;
        assert_eq!(newer.post(&batch).send().await?.status, 400, "{version}");
    }
    Ok(())
}

#[tokio::test]
async fn cancelling_reaches_the_backend() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let pair = Pair::start(era).await?;
        let session = pair.session().await?;
        let params = json!({
            "name": "fixture_slow",
            "arguments": {"steps": 100_000, "step_ms": 20},
            "_meta": {"progressToken": "p"},
        });
        let mut stream = session.request("slow", "tools/call", params).open().await?;
        stream.until("notifications/progress").await?;
        session.notify("notifications/cancelled", json!({"requestId": "slow", "reason": "enough"})).await?;
        eventually("the backend's call is cancelled", || async {
            Ok((pair.fixture.stats().cancelled == 1).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_cancel() -> Result<()> {
    let gate = Gate::default();
    let backend = Hostile::modern()
        .tool("held", Behaviour::text("done").held(&gate))
        .tool("quick", Behaviour::text("quick"))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["held"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let held = session.request(1, "tools/call", json!({"name": "held", "arguments": {}}));
    let leaving = tokio::spawn(async move { held.send().await });
    backend.ledger().wait_for(|ledger| ledger.calls("held").len() == 1).await?;
    leaving.abort();
    for _ in 0..20 {
        session.tool("quick", json!({})).await?;
    }
    assert_eq!(backend.ledger().hung_up(), 0, "a broken legacy stream is not a cancellation");
    gate.open();
    Ok(())
}

#[tokio::test]
async fn results_reach_the_client_byte_for_byte() -> Result<()> {
    let odd = r#"{"content":[{"type":"text","text":"\u00e9 \/ 1","unheard":1.50}],"structuredContent":{"z":1e2,"big":123456789012345678901234567890,"a":-0.0},"x-new":[1 , 2],"_meta":{"example.test/k":"v"}}"#;
    for backend in [Hostile::legacy(), Hostile::modern()] {
        let backend = backend.tool("odd", Behaviour::Result(odd.to_owned())).start().await?;
        let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
        listed(&gateway.endpoint("corp"), &["odd"]).await?;
        let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
        let answer = session.call("tools/call", json!({"name": "odd", "arguments": {}})).await?.text();
        let fragments = [
            r#"{"type":"text","text":"\u00e9 \/ 1","unheard":1.50}"#,
            r#"{"z":1e2,"big":123456789012345678901234567890,"a":-0.0}"#,
            r#""x-new":[1 , 2]"#,
            r#""example.test/k":"v""#,
        ];
        for fragment in fragments {
            ensure!(answer.contains(fragment), "{fragment} is missing in {answer}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn arguments_reach_the_backend_byte_for_byte() -> Result<()> {
    for backend in [Hostile::legacy(), Hostile::modern()] {
        let backend = backend.tool("take", Behaviour::text("taken")).start().await?;
        let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
        listed(&gateway.endpoint("corp"), &["take"]).await?;
        let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
        let odd = r#"{"z":1e2,"big":123456789012345678901234567890,"nested":{"a":[ ]},"t":"\u00e9"}"#;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"take","arguments":{odd},"x-new":7.0}}}}"#
        );
        session.post(body).send().await?.result()?;
        let arrived = backend.ledger().calls("take").pop().map(|arrival| arrival.body).unwrap_or_default();
        ensure!(arrived.contains(odd), "{arrived}");
        ensure!(arrived.contains(r#""x-new":7.0"#), "{arrived}");
    }
    Ok(())
}

#[tokio::test]
async fn two_clients_with_the_same_ids_and_tokens_do_not_meet() -> Result<()> {
    let pair = Pair::start(Era::Legacy).await?;
    let (first, second) = (pair.session().await?, pair.session().await?);
    let call = |session: &Session, steps: u64| {
        let params = json!({
            "name": "fixture_slow",
            "arguments": {"steps": steps, "step_ms": 10},
            "_meta": {"progressToken": "same"},
        });
        session.request("same", "tools/call", params)
    };
    let (first_call, second_call) = (call(&first, 4), call(&second, 7));
    let (first, second) = tokio::join!(first_call.send(), second_call.send());
    for (reply, steps) in [(first?, 4), (second?, 7)] {
        let messages = reply.messages()?;
        assert_eq!(messages.len(), steps + 1, "{steps} reports and one result");
        assert_eq!(text(&messages[steps]["result"]), format!("done after {steps} steps"));
    }
    Ok(())
}

#[tokio::test]
async fn one_gateway_is_also_at_the_short_path() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    let short = pair.endpoint().at("/mcp");
    assert_eq!(
        text(&Session::open(&short, "2025-11-25").await?.tool("greet", json!({"name": "M"})).await?),
        "Hello, M!"
    );
    assert_eq!(text(&Modern::new(&short).tool("greet", json!({"name": "M"})).await?), "Hello, M!");
    Ok(())
}
