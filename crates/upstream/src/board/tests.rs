//! Each interest is counted, and each notice reaches whom it concerns.

use super::*;
use crate::inbox::{InboxBounds, Notice};

fn inbox() -> Inbox {
    Inbox::new(InboxBounds { notices: 8, bytes: 10_000 })
}

async fn uris(inbox: &Inbox) -> Vec<String> {
    let mut uris = Vec::new();
    while !inbox.is_empty() {
        match inbox.next().await {
            Notice::Updated { update, .. } => uris.push(update.uri.to_string()),
            other => uris.push(format!("{other:?}")),
        }
    }
    uris
}

#[tokio::test]
async fn a_resource_is_wanted_until_the_last_one_lets_go() {
    let board = Board::new("legal".into());
    let (alice, bob) = (inbox(), inbox());
    let first = board.watch_resource("doc://a", &alice);
    let second = board.watch_resource("doc://a", &bob);
    board.held("doc://a");
    assert!(first.settled().await.is_ok() && second.settled().await.is_ok());
    drop(first);
    assert_eq!(board.wanted().len(), 1);
    board.tell_update(&Update::bare("doc://a"));
    assert!(alice.is_empty());
    assert_eq!(uris(&bob).await, ["doc://a"]);
    drop(second);
    assert!(board.wanted().is_empty() && board.is_empty());
}

#[tokio::test]
async fn an_update_reaches_those_above_it_once_and_nobody_beside_it() {
    let board = Board::new("legal".into());
    let (above, beside) = (inbox(), inbox());
    let _tickets = [
        board.watch_resource("doc://a/b", &above),
        board.watch_resource("doc://a/", &above),
        board.watch_resource("doc://a/bc", &beside),
        board.watch_resource("doc://a/b/c/d", &beside),
    ];
    board.tell_update(&Update::bare("doc://a/b/c"));
    assert_eq!(uris(&above).await, ["doc://a/b/c"]);
    assert!(beside.is_empty());
}

#[tokio::test]
async fn a_refusal_reaches_who_waits_and_is_asked_again_by_the_next() {
    let board = Board::new("legal".into());
    let inbox = inbox();
    let ticket = board.watch_resource("doc://a", &inbox);
    board.refuse_waiting(&NotSubscribed::Unsupported);
    assert!(matches!(ticket.settled().await, Err(NotSubscribed::Unsupported)));
    assert!(board.wanted().is_empty());
    let _again = board.watch_resource("doc://a", &inbox);
    assert_eq!(board.wanted().len(), 1);
}

#[test]
fn the_uris_above_one() {
    assert_eq!(
        above("a://b/c?d").collect::<Vec<_>>(),
        ["a://b/c?d", "a:", "a:/", "a:/", "a://", "a://b", "a://b/", "a://b/c", "a://b/c?"]
    );
    assert_eq!(above("plain").collect::<Vec<_>>(), ["plain"]);
}
