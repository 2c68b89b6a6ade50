//! What a message's scan notes of its objects is what a reading of each object by itself finds.

#![expect(clippy::unwrap_used, reason = "a test may stop where its premises do not hold")]

use bytes::Bytes;
use portcullis_mcp as mcp;

use mcp::{Body, Message, Object, Outcome, Raw};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn members(object: &Object) -> Vec<(String, String)> {
    object.iter().map(|(key, value)| (key.into_owned(), value.as_str().to_owned())).collect()
}

/// The object read by itself, from a text that nobody has scanned.
fn alone(text: &Raw) -> Object {
    Object::of(&Raw::parse(text.as_str()).unwrap()).unwrap()
}

fn assert_same(noted: &Object) {
    let alone = alone(noted.text());
    assert_eq!(members(noted), members(&alone));
    assert_eq!(noted.meta().map(members), alone.meta().map(members));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\é{},:]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            objects(inner).prop_map(Value::from),
        ]
    })
}

fn objects(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let keys = prop_oneof!["[a-c\"\\\\]{0,2}", Just("_meta".to_owned()), Just("params".to_owned())];
    prop::collection::btree_map(keys, values, 0..4).prop_map(Map::from_iter)
}

proptest! {
    #[test]
    fn parameters_and_results_have_the_members_they_have_alone(
        object in objects(values()), pretty in any::<bool>(), before in "[ \n\t]{0,3}",
    ) {
        let text = |value: &Value| {
            let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            Bytes::from(format!("{before}{}\n", text.unwrap()))
        };
        let request = text(&json!({ "jsonrpc": "2.0", "id": 1, "method": "x", "params": object }));
        match Body::from_client(request, 64) {
            Ok(Body::Single(Message::Request(request))) => assert_same(&request.params),
            other => panic!("{other:?}"),
        }
        let response = text(&json!({ "jsonrpc": "2.0", "id": 1, "result": object }));
        match Body::from_server(response, 64) {
            Ok(Body::Single(Message::Response(response))) => assert_same(response.result().unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn of_two_equal_keys_of_a_server_the_first_is_found_in_both_readings() {
    let text = br#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"a":1},"_meta":{"b":2}}}"#;
    match Body::from_server(Bytes::from_static(text), 64) {
        Ok(Body::Single(Message::Response(response))) => {
            assert_same(response.result().unwrap());
            assert!(matches!(response.outcome, Outcome::Result(_)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_of_a_batch_are_read_too() {
    let text = br#"[{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":{"b":1}}},{"jsonrpc":"2.0","method":"y","params":{}}]"#;
    let Ok(Body::Batch(messages)) = Body::from_client(Bytes::from_static(text), 64) else {
        panic!("not a batch")
    };
    for message in messages {
        match message.unwrap() {
            Message::Request(request) => assert_same(&request.params),
            Message::Notification(notification) => assert_same(&notification.params),
            Message::Response(response) => panic!("{response:?}"),
        }
    }
}
