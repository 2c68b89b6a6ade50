//! Bad input from clients and floods from backends: a clear answer, nothing forwarded, everybody else unharmed.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Pair, audit, corp, listed, plain, text};
use serde_json::json;
use testkit::client::{MODERN, Modern, Session, meta, raw_exchange, request};
use testkit::fixture::Era;
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Gate, Hostile};

const SILENCE: Duration = Duration::from_secs(5);

async fn still_works(pair: &mut Pair) -> Result<()> {
    assert_eq!(text(&pair.modern().tool("greet", json!({"name": "again"})).await?), "Hello, again!");
    ensure!(pair.gateway.is_alive());
    Ok(())
}

#[tokio::test]
async fn bodies_that_are_no_request_are_refused() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let session = pair.session().await?;
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{}{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let cases = [
        ("empty", "", -32700),
        ("not JSON", "hello", -32700),
        ("cut off", r#"{"jsonrpc":"2.0","id":1"#, -32700),
        ("BOM", "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", -32700),
        ("two values", r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#, -32700),
        ("no version", r#"{"id":1,"method":"ping"}"#, -32600),
        ("version 1.0", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        ("no method", r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        ("method of a wrong type", r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
        ("null id", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        ("fractional id", r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        ("object id", r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
        ("params as array", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, 0),
        ("duplicate method", r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#, -32600),
        (
            "duplicate deep inside",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":{"b":1,"b":2}}}"#,
            -32600,
        ),
        (
            "method in another case",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/list"}"#,
            -32600,
        ),
        ("a string", r#""ping""#, -32600),
        ("deep nesting", &deep, 0),
    ];
    for (what, body, code) in cases {
        let reply = session.post(body).send().await?;
        assert_eq!(reply.status, 400, "{what}: {}", reply.text());
        let found = reply.error_code()?;
        ensure!(
            if code == 0 { [-32700, -32600, -32602].contains(&found) } else { found == code },
            "{what}: {found}"
        );
    }
    still_works(&mut pair).await
}

#[tokio::test]
async fn a_name_that_is_written_twice_or_in_two_cases_is_refused_before_anything_is_forwarded() -> Result<()>
{
    let backend = Hostile::modern().tool("safe", Behaviour::text("ran")).start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["safe"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","name":"safe","arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","Name":"other","arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","arguments":{"a":1,"a":2}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","paramſ":{},"params":{"name":"safe"}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"na\\u006de\":\"safe\",\"name\":\"safe\"}}",
    ];
    for body in bodies {
        let reply = session.post(body).send().await?;
        assert_eq!((reply.status, reply.error_code()?), (400, -32600), "{body}: {}", reply.text());
    }
    assert_eq!(text(&session.tool("safe", json!({})).await?), "ran");
    assert_eq!(backend.ledger().calls("safe").len(), 1, "{:?}", backend.ledger().calls("safe"));
    Ok(())
}

#[tokio::test]
async fn variants_of_a_name_are_other_names() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let before = pair.fixture.stats().calls;
    let session = pair.session().await?;
    for name in [
        "Greet",
        "greet ",
        " greet",
        "greet\0",
        "greet%00",
        "gr%65et",
        "ｇreet",
        "greet\u{301}",
        "",
        "./greet",
    ] {
        let reply = session.call("tools/call", json!({"name": name, "arguments": {}})).await?;
        assert_eq!((reply.status, reply.error_code()?), (200, -32602), "{name:?}");
    }
    assert_eq!(pair.fixture.stats().calls, before);
    still_works(&mut pair).await
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_on_every_path() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let call = || pair.modern().request(1, "tools/list", json!({}));
    let own = pair.endpoint().address;
    for host in ["evil.test", "evil.test:80", "127.0.0.1.evil.test", ""] {
        let status = call().replace("host", host).send().await?.status;
        ensure!(status == 403 || status == 400 && host.is_empty(), "Host {host:?}: {status}");
    }
    let refused = [
        "http://evil.test".to_owned(),
        "null".to_owned(),
        format!("http://{own}.evil.test"),
        format!("http://user@{own}"),
        format!("ftp://{own}"),
        "garbage".to_owned(),
    ];
    for origin in refused {
        assert_eq!(call().header("origin", &origin).send().await?.status, 403, "Origin {origin}");
    }
    let twice = call().header("origin", format!("http://{own}")).header("origin", "http://evil.test");
    assert_eq!(twice.send().await?.status, 403, "two origins");
    assert_eq!(call().header("origin", format!("http://{own}")).send().await?.status, 200, "its own origin");
    for (verb, path) in
        [("GET", "/corp/mcp"), ("DELETE", "/corp/mcp"), ("OPTIONS", "/corp/mcp"), ("GET", "/corp/sse")]
    {
        let status =
            pair.endpoint().at(path).call(verb).header("origin", "http://evil.test").send().await?.status;
        assert_eq!(status, 403, "{verb} {path}");
    }
    still_works(&mut pair).await
}

#[tokio::test]
async fn with_a_public_url_only_its_exact_origin_is_a_friend() -> Result<()> {
    let fixture = testkit::fixture::FixtureServer::start(Era::Dual).await?;
    let site = corp(&[plain("fixture", &fixture.url())]);
    let gateway = Gateway::start(&format!("public_url: https://mcp.example.test\n{site}")).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    let status = |origin: &str| {
        let call = client.request(1, "tools/list", json!({}));
        let call = call.replace("host", "mcp.example.test").header("origin", origin);
        async move { anyhow::Ok(call.send().await?.status) }
    };
    for origin in ["https://mcp.example.test", "https://mcp.example.test:443", "HTTPS://MCP.example.test"] {
        assert_eq!(status(origin).await?, 200, "{origin}");
    }
    for origin in [
        "http://mcp.example.test",
        "https://mcp.example.test:444",
        "https://mcp.example.test.evil.test",
        "https://evil.mcp.example.test",
        "https://user@mcp.example.test",
        "http://localhost:3000",
        "null",
    ] {
        assert_eq!(status(origin).await?, 403, "{origin}");
    }
    Ok(())
}

#[tokio::test]
async fn wrong_media_types_are_refused() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let call = || pair.modern().request(1, "tools/list", json!({}));
    for kind in ["text/plain", "application/xml", "application/jsonx", ""] {
        assert_eq!(call().replace("content-type", kind).send().await?.status, 415, "{kind}");
    }
    assert_eq!(call().without("content-type").send().await?.status, 415);
    assert_eq!(call().replace("content-type", "Application/JSON; charset=utf-8").send().await?.status, 200);
    assert_eq!(call().header("content-encoding", "gzip").send().await?.status, 415);
    for accept in ["application/json;q=0.9, text/event-stream;q=0.8", "*/*"] {
        assert_eq!(call().replace("accept", accept).send().await?.status, 200, "{accept}");
    }
    still_works(&mut pair).await
}

#[tokio::test]
async fn a_body_over_the_bound_is_413() -> Result<()> {
    let fixture = testkit::fixture::FixtureServer::start(Era::Dual).await?;
    let sections =
        format!("limits: {{ request_body: 64KiB }}\n{}", corp(&[plain("fixture", &fixture.url())]));
    let gateway = Gateway::start(&sections).await?;
    let mut pair = Pair { fixture, gateway };
    listed(&pair.endpoint(), &["greet"]).await?;
    let large = json!({"name": "greet", "arguments": {"name": "x".repeat(100_000)}});
    let reply = pair.modern().request(1, "tools/call", large).send().await?;
    assert_eq!(reply.status, 413);
    ensure!(reply.error_code().is_ok(), "it has a JSON-RPC body: {}", reply.text());
    still_works(&mut pair).await
}

#[tokio::test]
async fn requests_with_two_meanings_are_refused_and_the_connection_closed() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let address = pair.endpoint().address;
    let smuggled = "POST /corp/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n";
    let head = "POST /corp/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    let cases = [
        (
            "length and chunks",
            format!("{head}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        ("two lengths", format!("{head}Content-Length: 6\r\nContent-Length: 5\r\n\r\n0\r\n\r\nX{smuggled}")),
        ("signed length", format!("{head}Content-Length: +5\r\n\r\nhello{smuggled}")),
        ("odd coding", format!("{head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}")),
        ("bad chunk size", format!("{head}Transfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n{smuggled}")),
        ("space before the colon", format!("{head}Content-Length : 5\r\n\r\nhello{smuggled}")),
        ("folded header", format!("{head}X-A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello{smuggled}")),
        ("bare CR in a header", format!("{head}X-A: b\rc: d\r\nContent-Length: 5\r\n\r\nhello{smuggled}")),
        ("NUL in a header", format!("{head}X-A: b\0c\r\nContent-Length: 5\r\n\r\nhello{smuggled}")),
    ];
    for (what, bytes) in cases {
        let answer = raw_exchange(address, bytes.as_bytes(), SILENCE).await?;
        let statuses: Vec<&str> = answer
            .match_indices("HTTP/1.1 ")
            .map(|(at, _)| &answer[at + 9..(at + 12).min(answer.len())])
            .collect();
        ensure!(statuses.len() <= 1, "{what}: one request, {} answers: {answer}", statuses.len());
        ensure!(statuses.iter().all(|status| status.starts_with('4')), "{what}: {answer}");
    }
    still_works(&mut pair).await?;
    let called: Vec<_> = pair.fixture.stats().calls.into_iter().collect();
    assert_eq!(called, [("greet".to_owned(), 1)], "nothing of this was forwarded");
    Ok(())
}

#[tokio::test]
async fn headers_of_the_client_do_not_travel_to_the_backend() -> Result<()> {
    let pair = Pair::start(Era::Dual).await?;
    for era in ["legacy", "modern"] {
        let call = json!({"name": "fixture_headers", "arguments": {}});
        let request = if era == "legacy" {
            pair.session().await?.request(1, "tools/call", call)
        } else {
            pair.modern().request(1, "tools/call", call)
        };
        let reply = request
            .header("authorization", "Bearer client-secret")
            .header("cookie", "client=secret")
            .header("x-user", "admin")
            .header("x-forwarded-for", "10.0.0.1")
            .header("forwarded", "for=10.0.0.1")
            .send()
            .await?;
        let headers = reply.result()?["structuredContent"].clone();
        for name in ["authorization", "cookie", "x-user", "forwarded"] {
            ensure!(headers.get(name).is_none(), "{era}: {name} in {headers}");
        }
        ensure!(!headers.to_string().contains("secret"), "{headers}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_is_let_go() -> Result<()> {
    let fixture = testkit::fixture::FixtureServer::start(Era::Dual).await?;
    let sections = format!("limits: {{ read_timeout: 1s }}\n{}", corp(&[plain("fixture", &fixture.url())]));
    let gateway = Gateway::start(&sections).await?;
    let mut pair = Pair { fixture, gateway };
    listed(&pair.endpoint(), &["greet"]).await?;
    let address = pair.endpoint().address;
    let patience = Duration::from_secs(30);
    for half in [
        "POST /corp/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        "POST /corp/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
    ] {
        let answer = tokio::time::timeout(patience, raw_exchange(address, half.as_bytes(), patience)).await?;
        let answer = answer?;
        ensure!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408") || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
    }
    still_works(&mut pair).await
}

#[tokio::test]
async fn many_half_open_requests_leave_room_for_real_ones() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let mut open = Vec::new();
    for _ in 0..500 {
        let mut socket = tokio::net::TcpStream::connect(pair.endpoint().address).await?;
        tokio::io::AsyncWriteExt::write_all(&mut socket, b"POST /corp/mcp HTTP/1.1\r\nHost: 127").await?;
        open.push(socket);
    }
    still_works(&mut pair).await
}

#[tokio::test]
async fn more_headers_than_reasonable_are_refused() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let many: String = (0..5000).map(|at| format!("X-H{at}: v\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "v".repeat(2 << 20));
    for headers in [many, long] {
        let bytes =
            format!("POST /corp/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: 0\r\n\r\n");
        let answer = raw_exchange(pair.endpoint().address, bytes.as_bytes(), SILENCE).await?;
        ensure!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{}",
            &answer[..answer.len().min(200)]
        );
    }
    still_works(&mut pair).await
}

#[tokio::test]
async fn a_flood_of_events_to_a_slow_reader_does_not_grow_the_process() -> Result<()> {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{token},"progress":1,"message":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#;
    let backend = Hostile::modern()
        .tool("flood", Behaviour::EndlessEvents(note.to_owned()))
        .tool("healthy", Behaviour::text("healthy"))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["flood"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    let params = json!({"name": "flood", "arguments": {}, "_meta": {"progressToken": "p"}});
    // Opened and then never read.
    let _legacy = session.request(1, "tools/call", params.clone()).open().await?;
    let _modern = Modern::new(&endpoint).request(1, "tools/call", params).open().await?;
    for _ in 0..50 {
        assert_eq!(text(&session.tool("healthy", json!({})).await?), "healthy");
    }
    let resident = gateway.memory_kib("VmRSS")?;
    ensure!(resident < 512 * 1024, "{resident} KiB are resident");
    Ok(())
}

#[tokio::test]
async fn a_backend_that_stalls_holds_up_nobody_else() -> Result<()> {
    let gate = Gate::default();
    let stuck = Hostile::modern().tool("stuck", Behaviour::text("late").held(&gate)).start().await?;
    let good = Hostile::legacy().tool("good", Behaviour::text("ok")).start().await?;
    let gateway = Gateway::start(&corp(&[plain("stuck", &stuck.url()), plain("good", &good.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["stuck", "good"]).await?;
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let client = Modern::new(&endpoint);
            tokio::spawn(async move { client.tool("stuck", json!({})).await })
        })
        .collect();
    stuck.ledger().wait_for(|ledger| ledger.calls("stuck").len() == 200).await?;
    assert_eq!(text(&Modern::new(&endpoint).tool("good", json!({})).await?), "ok");
    gate.open();
    for call in waiting {
        assert_eq!(text(&call.await??), "late");
    }
    Ok(())
}

#[tokio::test]
async fn progress_with_somebody_elses_token_is_dropped() -> Result<()> {
    let gate = Gate::default();
    let foreign = |token: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1,"message":"foreign"}}}}"#
        )
    };
    let result =
        r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"done"}]}}"#.to_owned();
    let backend = Hostile::legacy()
        .tool("liar", Behaviour::Events(vec![foreign("1"), foreign("\"p\""), foreign("\"x\""), result]))
        .tool("victim", Behaviour::text("mine").held(&gate))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["liar", "victim"]).await?;
    let (victim, liar) =
        (Session::open(&endpoint, "2025-11-25").await?, Session::open(&endpoint, "2025-11-25").await?);
    let call = |name: &str| json!({"name": name, "arguments": {}, "_meta": {"progressToken": "p"}});
    let held = victim.request("v", "tools/call", call("victim"));
    let held = tokio::spawn(async move { held.send().await });
    backend.ledger().wait_for(|ledger| ledger.calls("victim").len() == 1).await?;
    let lie = liar.call("tools/call", json!({"name": "liar", "arguments": {}})).await?;
    ensure!(!lie.text().contains("foreign"), "it asked for no progress: {}", lie.text());
    gate.open();
    let mine = held.await??;
    ensure!(!mine.text().contains("foreign"), "{}", mine.text());
    assert_eq!(text(&mine.result()?), "mine");
    Ok(())
}

#[tokio::test]
async fn a_question_the_client_cannot_answer_does_not_hang_the_call() -> Result<()> {
    let question = r#"{"jsonrpc":"2.0","id":"q1","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}"#;
    let result = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"done"}]}}"#;
    let backend = Hostile::legacy()
        .tool("asks", Behaviour::Events(vec![question.to_owned(), result.to_owned()]))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let endpoint = gateway.endpoint("corp");
    listed(&endpoint, &["asks"]).await?;
    let session = Session::open(&endpoint, "2025-11-25").await?;
    let reply = session.call("tools/call", json!({"name": "asks", "arguments": {}})).await?;
    ensure!(!reply.text().contains("sampling/createMessage"), "it declared no sampling: {}", reply.text());
    assert_eq!(text(&reply.result()?), "done");
    assert_eq!(text(&Modern::new(&endpoint).tool("asks", json!({})).await?), "done");
    backend
        .ledger()
        .wait_for(|ledger| ledger.arrivals().iter().any(|arrival| arrival.message()["id"] == "q1"))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_ping_of_the_backend_is_answered_by_the_gateway() -> Result<()> {
    let ping = r#"{"jsonrpc":"2.0","id":"p1","method":"ping"}"#;
    let result = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"done"}]}}"#;
    let backend = Hostile::legacy()
        .tool("pings", Behaviour::Events(vec![ping.to_owned(), result.to_owned()]))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["pings"]).await?;
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let reply = session.call("tools/call", json!({"name": "pings", "arguments": {}})).await?;
    ensure!(!reply.text().contains("\"ping\""), "{}", reply.text());
    backend
        .ledger()
        .wait_for(|ledger| {
            ledger
                .arrivals()
                .iter()
                .map(testkit::hostile::Arrival::message)
                .any(|message| message["id"] == "p1" && message["result"] == json!({}))
        })
        .await
}

