//! Changing a text by splicing gives the same value as changing the decoded value, and leaves the rest untouched.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop where its premises do not hold")]

use bytes::Bytes;
use portcullis_mcp as mcp;

use mcp::{Body, Edit, Message, Object, Outcome, Raw, Splice};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn raw(text: &str) -> Raw {
    Raw::value(&serde_json::from_str(text).unwrap())
}

fn object(text: &str) -> Object {
    Object::of(&Raw::parse(text).unwrap()).unwrap()
}

fn request(text: &str) -> mcp::Request {
    match Body::from_client(Bytes::copy_from_slice(text.as_bytes()), 64) {
        Ok(Body::Single(Message::Request(request))) => request,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn edits_do_what_edits_of_the_value_do(
        members in prop::collection::btree_map("[a-f]", any::<i32>(), 0..6),
        changes in prop::collection::btree_map("[a-h]", prop::option::of(any::<i32>()), 0..8),
        pretty in any::<bool>(),
    ) {
        let mut value: Map<String, Value> = members.into_iter().map(|(key, number)| (key, json!(number))).collect();
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { serde_json::to_string(&value).unwrap() };
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{text}}}"#);
        let params = request(&text).params;
        let mut edit = Edit::of(&params);
        for (key, change) in changes {
            match change {
                Some(number) => {
                    edit = edit.set(key.clone(), Raw::value(&json!(number)));
                    value.insert(key, json!(number));
                }
                None => {
                    edit = edit.remove(key.clone());
                    value.remove(&key);
                }
            }
        }
        let edited = edit.finish().into_bytes();
        prop_assert_eq!(serde_json::from_slice::<Value>(&edited).unwrap(), Value::Object(value));
    }

    #[test]
    fn removing_by_prefix_leaves_what_others_wrote(
        members in prop::collection::btree_map("[ab]/[a-d]", any::<i32>(), 0..8),
        pretty in any::<bool>(),
    ) {
        let mut value: Map<String, Value> = members.into_iter().map(|(key, number)| (key, json!(number))).collect();
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { serde_json::to_string(&value).unwrap() };
        let object = object(&text);
        let edited = Edit::of(&object).remove_where(|key| key.starts_with("a/")).set("a/own", Raw::number(1)).finish();
        value.retain(|key, _| !key.starts_with("a/"));
        value.insert("a/own".into(), json!(1));
        prop_assert_eq!(serde_json::from_slice::<Value>(&edited.into_bytes()).unwrap(), Value::Object(value));
    }

    #[test]
    fn no_bytes_make_a_message_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Body::from_client(Bytes::from(bytes.clone()), 64);
        let _ = Body::from_server(Bytes::from(bytes), 64);
    }
}

