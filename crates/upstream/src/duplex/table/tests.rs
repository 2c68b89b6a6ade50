use mcp::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::*;
use crate::Logs;
use crate::relay::Relay;

struct Bench {
    table: Table,
    tally: Arc<Tally>,
}

impl Bench {
    fn new() -> Self {
        let tally = Arc::new(Tally::default());
        Self { table: Table::new(tally.clone()), tally }
    }

    fn open(&mut self, id: u64, role: Role) -> Arc<Waiter> {
        let progress = Some(mcp::Raw::string("theirs"));
        let relay = Relay { id, progress, logs: Logs::ServersChoice };
        let waiter = Waiter::new(relay, role, Arc::new(Notify::new()));
        assert!(waiter.begin_write());
        waiter.written();
        self.table.open(waiter.clone());
        waiter
    }

    fn sort(&mut self, message: Value) -> Left {
        match Body::from_server(message.to_string().into(), 16) {
            Ok(Body::Single(message)) => self.table.sort(message),
            other => panic!("{other:?}"),
        }
    }

    fn give_up(&mut self, waiter: &Waiter) -> Option<(u64, GivenUp)> {
        waiter.give_up();
        self.table.note_given_up();
        self.table.take_given_up()
    }
}

fn response(id: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": {} })
}

fn log() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": 1 } })
}

async fn next(waiter: &Waiter) -> Option<Event> {
    tokio::select! {
        biased;
        event = waiter.next() => Some(event.unwrap()),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn number_written_with_a_fraction_is_the_same_id_and_a_string_is_not() {
    let mut bench = Bench::new();
    let waiter = bench.open(1, Role::Call);
    bench.sort(response(json!("1")));
    bench.sort(response(json!(2)));
    assert!(next(&waiter).await.is_none());
    assert_eq!(bench.tally.stray(), 2);
    bench.sort(serde_json::from_str(r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#).unwrap());
    assert!(matches!(next(&waiter).await, Some(Event::Final(_))));
    // A second answer is nobody's.
    bench.sort(response(json!(1)));
    assert_eq!(bench.tally.stray(), 3);
}

#[tokio::test]
async fn error_without_id_counts_only_during_the_handshake() {
    let broken = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "?" } });
    let mut bench = Bench::new();
    let waiter = bench.open(1, Role::Call);
    bench.sort(broken.clone());
    assert!(next(&waiter).await.is_none());

    let mut bench = Bench::new();
    let waiter = bench.open(1, Role::Handshake);
    bench.sort(broken);
    assert!(matches!(next(&waiter).await, Some(Event::Final(_))));
}

#[tokio::test]
async fn log_goes_to_the_only_call_whatever_else_is_subscribed() {
    let mut bench = Bench::new();
    bench.open(1, Role::Subscription);
    let only = bench.open(2, Role::Call);
    bench.sort(log());
    assert!(matches!(next(&only).await, Some(Event::Notification(_))));
    bench.open(3, Role::Call);
    bench.sort(log());
    assert!(next(&only).await.is_none());
    assert_eq!(bench.tally.stray(), 1);
}

#[tokio::test(start_paused = true)]
async fn log_after_a_cancelled_call_is_dropped_for_a_while() {
    let mut bench = Bench::new();
    let cancelled = bench.open(1, Role::Call);
    assert_eq!(bench.give_up(&cancelled), Some((1, GivenUp::Sent)));
    let only = bench.open(2, Role::Call);
    bench.sort(log());
    assert!(next(&only).await.is_none());
    tokio::time::advance(ECHO).await;
    bench.sort(log());
    assert!(next(&only).await.is_some());
}

#[tokio::test]
async fn late_answer_of_a_cancelled_call_ends_its_echo() {
    let mut bench = Bench::new();
    let cancelled = bench.open(1, Role::Call);
    bench.give_up(&cancelled);
    bench.sort(response(json!(1)));
    assert_eq!(bench.tally.stray(), 0);
    let only = bench.open(2, Role::Call);
    bench.sort(log());
    assert!(next(&only).await.is_some());
}

#[tokio::test]
async fn handshake_is_never_cancelled() {
    let mut bench = Bench::new();
    let waiter = bench.open(1, Role::Handshake);
    assert_eq!(bench.give_up(&waiter), Some((1, GivenUp::Unsent)));
}

#[tokio::test]
async fn end_reaches_everyone_with_what_they_need_to_know() {
    let mut bench = Bench::new();
    let sent = bench.open(1, Role::Call);
    let relay = Relay { id: 2, progress: None, logs: Logs::Off };
    let unsent = Waiter::new(relay, Role::Call, Arc::new(Notify::new()));
    bench.table.open(unsent.clone());
    bench.table.end(&End::TooLarge(9));
    assert!(matches!(sent.next().await, Err(UpstreamError::TooLarge(9))));
    assert!(matches!(unsent.next().await, Err(UpstreamError::Unreachable(_))));
}

#[tokio::test]
async fn lifecycle_notifications_reach_no_client() {
    let mut bench = Bench::new();
    let only = bench.open(1, Role::Call);
    for method in ["notifications/cancelled", "notifications/resources/updated", "notifications/initialized"]
    {
        bench.sort(json!({ "jsonrpc": "2.0", "method": method, "params": { "requestId": 1 } }));
    }
    assert!(next(&only).await.is_none());
    let changed = json!({ "jsonrpc": "2.0", "method": "notifications/resources/list_changed" });
    assert!(matches!(bench.sort(changed), Left::Heard(Heard::Lists([Kind::Resource, Kind::Template]))));
}
