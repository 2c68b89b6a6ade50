//! What a legacy server asks on a session's own stream, beside the call that it asks for.
#![allow(clippy::allow_attributes, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::Mutex;

use mcp::Raw;
use portcullis_upstream::{Abilities, Caller, Event, Question, Reply};
use serde_json::{Value, json};
use support::*;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

/// A server that says on its sessions' own stream what it is fed.
async fn server(tool: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> (Server, Sender<String>) {
    let (feed, own) = channel(8);
    let own = once(own);
    let inner = legacy(move |seen| if seen.method().is_empty() { status(202) } else { tool(seen) });
    let script = move |seen: &Seen| match seen.verb.as_str() {
        "GET" => fed_stream(": hello\n\n", own()),
        _ => inner(seen),
    };
    (Server::start(script).await, feed)
}

fn once(receiver: Receiver<String>) -> impl Fn() -> Receiver<String> {
    let only = Mutex::new(Some(receiver));
    move || only.lock().unwrap().take().unwrap()
}

fn can_be_asked(mut caller: Caller) -> Caller {
    caller.capabilities = Raw::value(&json!({ "elicitation": {} }));
    caller.abilities = Abilities::of(&caller.capabilities);
    caller
}

fn question() -> String {
    let params = json!({ "message": "Who?", "requestedSchema": { "type": "object", "properties": {} } });
    format!(
        "data: {}\n\n",
        json!({ "jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": params })
    )
}

async fn asked(reply: &mut Reply) -> Question {
    match reply.next().await.unwrap() {
        Event::Question(question) => question,
        other => panic!("{other:?}"),
    }
}

/// What the server was told when it had asked.
async fn told(server: &Server) -> Value {
    let is_answer = |seen: &Seen| seen.method().is_empty() && seen.body["id"] == 7;
    server.until("the question is answered", |seen| seen.iter().any(is_answer)).await;
    server.seen().into_iter().find(is_answer).unwrap().body
}

#[tokio::test]
async fn question_beside_the_only_call_is_that_calls() {
    for caller in [caller("alice", Some(1)), alice()] {
        let (answer, tool) = channel(1);
        let tool = once(tool);
        let (server, feed) = server(move |_| fed_stream(": working\n\n", tool())).await;
        let upstream = upstream(&server);
        let mut reply = dispatch(&upstream, &can_be_asked(caller), tool_call()).await.unwrap();
        feed.send(question()).await.unwrap();
        asked(&mut reply).await.answer(Ok(Raw::value(&json!({ "action": "decline" }))));
        assert_eq!(told(&server).await["result"], json!({ "action": "decline" }));
        answer.send(format!("data: {}\n\n", response(&server.of("tools/call")[0], "done"))).await.unwrap();
        let Event::Final(last) = reply.next().await.unwrap() else { panic!("more than the answer") };
        assert_eq!(text(&outcome(&last)), "done");
    }
}

#[tokio::test]
async fn question_beside_two_calls_is_nobodys() {
    let gone = CancellationToken::new();
    let (server, feed) = server(move |_| open_stream(&[], &gone)).await;
    let (upstream, alice) = (upstream(&server), can_be_asked(alice()));
    let _replies = [
        dispatch(&upstream, &alice, tool_call()).await.unwrap(),
        dispatch(&upstream, &alice, tool_call()).await.unwrap(),
    ];
    feed.send(question()).await.unwrap();
    let sentence = told(&server).await["error"]["message"].clone();
    assert!(sentence.as_str().unwrap().contains("while no other is running"), "{sentence}");
}

#[tokio::test]
async fn question_that_its_call_did_not_read_is_answered_when_the_call_is_over() {
    let gone = CancellationToken::new();
    let (server, feed) = server(move |_| open_stream(&[], &gone)).await;
    let (upstream, alice) = (upstream(&server), can_be_asked(alice()));
    let reply = dispatch(&upstream, &alice, tool_call()).await.unwrap();
    feed.send(question()).await.unwrap();
    drop(reply);
    assert!(told(&server).await["error"].is_object());
}

#[tokio::test]
async fn question_of_a_server_that_answers_with_one_body_is_refused_and_not_left_open() {
    let (server, feed) = server(|_| Answer::Never).await;
    let (upstream, alice) = (upstream(&server), can_be_asked(alice()));
    let call = tokio::spawn(async move { dispatch(&upstream, &alice, tool_call()).await.map(drop) });
    server.until("the call has begun", |seen| seen.iter().any(|seen| seen.method() == "tools/call")).await;
    feed.send(question()).await.unwrap();
    assert!(told(&server).await["error"].is_object());
    call.abort();
}

#[tokio::test]
async fn stream_is_opened_only_where_somebody_can_be_asked_in_a_session_of_their_own() {
    let (server, _feed) = server(|seen| result(seen, json!({}))).await;
    call(&upstream(&server), &alice(), tool_call()).await.unwrap();
    assert!(server.seen().iter().all(|seen| seen.verb != "GET"), "nobody can be asked");
    let inner = legacy(|seen| result(seen, json!({})));
    let without_ids = Server::start(move |seen: &Seen| match seen.method() {
        "initialize" => result(seen, initialized("2025-11-25")),
        _ => inner(seen),
    })
    .await;
    call(&upstream(&without_ids), &can_be_asked(alice()), tool_call()).await.unwrap();
    assert!(without_ids.seen().iter().all(|seen| seen.verb != "GET"), "the stream would be everyone's");
}
