//! Legacy servers over Streamable HTTP: sessions, healing, streams.
#![allow(clippy::allow_attributes, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use mcp::{Method, Raw, TaskMethod};
use policy::Action;
use portcullis_upstream::{
    Abilities, Call, Caller, Event, Level, Logs, SessionKey, Upkeep, Upstream, UpstreamError,
};
use serde_json::{Value, json};
use support::*;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn many_calls_share_one_initialize() {
    let server =
        Server::start(legacy(|seen| result(seen, json!({ "content": [{ "type": "text", "text": "hi" }] }))))
            .await;
    let upstream = upstream(&server);
    let alice = alice();
    let calls = (0..20).map(|_| {
        let (upstream, alice) = (upstream.clone(), alice.clone());
        tokio::spawn(async move { call(&upstream, &alice, tool_call()).await.unwrap() })
    });
    for running in calls.collect::<Vec<_>>() {
        assert_eq!(text(&running.await.unwrap().1), "hi");
    }
    assert_eq!(server.count("initialize"), 1);
    assert_eq!(server.count("notifications/initialized"), 1);
    assert_eq!(server.count("tools/call"), 20);
    let ids: std::collections::HashSet<_> =
        server.of("tools/call").iter().map(|seen| seen.body["id"].to_string()).collect();
    assert_eq!(ids.len(), 20);
    let sent = &server.of("tools/call")[0];
    assert_eq!(sent.header("mcp-session-id"), Some("s-1"));
    assert_eq!(sent.header("mcp-protocol-version"), Some("2025-11-25"));
    assert_eq!(sent.body["params"], json!({ "name": "read", "arguments": { "path": "/a" } }));
}

#[tokio::test]
async fn initialize_declares_what_the_client_can_be_asked_and_the_target_may_ask() {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let mut alice = caller("alice", Some(1));
    alice.capabilities =
        Raw::value(&json!({ "sampling": {}, "elicitation": {}, "roots": { "listChanged": true }, "x": 1 }));
    alice.abilities = Abilities::of(&alice.capabilities);
    call(&upstream(&server), &alice, tool_call()).await.unwrap();
    let params = &server.of("initialize")[0].body["params"];
    assert_eq!(params["capabilities"], json!({ "elicitation": {}, "roots": {}, "x": 1 }));
    assert_eq!(params["protocolVersion"], "2025-11-25");
    assert_eq!(params["clientInfo"]["name"], "ide");
}

#[tokio::test]
async fn clients_that_can_be_asked_different_things_share_no_session() {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let upstream = upstream(&server);
    let able = |capabilities: Value| {
        let capabilities = Raw::value(&capabilities);
        Caller { abilities: Abilities::of(&capabilities), capabilities, ..caller("alice", None) }
    };
    // What the target may not ask tells nobody apart.
    for capabilities in [
        json!({}),
        json!({ "sampling": {} }),
        json!({ "elicitation": {} }),
        json!({ "elicitation": { "form": {} } }),
    ] {
        call(&upstream, &able(capabilities), tool_call()).await.unwrap();
    }
    let told: Vec<_> =
        server.of("initialize").iter().map(|seen| seen.body["params"]["capabilities"].clone()).collect();
    assert_eq!(told, [json!({}), json!({ "elicitation": { "form": {} } })]);
}

#[tokio::test]
async fn call_of_a_client_session_that_can_be_asked_is_not_made_where_another_could_not() {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let upstream = upstream(&server);
    let mute = caller("alice", Some(1));
    let capabilities = Raw::value(&json!({ "elicitation": {} }));
    let able = Caller { abilities: Abilities::of(&capabilities), capabilities, ..mute.clone() };
    for caller in [&mute, &able, &mute, &able] {
        call(&upstream, caller, tool_call()).await.unwrap();
    }
    let told: Vec<_> =
        server.of("initialize").iter().map(|seen| seen.body["params"]["capabilities"].clone()).collect();
    assert_eq!(told, [json!({}), json!({ "elicitation": {} })]);
    let calls = server.of("tools/call");
    let used: Vec<_> = calls.iter().map(|seen| seen.header("mcp-session-id").unwrap()).collect();
    assert_eq!(used, ["s-1", "s-2", "s-1", "s-2"]);
    upstream.end_session(SessionKey(1)).await;
    let deleted = |seen: &[Seen]| seen.iter().filter(|seen| seen.verb == "DELETE").count();
    server.until("both sessions end", |seen| deleted(seen) == 2).await;
}

