//! What a client is told is written in its era's way, and says to which of its subscriptions it belongs.

#![expect(clippy::unwrap_used, reason = "a test may stop where its premises do not hold")]

use mcp::{Id, Kind, Message, Object, Payload, Raw};
use portcullis_exchange::{Reader, notify};
use serde_json::{Value, json};
use upstream::Update;

fn id(text: &str) -> Id {
    Id::of(&Raw::parse(text).unwrap()).unwrap()
}

fn value(payload: Payload) -> Value {
    payload.into_raw().to_value()
}

fn update(text: &str) -> Update {
    let update = match Message::of(&Raw::parse(text).unwrap()) {
        Ok(Message::Notification(notification)) => Update::of(&notification),
        _ => None,
    };
    update.unwrap()
}

const TEXT: &str = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://b","x":1.50,"_meta":{"io.modelcontextprotocol/subscriptionId":17,"k":1}}}"#;

#[test]
fn an_update_reaches_a_session_as_its_server_wrote_it_without_the_servers_subscription() {
    let told = notify::updated(&update(TEXT), &Reader::Session).into_raw();
    assert_eq!(told.as_str(), TEXT.replace(r#""io.modelcontextprotocol/subscriptionId":17,"#, ""));
}

#[test]
fn a_listener_is_told_under_its_own_id_as_it_wrote_it() {
    let task = r#"{"taskId":"t","_meta":{"io.modelcontextprotocol/subscriptionId":17}}"#;
    let task = Object::of(&Raw::parse(task).unwrap()).unwrap();
    for written in ["1", "\"1\"", "12345678901234567890123", "1.0"] {
        let reader = Reader::Listener(id(written));
        let tagged = format!(r#""io.modelcontextprotocol/subscriptionId":{written}"#);
        let bare = Update::bare("a://b");
        for told in [
            notify::updated(&update(TEXT), &reader),
            notify::updated(&bare, &reader),
            notify::list_changed(Kind::Tool, &reader),
            notify::acknowledged(&id(written), &json!({})),
            notify::concluded(&id(written)),
            notify::task(&task, &id(written)),
        ] {
            let text = told.into_raw();
            assert_eq!(text.as_str().matches("subscriptionId").count(), 1, "{text:?}");
            assert!(text.as_str().contains(&tagged), "{text:?}");
        }
    }
}

#[test]
fn a_task_is_told_as_it_was_answered_but_is_no_result() {
    let task = r#"{"resultType":"complete","taskId":"t","n":1.50,"_meta":{"k":1}}"#;
    let told = notify::task(&Object::of(&Raw::parse(task).unwrap()).unwrap(), &id("7")).into_raw();
    let params = r#"{"taskId":"t","n":1.50,"_meta":{"k":1,"io.modelcontextprotocol/subscriptionId":7}}"#;
    assert_eq!(
        told.as_str(),
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{params}}}"#)
    );
}

#[test]
fn templates_are_told_of_with_the_resources() {
    let told = value(notify::list_changed(Kind::Template, &Reader::Session));
    assert_eq!(told, json!({ "jsonrpc": "2.0", "method": "notifications/resources/list_changed" }));
}

#[test]
fn an_update_that_could_be_read_in_two_ways_says_only_what_changed() {
    let twice = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://b","uri":"a://c"}}"#;
    let large = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"a://b","x":"{}"}}}}"#,
        "x".repeat(20_000)
    );
    for text in [twice, &large] {
        let update = update(text);
        let told = value(notify::updated(&update, &Reader::Session));
        assert_eq!(told["params"], json!({ "uri": &*update.uri }));
    }
}
