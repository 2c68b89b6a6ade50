use mcp::{Body, Message, Raw};
use serde_json::json;

use super::state::{NOTIFICATION_BYTES_MAX, NOTIFICATIONS_MAX};
use super::*;
use crate::Logs;
use crate::relay::Asks;

fn waiter() -> Arc<Waiter> {
    let relay = Relay { id: 1, progress: None, logs: Logs::Off, asks: Asks::default() };
    Waiter::new(relay, Role::Call, Arc::new(Notify::new()), mpsc::channel(1).0.downgrade())
}

fn note(text: &str) -> Payload {
    Raw::string(text).into()
}

fn response() -> Response {
    let text = json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string();
    match Body::from_server(text.into(), 8) {
        Ok(Body::Single(Message::Response(response))) => response,
        other => panic!("{other:?}"),
    }
}

async fn drain(waiter: &Waiter) -> Vec<String> {
    let mut texts = Vec::new();
    while let Ok(Event::Notification(payload)) = waiter.next().await {
        texts.push(payload.into_raw().to_text().unwrap().into_owned());
    }
    texts
}

#[tokio::test]
async fn progress_gives_way_to_newer_progress_and_logs_stay() {
    let waiter = waiter();
    waiter.push(Grain::Other, &note("log"));
    let lost: usize =
        (0..NOTIFICATIONS_MAX * 3).map(|n| waiter.push(Grain::Progress, &note(&n.to_string()))).sum();
    waiter.answer(response());
    let kept = drain(&waiter).await;
    assert_eq!(kept.first().map(String::as_str), Some("log"));
    assert_eq!(kept.last(), Some(&(NOTIFICATIONS_MAX * 3 - 1).to_string()));
    assert_eq!(kept.len() + lost, NOTIFICATIONS_MAX * 3 + 1);
}

#[tokio::test]
async fn oldest_logs_are_lost_first() {
    let waiter = waiter();
    for n in 0..=NOTIFICATIONS_MAX {
        waiter.push(Grain::Other, &note(&n.to_string()));
    }
    waiter.answer(response());
    let kept = drain(&waiter).await;
    assert_eq!((kept.len(), kept[0].as_str()), (NOTIFICATIONS_MAX, "1"));
}

#[tokio::test]
async fn bytes_are_bounded_too_and_one_large_message_passes() {
    let waiter = waiter();
    let large = "x".repeat(NOTIFICATION_BYTES_MAX / 2);
    for _ in 0..3 {
        waiter.push(Grain::Other, &note(&large));
    }
    waiter.push(Grain::Other, &note(&large.repeat(4)));
    waiter.answer(response());
    assert_eq!(drain(&waiter).await.len(), 1);
}

#[tokio::test]
async fn second_answer_changes_nothing() {
    let waiter = waiter();
    waiter.answer(response());
    waiter.fail(|_| UpstreamError::Cancelled);
    assert!(matches!(waiter.next().await, Ok(Event::Final(_))));
    assert!(matches!(waiter.next().await, Err(UpstreamError::Cancelled)));
}

#[tokio::test]
async fn failure_tells_whether_the_server_may_have_seen_the_request() {
    let how_far = |waiter: &Waiter| {
        let mut seen = None;
        waiter.fail(|how_far| {
            seen = Some(how_far);
            UpstreamError::Cancelled
        });
        seen.unwrap()
    };
    let unsent = waiter();
    assert_eq!(how_far(&unsent), GivenUp::Unsent);

    let refused = waiter();
    assert!(refused.begin_write());
    refused.nothing_written();
    assert_eq!(how_far(&refused), GivenUp::Unsent);

    let partly = waiter();
    assert!(partly.begin_write());
    assert_eq!(how_far(&partly), GivenUp::Sent);
}

#[tokio::test]
async fn given_up_before_it_was_written_it_is_never_written() {
    let waiter = waiter();
    waiter.give_up();
    assert!(!waiter.begin_write());
    assert_eq!(waiter.given_up(), Some(GivenUp::Unsent));
}

#[tokio::test]
async fn progress_for_a_request_that_was_not_written_does_not_keep_it_from_being_written() {
    let waiter = waiter();
    waiter.push(Grain::Progress, &note("forged"));
    assert!(waiter.begin_write());
}

#[tokio::test]
async fn what_waits_holds_on_to_nothing_but_itself() {
    let waiter = waiter();
    let received = bytes::Bytes::from(vec![b'x'; 1 << 20]);
    waiter.push(Grain::Other, &received.slice(..4).into());
    assert!(received.is_unique());
    let Ok(Event::Notification(payload)) = waiter.next().await else { panic!("nothing waits") };
    assert_eq!(payload.into_bytes(), "xxxx");
}
