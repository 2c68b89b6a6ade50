use bytes::Bytes;
use mcp::Body;
use serde_json::{Value, json};

use super::*;

fn message(value: &Value) -> Message {
    match Body::from_server(Bytes::from(value.to_string()), 64) {
        Ok(Body::Single(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn relay(logs: Logs) -> Relay {
    Relay { id: 7, progress: Some(ProgressToken::new(Raw::string("mine"))), logs, asks: Asks::default() }
}

fn delivered(relay: &Relay, value: &Value) -> Option<String> {
    match relay.judge(message(value)) {
        Verdict::Deliver(Event::Notification(text)) => Some(text.into_raw().as_str().to_owned()),
        Verdict::Deliver(Event::Final(response)) => Some(response.text.as_str().to_owned()),
        _ => None,
    }
}

#[test]
fn only_its_own_response_is_the_answer() {
    let relay = relay(Logs::Off);
    for (id, own) in
        [(json!(7), true), (json!(7.0), true), (json!("7"), false), (json!(8), false), (json!(-7), false)]
    {
        let text = json!({ "jsonrpc": "2.0", "id": id, "result": {} });
        assert_eq!(delivered(&relay, &text).is_some(), own, "{id}");
    }
    let unread = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "?" } });
    assert!(delivered(&relay, &unread).is_some());
    let nobodys = json!({ "jsonrpc": "2.0", "id": null, "result": {} });
    assert!(delivered(&relay, &nobodys).is_none());
}

#[test]
fn progress_gets_the_clients_token_and_keeps_its_numbers() {
    let text = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.50,"progressToken":7,"total":1e3}}"#;
    let Ok(Body::Single(message)) = Body::from_server(Bytes::from_static(text.as_bytes()), 64) else {
        panic!()
    };
    let Verdict::Deliver(Event::Notification(text)) = relay(Logs::Off).judge(message) else { panic!() };
    assert_eq!(
        text.into_raw().as_str(),
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.50,"progressToken":"mine","total":1e3}}"#
    );
}

#[test]
fn a_notification_that_can_be_read_in_two_ways_is_dropped() {
    for params in [
        r#""progressToken":7,"progress":1,"progressToken":"somebody's""#,
        r#""progressToken":7,"_meta":{"k":1,"\u006b":2}"#,
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{{params}}}}}"#);
        let Ok(Body::Single(message)) = Body::from_server(Bytes::from(text), 64) else { panic!() };
        assert!(matches!(relay(Logs::Off).judge(message), Verdict::Drop(_)), "{params}");
    }
}

#[test]
fn progress_nobody_asked_for_is_dropped() {
    let silent = Relay { progress: None, ..relay(Logs::Off) };
    let progress = |token: Value| json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": token } });
    assert!(delivered(&silent, &progress(json!(7))).is_none());
    assert!(delivered(&relay(Logs::Off), &progress(json!("7"))).is_none());
    assert!(delivered(&relay(Logs::Off), &progress(json!(8))).is_none());
}

#[test]
fn log_passes_at_the_wanted_level_only() {
    let log = |level: &str| json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": level, "data": 1 } });
    for (logs, level, passes) in [
        (Logs::Off, "emergency", false),
        (Logs::ServersChoice, "debug", true),
        (Logs::ServersChoice, "chatty", true),
        (Logs::From(Level::Warning), "error", true),
        (Logs::From(Level::Warning), "warning", true),
        (Logs::From(Level::Warning), "notice", false),
        (Logs::From(Level::Debug), "chatty", false),
    ] {
        assert_eq!(delivered(&relay(logs), &log(level)).is_some(), passes, "{logs:?} {level}");
    }
}

#[test]
fn unknown_notification_reaches_the_client_and_lifecycle_does_not() {
    let notification = |method: &str| json!({ "jsonrpc": "2.0", "method": method });
    let relay = relay(Logs::Off);
    assert!(delivered(&relay, &notification("notifications/x.example/news")).is_some());
    for method in
        ["notifications/tools/list_changed", "notifications/cancelled", "notifications/resources/updated"]
    {
        assert!(delivered(&relay, &notification(method)).is_none(), "{method}");
    }
}

