//! The message reader, against serde_json, and the splicer.

use bytes::Bytes;
use mcp::{Body, Edit, Malformed, Message, Object, Raw, Splice};
use serde::de::IgnoredAny;

/// Levels of nesting. Below the bound of the parser that the result is compared with.
const DEPTH_MAX: usize = 64;

/// A text is taken for a message only if another parser takes it for JSON too, and it stays JSON when it is changed.
pub fn envelope(data: &[u8]) {
    let text = Bytes::copy_from_slice(data);
    for read in [Body::from_client, Body::from_server] {
        match read(text.clone(), DEPTH_MAX) {
            Ok(body) => {
                assert!(is_json(data), "taken and no JSON");
                messages(body).for_each(|message| inspect(&message));
            }
            Err(Malformed::Syntax { .. }) => assert!(!is_json(data), "JSON and refused for its syntax"),
            Err(_) => {}
        }
    }
}

fn messages(body: Body) -> impl Iterator<Item = Message> {
    let (single, batch) = match body {
        Body::Single(message) => (Some(message), Vec::new()),
        Body::Batch(members) => (None, members),
    };
    single.into_iter().chain(batch.into_iter().flatten())
}

fn inspect(message: &Message) {
    match message {
        Message::Request(request) => change(&request.params),
        Message::Notification(notification) => change(&notification.params),
        Message::Response(response) => {
            if let Some(id) = &response.id_text {
                let mut splice = Splice::of(&response.text);
                splice.replace(id, Raw::number(7));
                assert_json(&splice.finish().into_bytes());
            }
        }
    }
}

/// Nothing changed is the same text; a member set, replaced or removed leaves an object with the others.
fn change(object: &Object) {
    assert_eq!(Edit::of(object).finish().into_bytes(), object.text().to_bytes());
    let edited =
        Edit::of(object).set("_meta", Raw::string("x")).remove("name").set("added", Raw::number(1)).finish();
    let edited = edited.into_bytes();
    assert_json(&edited);
    let edited = Raw::parse(std::str::from_utf8(&edited).expect("the text of an object is UTF-8"))
        .expect("it is JSON");
    let edited = Object::of(&edited).expect("it is an object");
    assert_eq!(edited.get("_meta"), Some(Raw::string("x")));
    assert_eq!(edited.get("name"), None);
    for (key, value) in object.iter().filter(|(key, _)| !["_meta", "name", "added"].contains(&key.as_ref())) {
        assert_eq!(edited.get(&key), Some(value), "{key:?}");
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[track_caller]
fn assert_json(text: &[u8]) {
    assert!(is_json(text), "no JSON: {}", String::from_utf8_lossy(text));
}
