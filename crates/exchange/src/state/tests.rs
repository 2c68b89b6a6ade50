use identity::{Principal, Verified};

use super::*;

fn binding(subject: &str, gateway: &str, method: Method, params: &str) -> Vec<u8> {
    let principal = Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() });
    let params = Object::of(&Raw::parse(params).unwrap()).unwrap();
    Binding { principal: principal.key(), gateway: gateway.into(), method, params }.to_bytes()
}

fn call(params: &str) -> Vec<u8> {
    binding("alice", "corp", Method::CallTool, params)
}

#[test]
fn one_request_has_one_binding_however_it_is_written() {
    let one = call(r#"{"name":"x","arguments":{"a":1,"b":[true,"ä"]}}"#);
    for same in [
        r#"{ "arguments": { "b": [ true, "\u00e4" ], "a": 1 }, "name": "x" }"#,
        r#"{"name":"x","arguments":{"a":1,"b":[true,"ä"]},"_meta":{"x":1},"requestState":"s","inputResponses":{"k":{}}}"#,
    ] {
        assert_eq!(call(same), one, "{same}");
    }
}

#[test]
fn another_request_has_another() {
    let one = call(r#"{"name":"x","arguments":{"a":1}}"#);
    for other in [
        r#"{"name":"y","arguments":{"a":1}}"#,
        r#"{"name":"x","arguments":{"a":2}}"#,
        r#"{"name":"x","arguments":{"a":1,"b":1}}"#,
        r#"{"name":"x","arguments":{"a":"1"}}"#,
        r#"{"name":"x","arguments":{"a":[1]}}"#,
        r#"{"name":"x"}"#,
        r#"{"name":"x","arguments":{"a":1},"x":{}}"#,
    ] {
        assert_ne!(call(other), one, "{other}");
    }
    let params = r#"{"name":"x","arguments":{"a":1}}"#;
    assert_ne!(binding("bob", "corp", Method::CallTool, params), one);
    assert_ne!(binding("alice", "other", Method::CallTool, params), one);
    assert_ne!(binding("alice", "corp", Method::GetPrompt, params), one);
    // Large numbers are not rounded together.
    assert_ne!(call(r#"{"a":9007199254740993}"#), call(r#"{"a":9007199254740992}"#));
}

#[test]
fn continuation_survives_the_way_out_and_back() {
    let forms = HashMap::from([("k".to_owned(), json!({ "type": "object" }))]);
    for one in [
        Continuation::Server {
            target: "t".to_owned(),
            state: Some("own".to_owned()),
            forms: forms.clone(),
            known: Vec::new(),
        },
        Continuation::Server { target: "t".to_owned(), state: None, forms, known: vec!["r".to_owned()] },
        Continuation::Park { id: "i".to_owned(), owner: "o".to_owned() },
        Continuation::Anew { target: "t".to_owned() },
    ] {
        assert_eq!(Continuation::read(&one.to_bytes()), Some(one));
    }
    assert_eq!(Continuation::read(b"{}"), None);
    assert_eq!(Continuation::read(b"nonsense"), None);
}
