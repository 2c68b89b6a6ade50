//! The scanner against serde_json, which we did not write, and against what it must refuse on top.

use portcullis_mcp as mcp;

use mcp::Malformed;
use mcp::scan::{Sender, scan};
use proptest::prelude::*;

fn client(text: &str) -> Result<(), Malformed> {
    scan(text.as_bytes(), 64, Sender::Client)
}

/// JSON without duplicate keys, so that both parsers must agree.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_filter("JSON has no NaN", |n| n.is_finite()).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::btree_map("[a-z\"\\\\é]{0,12}", inner, 0..8)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_serde_writes_is_accepted(value in json()) {
        prop_assert_eq!(client(&value.to_string()), Ok(()));
        prop_assert_eq!(client(&serde_json::to_string_pretty(&value).unwrap()), Ok(()));
    }

    #[test]
    fn a_damaged_text_is_accepted_only_if_serde_accepts_it(value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = value.to_string().into_bytes();
        let index = at.index(text.len());
        text[index] = byte;
        if scan(&text, 128, Sender::Server).is_ok() {
            // A lone surrogate is well-formed JSON that serde refuses to decode.
            let parsed: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(&text);
            prop_assert!(parsed.is_ok(), "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = scan(&bytes, 64, Sender::Client);
    }

    #[test]
    fn what_serde_accepts_is_refused_only_for_a_named_reason(text in "[\\[\\]{}:,\"\\\\ut0-9eE+.\\-nrlfas ]{0,24}") {
        let serde = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        match client(&text) {
            Ok(()) => prop_assert!(serde),
            Err(Malformed::Syntax { .. }) => prop_assert!(!serde, "{}", text),
            Err(_) => {}
        }
    }
}

#[test]
fn a_key_twice_in_one_object_is_refused_however_it_is_spelt() {
    for text in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":[{"b":{"a":1,"c":2,"a":3}}]}"#] {
        assert_eq!(client(text), Err(Malformed::DuplicateKey { key: "a".into() }), "{text}");
    }
    assert_eq!(client(r#"{"a":{"a":1},"b":{"a":1}}"#), Ok(()));
}

#[test]
fn a_server_may_repeat_keys_below_the_envelope_only() {
    let server = |text: &str| scan(text.as_bytes(), 64, Sender::Server);
    assert_eq!(server(r#"{"result":{"a":1,"a":2}}"#), Ok(()));
    assert!(matches!(server(r#"{"result":1,"result":2}"#), Err(Malformed::DuplicateKey { .. })));
    assert!(matches!(server(r#"[{"result":1,"result":2}]"#), Err(Malformed::DuplicateKey { .. })));
}

#[test]
fn a_routing_key_in_another_case_is_refused() {
    for text in [
        r#"{"Method":"x"}"#,
        r#"{"method":"x","params":{"Name":"a"}}"#,
        r#"{"paramſ":{}}"#,
        r#"{"\u212Aey":1,"params":{"ſ":1,"_META":{}}}"#,
        r#"{"params":{"_meta":{"ProgressToken":1}}}"#,
        r#"{"params":{"taskID":"t"}}"#,
        r#"{"params":{"ref":{"Type":"ref/prompt"}}}"#,
        r#"{"params":{"ref":{"type":"ref/prompt","NAME":"a"}}}"#,
        r#"[{"params":{"ref":{"type":"ref/resource","Ur\u0069":"file:///a"}}}]"#,
        r#"[{"ID":1}]"#,
    ] {
        assert!(matches!(client(text), Err(Malformed::CaseVariant { .. })), "{text}");
    }
    for text in [
        r#"{"params":{"name":"a","arguments":{"Name":1,"name":2,"ref":{"Type":1}}}}"#,
        r#"{"params":{"ref":{"type":"ref/prompt","name":"a","title":"b"},"argument":{"Name":"a","name":"b"}}}"#,
        r#"{"ref":{"Type":1}}"#,
    ] {
        assert_eq!(client(text), Ok(()), "{text}");
    }
}

#[test]
fn depth_is_bounded_and_the_stack_holds() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(client(&nested(64)), Ok(()));
    assert_eq!(client(&nested(65)), Err(Malformed::TooDeep { at: 64 }));
    assert!(matches!(client(&"[".repeat(100_000)), Err(Malformed::TooDeep { .. })));
    assert!(matches!(client(&"{\"a\":".repeat(100_000)), Err(Malformed::TooDeep { .. })));
}

#[test]
fn very_many_keys_do_not_take_quadratic_time() {
    let members: Vec<String> = (0..200_000).map(|index| format!("\"k{index}\":0")).collect();
    assert_eq!(client(&format!("{{{}}}", members.join(","))), Ok(()));
}

#[test]
fn what_is_no_json_is_refused_where_it_goes_wrong() {
    for (text, at) in [
        ("", 0),
        ("\u{feff}{}", 0),
        ("{} x", 3),
        ("01", 1),
        ("+1", 0),
        ("1.", 2),
        (".5", 0),
        ("1e", 2),
        ("nul", 0),
        ("{\"a\" 1}", 5),
        ("{\"a\":1,}", 7),
        ("[1,]", 3),
        ("\"\t\"", 1),
        ("\"\\x\"", 2),
        ("\"\\u12g4\"", 2),
        ("\"abc", 4),
    ] {
        assert_eq!(client(text), Err(Malformed::Syntax { at }), "{text:?}");
    }
    assert_eq!(scan(b"\"\xff\"", 64, Sender::Client), Err(Malformed::NotUtf8 { at: 1 }));
}