#[tokio::test]
async fn http2_is_spoken_or_refused_cleanly() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    raw_exchange(pair.endpoint().address, format!("{preface}{}", "\0".repeat(64)).as_bytes(), SILENCE)
        .await?;
    still_works(&mut pair).await
}

#[tokio::test]
async fn paths_that_are_no_gateway_say_so() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let list = request(1, "tools/list", json!({"_meta": meta(json!({}))}));
    for path in [
        "/",
        "/nobody/mcp",
        "/corp",
        "/corp/mcp/",
        "/corp/mcp/more",
        "/corp%2Fmcp",
        "//corp/mcp",
        "/Corp/mcp",
    ] {
        let call = pair.endpoint().at(path).post(&list);
        let reply =
            call.header("mcp-protocol-version", MODERN).header("mcp-method", "tools/list").send().await?;
        ensure!([404, 400].contains(&reply.status), "{path}: {}", reply.status);
    }
    still_works(&mut pair).await
}

#[tokio::test]
async fn a_token_in_the_query_is_refused() -> Result<()> {
    let mut pair = Pair::start(Era::Dual).await?;
    let endpoint = pair.endpoint().at("/corp/mcp?access_token=query-secret");
    let reply = Modern::new(&endpoint).call("tools/list", json!({})).await?;
    ensure!([400, 401].contains(&reply.status), "{}", reply.status);
    still_works(&mut pair).await?;
    pair.gateway.wait_for_log(|log| audit::outcomes(log, "tools/call") == ["ok"]).await?;
    ensure!(!pair.gateway.log().contains("query-secret"), "{}", pair.gateway.log());
    Ok(())
}
