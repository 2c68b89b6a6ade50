//! Nothing that matters is lost, and nothing grows.

use super::*;

const BOUNDS: InboxBounds = InboxBounds { notices: 4, bytes: 1000 };

fn update(uri: &str, text: &str) -> Update {
    Update { uri: uri.into(), text: Raw::string(text) }
}

fn target() -> Arc<str> {
    "legal".into()
}

fn drain(inbox: &Inbox) -> Vec<String> {
    let mut waiting = inbox.waiting();
    std::iter::from_fn(|| waiting.take())
        .map(|notice| match notice {
            Notice::Lists { kinds, .. } => format!("{kinds:?}"),
            Notice::Updated { update, .. } => update.text.as_str().to_owned(),
            Notice::Log { text, .. } => format!("log {}", text.as_str()),
            Notice::Anything => "anything".to_owned(),
        })
        .collect()
}

#[test]
fn of_one_resource_only_the_newest_update_waits() {
    let inbox = Inbox::new(BOUNDS);
    for text in ["a1", "a2", "a3"] {
        inbox.updated(&target(), &update("a", text));
    }
    inbox.updated(&target(), &update("b", "b1"));
    inbox.lists(&target(), &[Kind::Tool]);
    inbox.lists(&target(), &[Kind::Tool]);
    assert_eq!(drain(&inbox), ["{Tool}", "\"a3\"", "\"b1\""]);
    assert!(inbox.is_empty());
}

#[test]
fn too_many_updates_become_one_note_that_anything_may_have_changed() {
    let inbox = Inbox::new(BOUNDS);
    for uri in ["a", "b", "c", "d", "e", "f"] {
        inbox.updated(&target(), &update(uri, uri));
    }
    assert_eq!(drain(&inbox), ["anything"]);
    inbox.updated(&target(), &update("a", "again"));
    assert_eq!(drain(&inbox), ["\"again\""]);
}

#[test]
fn log_messages_give_way_and_updates_do_not() {
    let inbox = Inbox::new(BOUNDS);
    for text in ["1", "2", "3", "4", "5"] {
        inbox.log(None, &Raw::string(text));
    }
    inbox.updated(&target(), &update("a", "a"));
    assert_eq!(drain(&inbox), ["log \"3\"", "log \"4\"", "log \"5\"", "\"a\""]);
    inbox.log(None, &Raw::string(&"x".repeat(2000)));
    assert!(inbox.is_empty(), "a message larger than the inbox is not kept");
}

#[tokio::test]
async fn a_reader_is_woken_by_what_arrives() {
    let inbox = Inbox::new(BOUNDS);
    let reader = tokio::spawn({
        let inbox = inbox.clone();
        async move { inbox.next().await }
    });
    tokio::task::yield_now().await;
    inbox.anything();
    assert!(matches!(reader.await, Ok(Notice::Anything)));
}
