//! What a client is told when a backend cannot, will not or must not answer.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{corp, listed, plain, target, text};
use serde_json::json;
use testkit::client::{Modern, Reply, Session};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Hostile};

/// Both eras on both sides: the tool's answer to a modern and to a legacy client.
async fn ask(builder: testkit::hostile::Builder, settings: &str) -> Result<Vec<Reply>> {
    let backend = builder.tool("healthy", Behaviour::text("healthy")).start().await?;
    let settings = format!("mcp: {{ url: \"{}\" }}, prefix: none{settings}", backend.url());
    let gateway = Gateway::start(&corp(&[target("backend", &settings)])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["bad", "healthy"]).await?;
    let call = json!({"name": "bad", "arguments": {}});
    let session = Session::open(&endpoint, "2025-11-25").await?;
    let replies = vec![
        Modern::new(&endpoint).call("tools/call", call.clone()).await?,
        session.call("tools/call", call).await?,
    ];
    assert_eq!(text(&Modern::new(&endpoint).tool("healthy", json!({})).await?), "healthy");
    assert_eq!(text(&session.tool("healthy", json!({})).await?), "healthy");
    Ok(replies)
}

async fn both(behaviour: Behaviour, settings: &str) -> Result<Vec<Reply>> {
    let mut replies = Vec::new();
    for backend in [Hostile::legacy(), Hostile::modern()] {
        replies.extend(ask(backend.tool("bad", behaviour.clone()), settings).await?);
    }
    Ok(replies)
}