#[tokio::test]
async fn principals_and_client_sessions_never_share_a_session() {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let upstream = upstream(&server);
    for caller in
        [caller("alice", None), caller("bob", None), caller("alice", Some(1)), caller("alice", Some(2))]
    {
        call(&upstream, &caller, tool_call()).await.unwrap();
    }
    let mut sessions: Vec<_> = server
        .of("tools/call")
        .iter()
        .map(|seen| seen.header("mcp-session-id").unwrap().to_owned())
        .collect();
    sessions.dedup();
    assert_eq!(sessions.len(), 4);
}

#[tokio::test]
async fn forgotten_session_is_healed_once_with_its_log_level() {
    let forgotten = AtomicUsize::new(0);
    let server = Server::start(legacy(move |seen| {
        if seen.header("mcp-session-id") == Some("s-1") && forgotten.fetch_add(1, Ordering::SeqCst) > 0 {
            return error(seen, 404, -32001, "Session not found");
        }
        result(seen, json!({}))
    }))
    .await;
    let upstream = upstream(&server);
    let mut chatty = tool_call();
    chatty.logs = Logs::From(Level::Info);
    call(&upstream, &alice(), chatty).await.unwrap();
    call(&upstream, &alice(), tool_call()).await.unwrap();
    assert_eq!(server.count("initialize"), 2);
    assert_eq!(server.count("tools/call"), 3);
    let levels = server.of("logging/setLevel");
    assert_eq!(levels.len(), 2);
    assert!(levels.iter().all(|seen| seen.body["params"]["level"] == "info"));
    assert_eq!(levels[1].header("mcp-session-id"), Some("s-2"));
}

#[tokio::test]
async fn task_is_asked_about_in_the_session_that_made_it_and_in_no_other() {
    let server = Server::start(legacy(|seen| result(seen, json!({ "taskId": "own" })))).await;
    let upstream = upstream(&server);
    let (first, second, bob) = (caller("alice", Some(1)), caller("alice", Some(2)), caller("bob", Some(3)));
    let mark = dispatch(&upstream, &first, tool_call()).await.unwrap().mark();
    assert!(mark.is_some());
    for caller in [&second, &bob] {
        dispatch(&upstream, caller, tool_call()).await.unwrap();
    }
    let get = || Call { method: Method::Task(TaskMethod::Get), within: mark, ..tool_call() };
    let ask = async |caller: &Caller| {
        let permit = permit(caller, Action::CallTool, "read").for_task("own").unwrap();
        upstream.dispatch(&permit, caller, get()).await
    };
    ask(&second).await.unwrap();
    assert_eq!(server.of("tasks/get")[0].header("mcp-session-id"), Some("s-1"));
    assert!(matches!(ask(&bob).await, Err(UpstreamError::Gone)), "it is somebody else's");
    upstream.end_session(SessionKey(1)).await;
    assert!(matches!(ask(&second).await, Err(UpstreamError::Gone)));
    assert_eq!((server.count("tasks/get"), server.count("initialize")), (1, 3), "none was opened for it");
}

#[tokio::test]
async fn server_that_forgets_every_session_is_asked_twice_only() {
    let server = Server::start(legacy(|seen| error(seen, 404, -32001, "Session not found"))).await;
    let (_, outcome) = call(&upstream(&server), &alice(), tool_call()).await.unwrap();
    assert_eq!(outcome["code"], -32001);
    assert_eq!(server.count("tools/call"), 2);
}

