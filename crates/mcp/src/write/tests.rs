use super::*;
use crate::Message;

fn read(whole: Payload) -> Message {
    Message::of(&whole.into_raw()).unwrap()
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let params = || Payload::from(Raw::parse(r#"{"a":1.50}"#).unwrap());
    let Message::Request(request) = read(request(7, "tools/\"call", params())) else { panic!("no request") };
    assert_eq!((request.id.to_u64(), request.method.as_str()), (Some(7), "tools/\"call"));
    assert_eq!(request.params.text().as_str(), r#"{"a":1.50}"#);
    let Message::Notification(told) = read(notification("notifications/x", params())) else {
        panic!("no notification")
    };
    assert_eq!((told.method.as_str(), told.params.text().as_str()), ("notifications/x", r#"{"a":1.50}"#));
    let whole = signal("notifications/x").into_raw();
    assert_eq!(whole.as_str(), r#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
}
