use identity::{Principal, Verified};

use super::*;

fn object(text: &str) -> Object {
    Object::of(&Raw::parse(text).unwrap()).unwrap()
}

fn whole(subject: &str, params: &str) -> Binding {
    let principal = Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() });
    Binding {
        principal: principal.key(),
        gateway: "corp".into(),
        target: "legal".into(),
        item: "x".to_owned(),
        method: Method::CallTool,
        params: object(params),
    }
}

fn call(params: &str) -> Vec<u8> {
    whole("alice", params).to_bytes()
}

fn asked(kind: Kind, form: Option<Value>) -> BTreeMap<String, Expected> {
    BTreeMap::from([("k".to_owned(), Expected { kind, form })])
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
    let alice = || whole("alice", params);
    for other in [
        whole("bob", params),
        Binding { gateway: "other".into(), ..alice() },
        Binding { target: "finance".into(), ..alice() },
        Binding { item: "y".to_owned(), ..alice() },
        Binding { method: Method::GetPrompt, ..alice() },
    ] {
        assert_ne!(other.to_bytes(), one, "{other:?}");
    }
    // Large numbers are not rounded together.
    assert_ne!(call(r#"{"a":9007199254740993}"#), call(r#"{"a":9007199254740992}"#));
}

#[test]
fn continuation_survives_the_way_out_and_back() {
    let spent = Spent { rounds: 1, questions: 2, sampled: 3 };
    let form = asked(Kind::Form, Some(json!({ "type": "object" })));
    for one in [
        Continuation::Server { state: Some("own".to_owned()), asked: form.clone(), known: Vec::new(), spent },
        Continuation::Server { state: None, asked: form, known: vec!["r".to_owned()], spent },
        Continuation::Server { state: None, asked: asked(Kind::Roots, None), known: Vec::new(), spent },
        Continuation::Park { id: "i".to_owned(), owner: "o".to_owned() },
        Continuation::Anew { asked: asked(Kind::Url, None), spent },
    ] {
        assert_eq!(Continuation::read(&one.to_bytes()), Some(one));
    }
    assert_eq!(Continuation::read(b"{}"), None);
    assert_eq!(Continuation::read(b"nonsense"), None);
}

#[test]
fn answer_is_held_against_what_was_asked_whatever_its_kind() {
    let spent = Spent::default();
    let nobody = audit::Intent {
        gateway: "corp".into(),
        issuer: String::new(),
        subject: String::new(),
        client: None,
        method: "tools/call".into(),
        item: String::new(),
        target: "legal".into(),
    };
    let trail = audit::Pending::open(nobody).trail();
    let of = |kind, form, answer: &str| {
        let server = Continuation::Server { state: None, asked: asked(kind, form), known: Vec::new(), spent };
        server.check(&object(&format!(r#"{{"k":{answer},"never asked":7}}"#)), &trail)
    };
    let form = || Some(json!({ "properties": { "n": { "type": "integer" } }, "required": ["n"] }));
    assert_eq!(of(Kind::Form, form(), r#"{"action":"accept","content":{"n":1}}"#), Ok(()));
    assert_eq!(of(Kind::Form, form(), r#"{"action":"decline"}"#), Ok(()));
    assert!(of(Kind::Form, form(), r#"{"action":"accept","content":{"n":"x"}}"#).is_err());
    assert!(of(Kind::Url, None, r#"{"roots":[]}"#).is_err());
    assert!(of(Kind::Sampling, None, r#"{"action":"accept"}"#).is_err());
    assert!(of(Kind::Roots, None, "7").is_err());
    let anew = Continuation::Anew { asked: asked(Kind::Url, None), spent };
    assert_eq!(anew.check(&object(r#"{"k":{"action":"accept"},"x":{"action":"decline"}}"#), &trail), Ok(()));
    assert!(anew.check(&object(r#"{"k":{"action":"decline"}}"#), &trail).is_err());
}