#[tokio::test]
async fn bad_request_that_speaks_of_the_session_heals_too() {
    let server = Server::start(legacy(|seen| match seen.header("mcp-session-id") {
        Some("s-1") => error(seen, 400, -32000, "Bad Request: No valid session ID provided"),
        _ => result(seen, json!({})),
    }))
    .await;
    call(&upstream(&server), &alice(), tool_call()).await.unwrap();
    assert_eq!(server.count("initialize"), 2);
}

#[tokio::test]
async fn bad_request_about_anything_else_is_the_answer() {
    let server = Server::start(legacy(|seen| error(seen, 400, -32602, "no such path"))).await;
    let (_, outcome) = call(&upstream(&server), &alice(), tool_call()).await.unwrap();
    assert_eq!(outcome["code"], -32602);
    assert_eq!(server.count("tools/call"), 1);
}

#[tokio::test]
async fn tool_call_is_never_sent_twice_when_the_connection_breaks() {
    let server = Server::start(legacy(|_| Answer::HangUp)).await;
    let failure = call(&upstream(&server), &alice(), tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Lost(_)), "{failure:?}");
    assert_eq!(server.count("tools/call"), 1);
}

#[tokio::test]
async fn list_is_asked_again_when_the_connection_breaks() {
    let broken = AtomicUsize::new(0);
    let server = Server::start(legacy(move |seen| match broken.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::HangUp,
        _ => result(seen, json!({ "tools": [] })),
    }))
    .await;
    let list = Upkeep::List { kind: mcp::Kind::Tool, cursor: Some("p2".to_owned()) };
    upstream(&server).upkeep(None, list).await.unwrap();
    assert_eq!(server.count("tools/list"), 2);
    assert_eq!(server.of("tools/list")[1].body["params"], json!({ "cursor": "p2" }));
}

#[tokio::test]
async fn progress_reaches_the_client_under_its_own_token() {
    let server = Server::start(legacy(|seen| {
        let (ours, theirs) = (seen.meta("progressToken").clone(), json!(999_999));
        stream(&[
            notification("notifications/progress", json!({ "progressToken": ours, "progress": 1.50 })),
            notification("notifications/progress", json!({ "progressToken": theirs, "progress": 2 })),
            notification(
                "notifications/progress",
                json!({ "progressToken": ours.to_string(), "progress": 3 }),
            ),
            response(seen, "done"),
        ])
    }))
    .await;
    let mut counted = tool_call();
    counted.params =
        params(&json!({ "name": "x", "_meta": { "progressToken": "mine", "traceparent": "00-1" } }));
    counted.progress = Some(portcullis_upstream::ProgressToken::new(Raw::string("mine")));
    let (notifications, outcome) = call(&upstream(&server), &alice(), counted).await.unwrap();
    assert_eq!(text(&outcome), "done");
    assert_eq!(notifications.len(), 1, "{notifications:?}");
    assert_eq!(notifications[0]["params"]["progressToken"], "mine");
    let sent = &server.of("tools/call")[0];
    assert_eq!(sent.meta("progressToken"), &sent.body["id"]);
    assert_eq!(sent.meta("traceparent"), "00-1");
}

#[tokio::test]
async fn foreign_and_misspelt_responses_are_dropped() {
    let server = Server::start(legacy(|seen| {
        let id = seen.body["id"].clone();
        stream(&[
            json!({ "jsonrpc": "2.0", "id": 999_999, "result": { "content": [{ "type": "text", "text": "foreign" }] } }),
            json!({ "jsonrpc": "2.0", "id": id.to_string(), "result": { "content": [{ "type": "text", "text": "string" }] } }),
            response(seen, "own"),
        ])
    }))
    .await;
    let (_, outcome) = call(&upstream(&server), &alice(), tool_call()).await.unwrap();
    assert_eq!(text(&outcome), "own");
}

