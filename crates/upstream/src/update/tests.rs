//! What is kept of a server's notification.

use bytes::Bytes;
use mcp::{Body, Message};

use super::*;

#[test]
fn an_update_holds_on_to_nothing_but_itself() {
    for params in [
        r#"{"uri":"a"}"#,
        r#"{"uri":"a","_meta":{}}"#,
        r#"{"uri":"a","_meta":{"x":1}}"#,
        r#"{"uri":"a","_meta":{"io.modelcontextprotocol/subscriptionId":1}}"#,
    ] {
        let text = format!(r#"[{{"jsonrpc":"2.0","method":"{UPDATED}","params":{params}}}]"#);
        let received = Bytes::from(text.into_bytes());
        let Ok(Body::Batch(messages)) = Body::from_server(received.clone(), 64) else {
            panic!("{params} is no batch");
        };
        let update = messages.into_iter().flatten().find_map(|message| match message {
            Message::Notification(notification) => Update::of(&notification),
            _ => None,
        });
        assert_eq!(update.as_ref().map(|update| &*update.uri), Some("a"));
        assert!(received.is_unique(), "{params}");
    }
}