#[tokio::test]
async fn an_error_of_the_backend_is_passed_on_as_it_is() -> Result<()> {
    let error = r#"{"code":-31999,"message":"the ledger is locked","data":{"retry":1.50,"who":"\u00e9"}}"#;
    for reply in both(Behaviour::Error(error.to_owned()), "").await? {
        assert_eq!(reply.status, 200);
        ensure!(reply.text().contains(r#""data":{"retry":1.50,"who":"\u00e9"}"#), "{}", reply.text());
        assert_eq!(
            (reply.error_code()?, reply.error_message()?),
            (-31999, "the ledger is locked".to_owned())
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_backend_that_hangs_up_is_unavailable() -> Result<()> {
    for behaviour in [Behaviour::HangUp, Behaviour::CutOff] {
        for reply in both(behaviour.clone(), "").await? {
            ensure!([1502, 1503].contains(&reply.error_code()?), "{behaviour:?}: {}", reply.text());
            ensure!(reply.error_message()?.contains("backend"), "it names the target: {}", reply.text());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_call_that_got_nowhere_is_not_repeated() -> Result<()> {
    let backend = Hostile::modern().tool("bad", Behaviour::HangUp).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["bad"]).await?;
    Modern::new(&gateway.endpoint("corp"))
        .call("tools/call", json!({"name": "bad", "arguments": {}}))
        .await?
        .error_code()?;
    assert_eq!(backend.ledger().calls("bad").len(), 1, "the tool may have run");
    Ok(())
}

#[tokio::test]
async fn silence_and_drips_time_out() -> Result<()> {
    let drip = Duration::from_millis(100);
    let cases = [
        (Behaviour::Silence, ", idle_timeout: 1s"),
        (Behaviour::EventsThenSilence(Vec::new()), ", idle_timeout: 1s"),
        (Behaviour::Drip(drip), ", call_timeout: 1s"),
        (Behaviour::DripHead(drip), ", call_timeout: 1s"),
    ];
    for (behaviour, settings) in cases {
        for reply in both(behaviour.clone(), settings).await? {
            assert_eq!((reply.status, reply.error_code()?), (200, 1504), "{behaviour:?}: {}", reply.text());
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_breaks_the_protocol_is_said_to() -> Result<()> {
    let cases = [
        Behaviour::body("{\"jsonrpc\":"),
        Behaviour::body("not json at all"),
        Behaviour::body("{\"hello\":1}"),
        Behaviour::body(r#"{"jsonrpc":"2.0","id":{id},"result":{},"error":{"code":1,"message":"x"}}"#),
        Behaviour::body(r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[]},"result":{"content":[]}}"#),
        Behaviour::body("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":[]}"),
        Behaviour::deep(100_000),
        Behaviour::Http(200, vec![("content-type".into(), "text/plain".into())], "hello".into()),
        Behaviour::compressed(),
        Behaviour::redirect(302, "http://127.0.0.1:1/"),
    ];
    for behaviour in cases {
        for reply in both(behaviour.clone(), ", idle_timeout: 2s").await? {
            ensure!([1502, 1413].contains(&reply.error_code()?), "{behaviour:?}: {}", reply.text());
            assert_eq!(reply.status, 200, "{behaviour:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_to_something_else_never_reaches_the_caller() -> Result<()> {
    let result = r#""result":{"content":[{"type":"text","text":"not yours"}]}"#;
    let cases = [
        Behaviour::body(&format!(r#"{{"jsonrpc":"2.0","id":987654321,{result}}}"#)),
        Behaviour::body(&format!(r#"{{"jsonrpc":"2.0","id":null,{result}}}"#)),
        Behaviour::body(&format!(r#"{{"jsonrpc":"2.0","id":[{{id}}],{result}}}"#)),
        Behaviour::Events(vec![format!(r#"{{"jsonrpc":"2.0","id":"{{id}}-other",{result}}}"#)]),
    ];
    for behaviour in cases {
        for reply in both(behaviour.clone(), ", idle_timeout: 1s").await? {
            ensure!(!reply.text().contains("not yours"), "{behaviour:?}: {}", reply.text());
            ensure!([1502, 1503, 1504].contains(&reply.error_code()?), "{behaviour:?}: {}", reply.text());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_second_answer_is_dropped() -> Result<()> {
    let answer = |text: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
        )
    };
    for reply in both(Behaviour::Events(vec![answer("first"), answer("second")]), "").await? {
        assert_eq!(text(&reply.result()?), "first");
        ensure!(!reply.text().contains("second"), "{}", reply.text());
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_by_name() -> Result<()> {
    for behaviour in [Behaviour::Large(3 << 20), Behaviour::LargeEvent(3 << 20), Behaviour::EndlessEvent] {
        let backend = Hostile::modern()
            .tool("bad", behaviour.clone())
            .tool("healthy", Behaviour::text("healthy"))
            .start()
            .await?;
        let sections =
            format!("limits: {{ upstream_event: 1MiB }}\n{}", corp(&[plain("backend", &backend.url())]));
        let gateway = Gateway::start(&sections).await?;
        let endpoint = gateway.endpoint("corp");
        listed(&endpoint, &["bad"]).await?;
        let session = Session::open(&endpoint, "2025-11-25").await?;
        let call = json!({"name": "bad", "arguments": {}});
        for reply in [
            Modern::new(&endpoint).call("tools/call", call.clone()).await?,
            session.call("tools/call", call).await?,
        ] {
            assert_eq!((reply.status, reply.error_code()?), (200, 1413), "{behaviour:?}");
        }
        assert_eq!(text(&session.tool("healthy", json!({})).await?), "healthy");
    }
    Ok(())
}

#[tokio::test]
async fn ten_mebibytes_pass() -> Result<()> {
    for behaviour in [Behaviour::Large(10 << 20), Behaviour::LargeEvent(10 << 20)] {
        for reply in both(behaviour, "").await? {
            assert_eq!(text(&reply.result()?).len(), 10 << 20);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_of_the_backend_does_not_look_like_ours() -> Result<()> {
    for behaviour in [Behaviour::unauthorized(), Behaviour::Http(403, Vec::new(), "no".into())] {
        for reply in both(behaviour.clone(), "").await? {
            assert_eq!(reply.status, 200, "{behaviour:?}");
            assert_eq!(reply.header("www-authenticate"), None);
            ensure!(reply.error_code()? >= 1000, "{}", reply.text());
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_error_page_is_a_sentence_to_the_client() -> Result<()> {
    for reply in both(Behaviour::error_page(), "").await? {
        ensure!([1502, 1503].contains(&reply.error_code()?), "{}", reply.text());
        ensure!(!reply.text().contains("<html>"), "{}", reply.text());
    }
    Ok(())
}

#[tokio::test]
async fn headers_only_the_gateway_may_set_are_not_the_backends_to_set() -> Result<()> {
    let forged = Behaviour::with_headers(&[
        ("mcp-session-id", "stolen"),
        ("set-cookie", "a=b"),
        ("www-authenticate", "Bearer"),
        ("x-internal", "secret"),
        ("access-control-allow-origin", "*"),
    ]);
    for reply in both(forged, "").await? {
        assert_eq!(text(&reply.result()?), "forged");
        for name in
            ["mcp-session-id", "set-cookie", "www-authenticate", "x-internal", "access-control-allow-origin"]
        {
            assert_eq!(reply.header(name), None, "{name}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_redirect_is_not_followed() -> Result<()> {
    let sink = Hostile::modern().start().await?;
    for status in [301, 302, 307, 308] {
        for reply in both(Behaviour::redirect(status, &sink.url()), "").await? {
            assert_eq!(reply.error_code()?, 1502, "{status}");
        }
    }
    ensure!(sink.ledger().arrivals().is_empty(), "{:?}", sink.ledger().arrivals());
    Ok(())
}

#[tokio::test]
async fn an_answer_in_an_array_is_taken_from_2025_03_26_servers() -> Result<()> {
    let array =
        r#"[{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"in an array"}]}}]"#;
    let replies = ask(Hostile::legacy().tool("bad", Behaviour::body(array)), "").await?;
    for reply in replies {
        assert_eq!(text(&reply.result()?), "in an array");
    }
    Ok(())
}

#[tokio::test]
async fn a_question_on_a_list_is_refused() -> Result<()> {
    let asks = json!({"resultType": "input_required", "inputRequests": {"x": {"method": "roots/list", "params": {}}}});
    let backend = Hostile::modern().method("tools/list", Behaviour::Result(asks.to_string())).start().await?;
    let good = Hostile::modern().tool("good", Behaviour::text("ok")).start().await?;
    let gateway = Gateway::start(&corp(&[plain("asks", &backend.url()), plain("good", &good.url())])).await?;
    gateway
        .wait_for_log(|log| {
            let refused =
                |line: &str| line.contains("cannot capture") && line.contains("\"target.name\":\"asks\"");
            log.lines().any(refused)
        })
        .await?;
    let names = listed(&gateway.endpoint("corp"), &["good"]).await?;
    assert_eq!(names, ["good"]);
    Ok(())
}