#[tokio::test]
async fn json_answer_with_another_id_is_no_answer() {
    let server = Server::start(legacy(|seen| {
        let id = seen.body["id"].to_string();
        json(200, &json!({ "jsonrpc": "2.0", "id": id, "result": {} }))
    }))
    .await;
    let failure = call(&upstream(&server), &alice(), tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::BrokeProtocol(_)), "{failure:?}");
}

#[tokio::test]
async fn batches_are_read_in_json_and_in_events() {
    for streamed in [false, true] {
        let server = Server::start(legacy(move |seen| {
            let batch = json!([
                response(seen, "batched"),
                notification("notifications/message", json!({ "level": "info", "data": 1 })),
                { "jsonrpc": "2.0", "id": 999_999, "result": {} },
            ]);
            if streamed { stream(&[batch]) } else { json(200, &batch) }
        }))
        .await;
        let mut chatty = tool_call();
        chatty.logs = Logs::ServersChoice;
        let (notifications, outcome) = call(&upstream(&server), &alice(), chatty).await.unwrap();
        assert_eq!(text(&outcome), "batched");
        assert_eq!(notifications.len(), usize::from(!streamed), "a stream is over with its answer");
    }
}

#[tokio::test]
async fn server_requests_are_answered_within_the_session() {
    let gone = CancellationToken::new();
    let server = Server::start(legacy(move |seen| match seen.method() {
        "" => status(202),
        _ => open_stream(
            &[
                json!({ "jsonrpc": "2.0", "id": "p", "method": "ping" }),
                json!({ "jsonrpc": "2.0", "id": 8, "method": "sampling/createMessage", "params": {} }),
            ],
            &gone,
        ),
    }))
    .await;
    let upstream = upstream(&server);
    let caller = alice();
    let mut reply = dispatch(&upstream, &caller, tool_call()).await.unwrap();
    let waiting = tokio::spawn(async move { reply.next().await.map(drop) });
    let answers = |seen: &[Seen]| {
        seen.iter()
            .filter(|seen| seen.method().is_empty() && seen.verb == "POST")
            .cloned()
            .collect::<Vec<_>>()
    };
    server.until("both are answered", |seen| answers(seen).len() == 2).await;
    let mut answers = answers(&server.seen());
    answers.sort_by_key(|seen| seen.body["id"].to_string());
    assert_eq!(answers[0].body, json!({ "jsonrpc": "2.0", "id": "p", "result": {} }));
    assert_eq!(answers[1].body["error"]["code"], -32601);
    assert_eq!(answers[1].header("mcp-session-id"), Some("s-1"));
    waiting.abort();
}

#[tokio::test]
async fn dropped_reply_cancels_the_call_at_the_server() {
    let gone = CancellationToken::new();
    let closed = gone.clone();
    let server = Server::start(legacy(move |_| open_stream(&[], &gone))).await;
    let reply = dispatch(&upstream(&server), &alice(), tool_call()).await.unwrap();
    drop(reply);
    closed.cancelled().await;
    server
        .until("the call is cancelled", |seen| {
            seen.iter().any(|seen| seen.method() == "notifications/cancelled")
        })
        .await;
    let cancelled = &server.of("notifications/cancelled")[0];
    assert_eq!(cancelled.body["params"]["requestId"], server.of("tools/call")[0].body["id"]);
    assert_eq!(cancelled.header("mcp-session-id"), Some("s-1"));
}

