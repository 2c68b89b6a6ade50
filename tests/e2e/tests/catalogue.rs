//! One catalogue of many servers: names, order, pages, clashes, absence.

use anyhow::{Result, ensure};
use e2e::{corp, corp_with, eventually, listed, plain, prefixed, standing, target, text};
use serde_json::{Value, json};
use testkit::client::{Modern, Session};
use testkit::fixture::{Era, Fixture, FixtureServer};
use testkit::gateway::Gateway;
use testkit::hostile::{Behaviour, Hostile};

fn definition(name: &str) -> String {
    json!({"name": name, "description": name, "inputSchema": {"type": "object"}}).to_string()
}

#[tokio::test]
async fn tools_of_all_targets_appear_under_their_prefix_in_a_fixed_order() -> Result<()> {
    let first =
        Hostile::modern().tool("b", Behaviour::text("1b")).tool("a", Behaviour::text("1a")).start().await?;
    let second = Hostile::legacy().tool("a", Behaviour::text("2a")).start().await?;
    let gateway =
        Gateway::start(&corp(&[prefixed("zeta", &first.url()), prefixed("alpha", &second.url())])).await?;
    let names = listed(&gateway.endpoint("corp"), &["zeta___a", "zeta___b", "alpha___a"]).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    for _ in 0..5 {
        assert_eq!(client.tool_names().await?, names);
    }
    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    for (tool, answer) in [("zeta___a", "1a"), ("zeta___b", "1b"), ("alpha___a", "2a")] {
        assert_eq!(text(&client.tool(tool, json!({})).await?), answer);
        assert_eq!(text(&session.tool(tool, json!({})).await?), answer);
    }
    Ok(())
}