#[test]
fn server_is_answered_its_ping_and_refused_the_rest() {
    let ask = |method: &str| match relay(Logs::Off)
        .judge(message(&json!({ "jsonrpc": "2.0", "id": "q", "method": method })))
    {
        Verdict::Answer(text) => text.into_raw().to_value(),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask("ping"), json!({ "jsonrpc": "2.0", "id": "q", "result": {} }));
    for method in ["sampling/createMessage", "elicitation/create", "roots/list", "tools/call"] {
        assert_eq!(ask(method)["error"]["code"], mcp::code::METHOD_NOT_FOUND, "{method}");
    }
}

#[test]
fn notifications_about_tasks_are_told_apart_and_those_of_feeds_are_dropped() {
    let relay = relay(Logs::ServersChoice);
    let said = |method: &str, params: Value| {
        relay.judge(message(&json!({ "jsonrpc": "2.0", "method": method, "params": params })))
    };
    let related = json!({ "level": "info", "data": 1, "_meta": { "io.modelcontextprotocol/related-task": { "taskId": "t" } } });
    for verdict in
        [said("notifications/tasks/status", json!({ "taskId": "t" })), said("notifications/message", related)]
    {
        assert!(matches!(verdict, Verdict::Deliver(Event::OfTask(_))), "{verdict:?}");
    }
    assert!(matches!(said("notifications/tasks", json!({ "taskId": "t" })), Verdict::Drop(_)));
}

#[test]
fn client_is_asked_what_it_can_be_asked_and_nothing_else() {
    let asks = Asks { may: Abilities::FORM, missing: Abilities::SAMPLING, most: 9, ..Asks::default() };
    let relay = Relay { asks, ..relay(Logs::Off) };
    let ask = |method: &str, params: Value| {
        relay.judge(message(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })))
    };
    assert!(matches!(ask("elicitation/create", json!({ "message": "?" })), Verdict::Ask(_, Kind::Form)));
    let url = json!({ "mode": "url", "url": "https://x.example" });
    assert!(matches!(ask("elicitation/create", url), Verdict::Answer(_)));
    let lacks = ask("sampling/createMessage", json!({ "tools": [] }));
    assert!(
        matches!(lacks, Verdict::Lacks(_, Abilities::SAMPLING)),
        "tools are not what it declared missing"
    );
    assert!(matches!(ask("roots/list", json!({})), Verdict::Answer(_)));
    assert!(matches!(ask("tools/call", json!({})), Verdict::Answer(_)));
}

#[test]
fn roots_of_the_operator_are_told_without_the_client() {
    let roots = Some(Raw::value(&json!({ "roots": [{ "uri": "file:///srv" }] })));
    let request = match message(&json!({ "jsonrpc": "2.0", "id": 1, "method": "roots/list" })) {
        Message::Request(request) => request,
        other => panic!("{other:?}"),
    };
    let told = answer_to_server(&request, roots.as_ref()).into_raw().to_value();
    assert_eq!(told["result"]["roots"][0]["uri"], "file:///srv");
    assert_eq!(answer_to_server(&request, None).into_raw().to_value()["error"]["code"], -32601);
}

#[test]
fn a_server_is_told_why_nobody_is_asked() {
    let told = |method: &str| {
        let Message::Request(request) = message(&json!({ "jsonrpc": "2.0", "id": 1, "method": method }))
        else {
            panic!("no request")
        };
        let text = answer_to_server(&request, None).into_bytes();
        let answer: Value = serde_json::from_slice(&text).unwrap();
        (answer["error"]["code"].clone(), answer["error"]["message"].as_str().unwrap().to_owned())
    };
    let (code, sentence) = told("roots/list");
    assert!(code == -32601 && sentence.contains("in the course of a call"), "{sentence}");
    let (code, sentence) = told("initialize");
    assert!(code == -32601 && sentence.contains("nothing that a server can ask"), "{sentence}");
}