#[tokio::test]
async fn call_given_up_before_the_first_byte_is_cancelled_too() {
    let server = Server::start(legacy(|_| Answer::Never)).await;
    let upstream = upstream(&server);
    let waiting = tokio::spawn(async move { dispatch(&upstream, &alice(), tool_call()).await.map(drop) });
    server.until("the call arrives", |seen| seen.iter().any(|seen| seen.method() == "tools/call")).await;
    waiting.abort();
    server
        .until("the call is cancelled", |seen| {
            seen.iter().any(|seen| seen.method() == "notifications/cancelled")
        })
        .await;
    let cancelled = &server.of("notifications/cancelled")[0];
    assert_eq!(cancelled.body["params"]["requestId"], server.of("tools/call")[0].body["id"]);
}

#[tokio::test]
async fn calls_that_end_with_the_gateway_are_cancelled_before_their_session_ends() {
    let question = json!({ "jsonrpc": "2.0", "id": "q", "method": "elicitation/create",
        "params": { "message": "Which?", "requestedSchema": { "type": "object", "properties": {} } } });
    let server = Server::start(legacy(move |_| {
        open_stream(std::slice::from_ref(&question), &CancellationToken::new())
    }))
    .await;
    let upstream = upstream(&server);
    let capabilities = Raw::value(&json!({ "elicitation": {} }));
    let able = Caller { abilities: Abilities::of(&capabilities), capabilities, ..alice() };
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut reply = dispatch(&upstream, &able, tool_call()).await.unwrap();
        let Event::Question(question) = reply.next().await.unwrap() else { panic!("no question") };
        waiting.push((question, reply));
    }
    drop(waiting);
    upstream.shutdown().await;
    let seen = server.seen();
    let end = seen.iter().position(|seen| seen.verb == "DELETE").unwrap();
    let told = |about: &dyn Fn(&Seen) -> bool| seen[..end].iter().filter(|seen| about(seen)).count();
    assert_eq!(told(&|seen| seen.body["result"]["action"] == "cancel"), 50);
    assert_eq!(told(&|seen| seen.method() == "notifications/cancelled"), 50);
}

#[tokio::test]
async fn answered_call_is_not_cancelled() {
    let server = Server::start(legacy(|seen| match seen.body["params"]["arguments"]["path"].as_str() {
        Some("/a") => stream(&[response(seen, "done")]),
        _ => result(seen, json!({})),
    }))
    .await;
    let upstream = upstream(&server);
    call(&upstream, &alice(), tool_call()).await.unwrap();
    upstream.upkeep(Some(&alice()), Upkeep::Ping).await.unwrap();
    upstream.shutdown().await;
    assert_eq!(server.count("notifications/cancelled"), 0);
}

#[tokio::test]
async fn silent_server_times_out_and_is_told() {
    let gone = CancellationToken::new();
    let server = Server::start(legacy(move |_| open_stream(&[], &gone))).await;
    let mut target = target(&server.url, config::Era::Legacy);
    target.idle_timeout = std::time::Duration::from_millis(50);
    let upstream = Upstream::new("corp", target, deps());
    let failure = call(&upstream, &alice(), tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Timeout(_)), "{failure:?}");
    server
        .until("the call is cancelled", |seen| {
            seen.iter().any(|seen| seen.method() == "notifications/cancelled")
        })
        .await;
    assert_eq!(server.count("server/discover"), 0);
}

#[tokio::test]
async fn stream_that_ends_without_an_answer_is_lost() {
    let server = Server::start(legacy(|_| {
        stream(&[notification("notifications/message", json!({ "level": "info" }))])
    }))
    .await;
    let failure = call(&upstream(&server), &alice(), tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Lost(_)), "{failure:?}");
    assert_eq!(server.count("tools/call"), 1);
}

#[tokio::test]
async fn ended_client_session_ends_its_own_upstream_session_only() {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let upstream = upstream(&server);
    for session in [1, 2] {
        call(&upstream, &caller("alice", Some(session)), tool_call()).await.unwrap();
    }
    upstream.end_session(SessionKey(1)).await;
    let deleted = |server: &Server| -> Vec<String> {
        let deletes = server.seen().into_iter().filter(|seen| seen.verb == "DELETE");
        deletes.map(|seen| seen.header("mcp-session-id").unwrap().to_owned()).collect()
    };
    assert_eq!(deleted(&server), ["s-1"]);
    upstream.shutdown().await;
    assert_eq!(deleted(&server), ["s-1", "s-2"]);
}