#[tokio::test]
async fn another_separator_may_be_chosen() -> Result<()> {
    let backend = Hostile::modern().tool("a", Behaviour::text("ok")).start().await?;
    let settings = "    inbound: none\n    streaming: true\n    sessions: {}\n    separator: \"-\"\n";
    let gateway = Gateway::start(&corp_with(settings, &[prefixed("left", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["left-a"]).await?;
    assert_eq!(text(&Modern::new(&gateway.endpoint("corp")).tool("left-a", json!({})).await?), "ok");
    Ok(())
}

#[tokio::test]
async fn names_clients_cannot_take_are_replaced_and_still_reach_the_right_tool() -> Result<()> {
    let odd = ["files/read.all", "täglich", &"n".repeat(90), "fine_name"];
    let mut backend = Hostile::modern();
    for name in odd {
        backend = backend.tool(name, Behaviour::text(name));
    }
    let backend = backend.start().await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let names = listed(&gateway.endpoint("corp"), &["fine_name"]).await?;
    assert_eq!(names.len(), odd.len(), "{names:?}");
    let client = Modern::new(&gateway.endpoint("corp"));
    let mut reached = Vec::new();
    for name in &names {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        ensure!(name.len() <= 64 && name.bytes().all(allowed), "{name}");
        reached.push(text(&client.tool(name, json!({})).await?).to_owned());
    }
    reached.sort();
    let mut wanted: Vec<_> = odd.iter().map(ToString::to_string).collect();
    wanted.sort();
    assert_eq!(reached, wanted);
    Ok(())
}

#[tokio::test]
async fn a_clash_never_reroutes_a_call() -> Result<()> {
    let first = Hostile::modern().tool("same", Behaviour::text("first")).start().await?;
    let second = Hostile::modern()
        .tool("same", Behaviour::text("second"))
        .tool("own", Behaviour::text("own"))
        .start()
        .await?;
    let gateway =
        Gateway::start(&corp(&[plain("first", &first.url()), plain("second", &second.url())])).await?;
    let names = listed(&gateway.endpoint("corp"), &["same", "own"]).await?;
    assert_eq!(names.iter().filter(|name| *name == "same").count(), 1);
    let client = Modern::new(&gateway.endpoint("corp"));
    for _ in 0..3 {
        assert_eq!(text(&client.tool("same", json!({})).await?), "first");
    }
    ensure!(second.ledger().calls("same").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_name_listed_twice_by_one_server_counts_once() -> Result<()> {
    let backend = Hostile::modern()
        .defined(&definition("twin"), "twin", Behaviour::text("twin"))
        .defined(&definition("twin"), "twin", Behaviour::text("twin"))
        .tool("other", Behaviour::text("other"))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
    let names = listed(&gateway.endpoint("corp"), &["twin", "other"]).await?;
    assert_eq!(names.len(), 2, "{names:?}");
    Ok(())
}

#[tokio::test]
async fn definitions_pass_with_everything_we_have_never_heard_of() -> Result<()> {
    let odd = r#""inputSchema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","x":{"n":1.50,"big":12345678901234567890}},"unheard":{"of":[ 1,2 ]},"annotations":{"readOnlyHint":true,"new":null}"#;
    let backend = Hostile::modern()
        .defined(&format!(r#"{{"name":"odd","description":"\u00e9",{odd}}}"#), "odd", Behaviour::text("ok"))
        .start()
        .await?;
    let gateway = Gateway::start(&corp(&[prefixed("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["backend___odd"]).await?;
    let list = Modern::new(&gateway.endpoint("corp")).call("tools/list", json!({})).await?.text();
    for fragment in
        [r#""x":{"n":1.50,"big":12345678901234567890}"#, r#""unheard":{"of":[ 1,2 ]}"#, r#""new":null"#]
    {
        ensure!(list.contains(fragment), "{fragment} is missing in {list}");
    }
    Ok(())
}

#[tokio::test]
async fn pages_of_a_server_are_followed_to_the_end() -> Result<()> {
    for backend in [Hostile::legacy(), Hostile::modern()] {
        let backend = backend.method("tools/list", Behaviour::Pages(25)).start().await?;
        let gateway = Gateway::start(&corp(&[plain("backend", &backend.url())])).await?;
        let names = listed(&gateway.endpoint("corp"), &["tool0", "tool24"]).await?;
        assert_eq!(names, (0..25).map(|at| format!("tool{at}")).collect::<Vec<_>>());
    }
    Ok(())
}

#[tokio::test]
async fn clients_get_pages_and_a_made_up_cursor_is_refused() -> Result<()> {
    let backend = Hostile::modern().method("tools/list", Behaviour::Pages(25)).start().await?;
    let settings = "    inbound: none\n    streaming: true\n    sessions: {}\n    page_size: 10\n";
    let gateway = Gateway::start(&corp_with(settings, &[plain("backend", &backend.url())])).await?;
    listed(&gateway.endpoint("corp"), &["tool24"]).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    let first = client.call("tools/list", json!({})).await?.result()?;
    assert_eq!(first["tools"].as_array().map(Vec::len), Some(10));
    let cursor = first["nextCursor"].as_str().unwrap_or_default().to_owned();
    let again = client.call("tools/list", json!({"cursor": cursor})).await?.result()?;
    assert_eq!(again["tools"][0]["name"], "tool10");

    let session = Session::open(&gateway.endpoint("corp"), "2025-11-25").await?;
    let tampered = format!("{}A", &cursor[..cursor.len() - 1]);
    for bad in [json!("made-up"), json!(""), json!(tampered), json!(7)] {
        let modern = client.call("tools/list", json!({"cursor": bad})).await?;
        if bad != "" || modern.error_code().is_ok() {
            assert_eq!(modern.error_code()?, -32602, "{bad}");
        }
        let legacy = session.call("tools/list", json!({"cursor": bad})).await?;
        if bad != "" || legacy.error_code().is_ok() {
            assert_eq!(legacy.error_code()?, -32602, "{bad}");
        }
    }
    let elsewhere = client.call("prompts/list", json!({"cursor": cursor})).await?;
    assert_eq!(elsewhere.error_code()?, -32602, "a cursor belongs to its list");
    Ok(())
}

#[tokio::test]
async fn a_server_that_lists_for_ever_does_not_hurt_the_others() -> Result<()> {
    let endless = Hostile::modern().method("tools/list", Behaviour::Pages(u64::MAX)).start().await?;
    let good = Hostile::modern().tool("good", Behaviour::text("ok")).start().await?;
    let sections = format!(
        "limits: {{ catalogue_items: 100 }}\n{}",
        corp(&[plain("endless", &endless.url()), plain("good", &good.url())])
    );
    let gateway = Gateway::start(&sections).await?;
    listed(&gateway.endpoint("corp"), &["good"]).await?;
    endless.ledger().wait_for(|ledger| ledger.of("tools/list").len() > 90).await?;
    assert_eq!(text(&Modern::new(&gateway.endpoint("corp")).tool("good", json!({})).await?), "ok");
    ensure!(endless.ledger().of("tools/list").len() < 1000, "the gateway gives up");
    Ok(())
}

#[tokio::test]
async fn a_server_with_too_many_tools_does_not_hurt_the_others() -> Result<()> {
    let flood = Hostile::modern().method("tools/list", Behaviour::ManyTools(100_000)).start().await?;
    let good = Hostile::modern().tool("good", Behaviour::text("ok")).start().await?;
    let gateway = Gateway::start(&corp(&[plain("flood", &flood.url()), plain("good", &good.url())])).await?;
    for said in ["it lists 100000 or more, and 10000 are kept", "is ready: 10000 tools of 100000 or more"] {
        gateway.wait_for_log(|log| log.contains(said)).await?;
    }
    let names = listed(&gateway.endpoint("corp"), &["good", "tool0"]).await?;
    assert_eq!(names.len(), 10_001);
    Ok(())
}

#[tokio::test]
async fn lists_outlive_the_server_and_the_gateway() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let sections = corp(&[plain("fixture", &fixture.url())]);
    let gateway = Gateway::start(&sections).await?;
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    let before = Modern::new(&gateway.endpoint("corp")).call("tools/list", json!({})).await?.result()?;
    let folder = gateway.folder();
    gateway.stop().await?;
    let address = fixture.address().to_string();
    fixture.stop().await;

    let gateway = Gateway::start_in(folder, &sections, &[]).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    let after = client.call("tools/list", json!({})).await?.result()?;
    assert_eq!(after["tools"], before["tools"], "the persisted catalogue is served at once");
    let reply = client.call("tools/call", json!({"name": "greet", "arguments": {"name": "x"}})).await?;
    assert_eq!(reply.error_code()?, 1503, "{}", reply.text());

    let _back = FixtureServer::listen(Fixture::new(Era::Dual), &address).await?;
    eventually("the server is used again", || async {
        let reply =
            client.call("tools/call", json!({"name": "greet", "arguments": {"name": "back"}})).await?;
        Ok(reply.result().ok().filter(|result| text(result) == "Hello, back!"))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_missing_target_is_named_and_costs_nothing_else() -> Result<()> {
    let good = Hostile::modern().tool("good", Behaviour::text("ok")).start().await?;
    let nobody = format!("http://{}/mcp", testkit::gateway::free_port());
    let gateway = Gateway::start(&corp(&[plain("gone", &nobody), plain("good", &good.url())])).await?;
    listed(&gateway.endpoint("corp"), &["good"]).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    let gone = standing(&gateway.endpoint("corp"), "gone").await?;
    assert_eq!(gone["state"], "missing", "{gone}");
    ensure!(gone["reason"].as_str().is_some_and(|reason| reason.contains("cannot be reached")), "{gone}");
    let list = client.call("tools/list", json!({})).await?.result()?;
    assert_eq!(list["_meta"]["dev.portcullis/status"]["targets"], json!([gone]), "{list}");
    assert_eq!(text(&client.tool("good", json!({})).await?), "ok");
    Ok(())
}

#[tokio::test]
async fn an_announced_change_reaches_the_list_by_itself() -> Result<()> {
    for era in [Era::Legacy, Era::Modern] {
        let fixture = FixtureServer::start(era).await?;
        let gateway = Gateway::start(&corp(&[plain("fixture", &fixture.url())])).await?;
        listed(&gateway.endpoint("corp"), &["fixture_toggle_tool"]).await?;
        let client = Modern::new(&gateway.endpoint("corp"));
        // The feed opens after the first capture, and an announcement nobody hears is lost.
        eventually(&format!("{era:?}: the catalogue listens"), || async {
            let streams = fixture.seen().iter().any(|seen| seen.verb == "GET");
            Ok((streams || fixture.stats().listeners > 0).then_some(()))
        })
        .await?;
        client.tool("fixture_toggle_tool", json!({})).await?;
        listed(&gateway.endpoint("corp"), &["fixture_extra"]).await?;
        assert_eq!(text(&client.tool("fixture_extra", json!({})).await?), "extra");
    }
    Ok(())
}

#[tokio::test]
async fn lists_are_captured_anew_on_schedule() -> Result<()> {
    let both = json!([
        serde_json::from_str::<Value>(&definition("old"))?,
        serde_json::from_str::<Value>(&definition("new"))?
    ]);
    let page = |tools: &Value| {
        Behaviour::Result(
            json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "public", "tools": tools}).to_string(),
        )
    };
    let backend = Hostile::modern()
        .unlisted("new", Behaviour::text("new"))
        .method("tools/list", Behaviour::sequence(vec![page(&json!([both[0]])), page(&both)]))
        .start()
        .await?;
    let settings = format!("mcp: {{ url: \"{}\" }}, prefix: none, refresh: 1s", backend.url());
    let gateway = Gateway::start(&corp(&[target("backend", &settings)])).await?;
    listed(&gateway.endpoint("corp"), &["old", "new"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_dynamic_list_is_asked_for_each_time_its_server_allows_no_caching() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let settings = format!("mcp: {{ url: \"{}\", listing: dynamic }}, prefix: none", fixture.url());
    let gateway = Gateway::start(&corp(&[target("fixture", &settings)])).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    let before = fixture.stats().lists.get("tools/list").copied().unwrap_or_default();
    for _ in 0..3 {
        client.call("tools/list", json!({})).await?.result()?;
    }
    ensure!(fixture.stats().lists["tools/list"] >= before + 3, "{:?}", fixture.stats());
    Ok(())
}

#[tokio::test]
async fn a_call_may_come_before_any_list_of_a_dynamic_target() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let settings = format!("mcp: {{ url: \"{}\", listing: dynamic }}", fixture.url());
    let gateway = Gateway::start(&corp(&[target("fixture", &settings)])).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    assert_eq!(text(&client.tool("fixture___greet", json!({"name": "early"})).await?), "Hello, early!");
    let unknown = client.call("tools/call", json!({"name": "fixture___nothing", "arguments": {}})).await?;
    assert_eq!(unknown.error_code()?, -32602);
    Ok(())
}

#[tokio::test]
async fn a_slow_dynamic_target_does_not_hold_up_the_list() -> Result<()> {
    let slow = Hostile::modern().method("tools/list", Behaviour::Silence).start().await?;
    let good = Hostile::modern().tool("good", Behaviour::text("ok")).start().await?;
    let settings = "    inbound: none\n    streaming: true\n    sessions: {}\n    list_budget: 200ms\n";
    let dynamic = |name: &str, url: &str| {
        target(name, &format!("mcp: {{ url: \"{url}\", listing: dynamic }}, prefix: none"))
    };
    let gateway =
        Gateway::start(&corp_with(settings, &[dynamic("slow", &slow.url()), dynamic("good", &good.url())]))
            .await?;
    let list = eventually("the good one is listed", || async {
        let list = Modern::new(&gateway.endpoint("corp")).call("tools/list", json!({})).await?.result()?;
        Ok(list.to_string().contains("\"good\"").then_some(list))
    })
    .await?;
    let troubled = &list["_meta"]["dev.portcullis/status"]["targets"];
    assert_eq!(
        (&troubled[0]["target"], &troubled[0]["state"]),
        (&json!("slow"), &json!("missing")),
        "{list}"
    );
    ensure!(!slow.ledger().of("tools/list").is_empty(), "it was asked");
    Ok(())
}

#[tokio::test]
async fn a_uri_that_several_list_is_answered_by_the_preferred_one() -> Result<()> {
    let serve = |text: &str| {
        let resource = json!({"uri": "doc://shared", "name": "shared"});
        let listed =
            json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "public", "resources": [resource]});
        let read = json!({
            "resultType": "complete", "ttlMs": 0, "cacheScope": "public",
            "contents": [{"uri": "doc://shared", "text": text}],
        });
        Hostile::modern()
            .capabilities(json!({"tools": {}, "resources": {}}))
            .method("resources/list", Behaviour::Result(listed.to_string()))
            .method("resources/read", Behaviour::Result(read.to_string()))
            .tool(text, Behaviour::text(text))
    };
    let (first, second) = (serve("first").start().await?, serve("second").start().await?);
    let preferred = format!("mcp: {{ url: \"{}\" }}, resource_priority: 10, prefix: none", second.url());
    let gateway =
        Gateway::start(&corp(&[plain("first", &first.url()), target("second", &preferred)])).await?;
    listed(&gateway.endpoint("corp"), &["first", "second"]).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    let read = client.call("resources/read", json!({"uri": "doc://shared"})).await?.result()?;
    assert_eq!(read["contents"][0]["text"], "second");
    let list = client.list("resources/list", "resources").await?;
    assert_eq!(list.iter().filter(|resource| resource["uri"] == "doc://shared").count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_uri_nobody_offers_is_never_fetched() -> Result<()> {
    let fixture = FixtureServer::start(Era::Dual).await?;
    let sink = Hostile::modern().start().await?;
    let gateway = Gateway::start(&corp(&[plain("fixture", &fixture.url())])).await?;
    listed(&gateway.endpoint("corp"), &["greet"]).await?;
    let client = Modern::new(&gateway.endpoint("corp"));
    for uri in [
        &sink.url(),
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "test://template/../../etc/data",
    ] {
        let reply = client.call("resources/read", json!({"uri": uri})).await?;
        assert_eq!(reply.error_code()?, -32602, "{uri}");
    }
    ensure!(sink.ledger().arrivals().is_empty());
    Ok(())
}