#[test]
fn spelling_and_order_survive_around_a_change() {
    let text = r#"{ "z" : 1.10 , "name":"old", "n":12345678901234567890123,"e":1e400 ,"u":"\u00e9\/" }"#;
    let params = request(&format!(r#"{{"jsonrpc":"2.0","method":"m","params":{text},"id":1.0}}"#)).params;
    let changed = Edit::of(&params).set("name", Raw::string("new")).finish().into_bytes();
    assert_eq!(changed, text.replace("\"old\"", "\"new\""));
}

#[test]
fn a_nested_part_is_replaced_in_the_whole() {
    let whole = r#"{"jsonrpc":"2.0","id":7,"result":{"a":[1,2],"b":{"c":3}}}"#;
    let Ok(Body::Single(Message::Response(response))) = Body::from_server(Bytes::from(whole), 64) else {
        panic!()
    };
    let Outcome::Result(result) = &response.outcome else { panic!() };
    let object = Object::of(result).unwrap();
    let mut splice = Splice::of(&response.text);
    splice.replace(response.id_text.as_ref().unwrap(), Raw::string("client"));
    splice.apply(Edit::of(&object).remove("a").set("d", Raw::number(4)));
    let changed = splice.finish().into_bytes();
    assert_eq!(changed, r#"{"jsonrpc":"2.0","id":"client","result":{"b":{"c":3},"d":4}}"#);
}

#[test]
fn a_key_that_stands_twice_is_removed_twice_and_set_once() {
    let twice = object(r#"{"a":1,"\u0061":2,"b":3,"a":4}"#);
    assert_eq!(Edit::of(&twice).remove("a").finish().into_bytes(), r#"{"b":3}"#);
    assert_eq!(Edit::of(&twice).remove_where(|key| key == "a").finish().into_bytes(), r#"{"b":3}"#);
    assert_eq!(Edit::of(&twice).set("a", Raw::number(9)).finish().into_bytes(), r#"{"a":9,"b":3}"#);
}

#[test]
fn the_last_change_to_a_key_counts() {
    let absent = object(r#"{"b":3}"#);
    let set_twice =
        Edit::of(&absent).set("z", Raw::number(1)).set("a", Raw::number(2)).set("z", Raw::number(3));
    assert_eq!(set_twice.finish().into_bytes(), r#"{"b":3,"a":2,"z":3}"#);
    let unset = Edit::of(&absent).set("a", Raw::number(1)).remove("a");
    assert_eq!(unset.finish().into_bytes(), r#"{"b":3}"#);
}

#[test]
fn what_is_set_stays_though_its_kind_is_removed() {
    let forged = object(r#"{"own/a":1,"x":2,"own/b":3}"#);
    let edited = Edit::of(&forged).remove_where(|key| key.starts_with("own/")).set("own/b", Raw::number(7));
    assert_eq!(edited.finish().into_bytes(), r#"{"x":2,"own/b":7}"#);
}

#[test]
fn very_many_changes_do_not_take_quadratic_time() {
    let members: Vec<String> = (0..200_000).map(|index| format!("\"k\\u002f{index}\":0")).collect();
    let many = object(&format!("{{{}}}", members.join(",")));
    let changed = (0..200_000).fold(Edit::of(&many), |edit, index| edit.remove(format!("k/{index}")));
    assert_eq!(changed.finish().into_bytes(), "{}");
    assert_eq!(Edit::of(&many).remove_where(|key| key.starts_with("k/")).finish().into_bytes(), "{}");
}

#[test]
fn a_key_that_stands_twice_is_seen_however_it_is_spelt() {
    assert!(object(r#"{"a":1,"b":2,"\u0061":3}"#).has_duplicate_keys());
    for text in ["{}", r#"{"a":1}"#, r#"{"a":{"b":1,"b":2},"b":1,"A":1}"#] {
        assert!(!object(text).has_duplicate_keys(), "{text}");
    }
}

#[test]
fn a_part_of_another_text_changes_nothing() {
    let mut splice = Splice::of(&raw(r#"{"a":1}"#));
    splice.replace(&raw(r#"{"b":2}"#), Bytes::from_static(b"3"));
    assert_eq!(splice.finish().into_bytes(), r#"{"a":1}"#);
}

#[test]
fn ids_keep_their_spelling_and_compare_by_value() {
    let key = |text: &str| {
        mcp::Id::of(&request(&format!(r#"{{"jsonrpc":"2.0","method":"m","id":{text}}}"#)).id.text().clone())
            .unwrap()
            .key()
    };
    assert_eq!(key("1"), key("1.0"));
    assert_ne!(key("1"), key("\"1\""));
    assert_eq!(key("\"a\""), key("\"\\u0061\""));
    assert_eq!(request(r#"{"jsonrpc":"2.0","method":"m","id":1.0}"#).id.to_string(), "1.0");
}

#[test]
fn what_is_no_message_is_refused() {
    for text in [
        "[]]",
        "1",
        r#"{"id":1,"method":"m"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
    ] {
        assert!(Body::from_client(Bytes::copy_from_slice(text.as_bytes()), 64).is_err(), "{text}");
    }
}

#[test]
fn one_bad_member_does_not_spoil_a_batch() {
    let text =
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0"},{"jsonrpc":"2.0","method":"n"}]"#;
    let Ok(Body::Batch(messages)) = Body::from_client(Bytes::from(text), 64) else { panic!() };
    assert!(matches!(messages[..], [Ok(Message::Request(_)), Err(_), Ok(Message::Notification(_))]));
}