#[tokio::test]
async fn level_is_set_only_when_more_is_wanted_than_before() {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let upstream = upstream(&server);
    for level in [Level::Warning, Level::Error, Level::Warning, Level::Debug, Level::Info] {
        let mut chatty = tool_call();
        chatty.logs = Logs::From(level);
        call(&upstream, &alice(), chatty).await.unwrap();
    }
    let levels: Vec<Value> =
        server.of("logging/setLevel").iter().map(|seen| seen.body["params"]["level"].clone()).collect();
    assert_eq!(levels, [json!("warning"), json!("debug")]);
}

#[tokio::test]
async fn older_server_gets_no_version_header() {
    let server = Server::start(|seen: &Seen| match seen.method() {
        "server/discover" => html(404),
        "initialize" => result(seen, initialized("2025-03-26")),
        "notifications/initialized" => status(202),
        _ => result(seen, json!({})),
    })
    .await;
    let upstream = upstream(&server);
    call(&upstream, &alice(), tool_call()).await.unwrap();
    let sent = &server.of("tools/call")[0];
    assert_eq!((sent.header("mcp-protocol-version"), sent.header("mcp-session-id")), (None, None));
    let facts = upstream.facts(Some(&alice())).await.unwrap();
    assert_eq!(facts.version, mcp::Version::V2025_03_26);
    assert_eq!(facts.instructions.as_deref(), Some("Be kind."));
}

#[tokio::test]
async fn too_many_sessions_end_the_one_that_was_unused_longest() {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let limits = config::Limits { sessions: 2, ..config::Limits::default() };
    let upstream = Upstream::new("corp", target(&server.url, config::Era::Legacy), deps_with(limits));
    for subject in ["alice", "bob", "carol"] {
        call(&upstream, &caller(subject, None), tool_call()).await.unwrap();
    }
    server.until("the oldest ends", |seen| seen.iter().any(|seen| seen.verb == "DELETE")).await;
    let ended: Vec<_> = server.seen().into_iter().filter(|seen| seen.verb == "DELETE").collect();
    assert_eq!(ended[0].header("mcp-session-id"), Some("s-1"));
}

#[tokio::test]
async fn sessions_of_clients_are_not_ended_to_make_room() {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let limits = config::Limits { sessions: 1, ..config::Limits::default() };
    let upstream = Upstream::new("corp", target(&server.url, config::Era::Legacy), deps_with(limits));
    call(&upstream, &caller("alice", Some(1)), tool_call()).await.unwrap();
    let failure = call(&upstream, &caller("bob", None), tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Busy(_)), "{failure:?}");
}

/// A server, and a target of it on which `limits` hold.
async fn bounded(limits: config::Limits) -> (Server, Upstream) {
    let server = Server::start(legacy(|seen| result(seen, json!({})))).await;
    let upstream = Upstream::new("corp", target(&server.url, config::Era::Legacy), deps_with(limits));
    (server, upstream)
}

async fn until_ended(server: &Server, sessions: &[&str]) {
    let ended = |seen: &[Seen]| -> Vec<String> {
        let deletes = seen.iter().filter(|seen| seen.verb == "DELETE");
        deletes.map(|seen| seen.header("mcp-session-id").unwrap().to_owned()).collect()
    };
    server.until("these sessions end", |seen| ended(seen) == sessions).await;
}

#[tokio::test]
async fn one_callers_many_client_sessions_do_not_lock_others_out() {
    let (server, upstream) = bounded(config::Limits { sessions: 3, ..config::Limits::default() }).await;
    for session in 1..=3 {
        call(&upstream, &caller("alice", Some(session)), tool_call()).await.unwrap();
    }
    call(&upstream, &caller("bob", Some(4)), tool_call()).await.unwrap();
    until_ended(&server, &["s-1"]).await;
    call(&upstream, &caller("carol", Some(5)), tool_call()).await.unwrap();
    until_ended(&server, &["s-1", "s-2"]).await;
    // All of them hold one now: nobody has to give way.
    let failure = call(&upstream, &caller("dave", Some(6)), tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Busy(_)), "{failure:?}");
}

#[tokio::test]
async fn who_opens_very_many_sessions_gives_way_before_others_do() {
    let (server, upstream) = bounded(config::Limits { sessions: 3, ..config::Limits::default() }).await;
    call(&upstream, &caller("bob", None), tool_call()).await.unwrap();
    for session in 1..=3 {
        call(&upstream, &caller("alice", Some(session)), tool_call()).await.unwrap();
    }
    until_ended(&server, &["s-2"]).await;
    call(&upstream, &caller("bob", None), tool_call()).await.unwrap();
    assert_eq!(server.count("initialize"), 4);
}

#[tokio::test]
async fn one_caller_holds_no_more_than_their_share() {
    let limits = config::Limits { sessions_per_principal: 2, ..config::Limits::default() };
    let (server, upstream) = bounded(limits).await;
    call(&upstream, &caller("bob", Some(9)), tool_call()).await.unwrap();
    for session in 1..=3 {
        call(&upstream, &caller("alice", Some(session)), tool_call()).await.unwrap();
    }
    until_ended(&server, &["s-2"]).await;
}

#[tokio::test]
async fn gateways_own_session_needs_no_callers_place() {
    let (server, upstream) = bounded(config::Limits { sessions: 1, ..config::Limits::default() }).await;
    call(&upstream, &caller("alice", Some(1)), tool_call()).await.unwrap();
    upstream.upkeep(None, Upkeep::Ping).await.unwrap();
    assert_eq!(server.count("initialize"), 2);
}

#[tokio::test]
async fn stream_that_says_where_it_goes_on_is_taken_up() {
    let inner = legacy(|_| raw_stream("id: e1\nretry: 1\ndata:\n\n".to_owned()));
    let asked = std::sync::Mutex::new(json!(null));
    let server = Server::start(move |seen: &Seen| match (seen.verb.as_str(), seen.header("last-event-id")) {
        ("GET", Some("e1")) => {
            let progress = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": 1 } });
            raw_stream(format!("id: e2\ndata: {progress}\n\n"))
        }
        ("GET", Some("e2")) => {
            let id = asked.lock().unwrap().clone();
            stream(&[json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [{ "type": "text", "text": "at last" }] } })])
        }
        _ => {
            if seen.method() == "tools/call" {
                *asked.lock().unwrap() = seen.body["id"].clone();
            }
            inner(seen)
        }
    })
    .await;
    let mut chatty = tool_call();
    chatty.logs = Logs::ServersChoice;
    let (notifications, outcome) = call(&upstream(&server), &alice(), chatty).await.unwrap();
    assert_eq!((notifications.len(), text(&outcome)), (1, "at last"));
    assert_eq!(server.count("tools/call"), 1);
    let resumed: Vec<_> = server.seen().into_iter().filter(|seen| seen.verb == "GET").collect();
    assert!(resumed.iter().all(|seen| seen.header("mcp-session-id") == Some("s-1")));
}

#[tokio::test]
async fn stream_that_is_not_taken_up_is_lost_and_never_sent_again() {
    let server = Server::start(legacy(|_| raw_stream("id: e1\nretry: 1\ndata:\n\n".to_owned()))).await;
    let failure = call(&upstream(&server), &alice(), tool_call()).await.unwrap_err();
    assert!(matches!(failure, UpstreamError::Lost(_)), "{failure:?}");
    assert_eq!(server.count("tools/call"), 1);
}
