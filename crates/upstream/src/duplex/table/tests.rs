use mcp::Body;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use super::*;
use crate::duplex::link::Outgoing;
use crate::relay::{Asks, Relay};
use crate::{Abilities, Logs, ProgressToken};

mod races;

struct Bench {
    table: Table,
    tally: Arc<Tally>,
    asks: Asks,
    mailbox: mpsc::Sender<Outgoing>,
    answers: mpsc::Receiver<Outgoing>,
}

impl Bench {
    fn new() -> Self {
        Self::of(Users::One)
    }

    fn of(users: Users) -> Self {
        let tally = Arc::new(Tally::default());
        let asks = Asks { may: Abilities::FORM, most: 3, ..Asks::default() };
        let (mailbox, answers) = mpsc::channel(8);
        Self { table: Table::new(tally.clone(), None, users), tally, asks, mailbox, answers }
    }

    fn open(&mut self, id: u64, role: Role) -> Arc<Waiter> {
        let waiter = self.unsent(id, role);
        assert!(waiter.begin_write());
        waiter.written();
        waiter
    }

    fn unsent(&mut self, id: u64, role: Role) -> Arc<Waiter> {
        let progress = Some(ProgressToken::new(Raw::string("theirs")));
        let relay = Relay { id, progress, logs: Logs::ServersChoice, asks: self.asks.clone() };
        let waiter = Waiter::new(relay, role, Arc::new(Notify::new()), self.mailbox.downgrade());
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

#[tokio::test]
async fn log_of_a_connection_that_is_everyones_goes_to_nobody() {
    let mut bench = Bench::of(Users::All);
    let alices = bench.open(1, Role::Call);
    bench.sort(response(json!(1)));
    assert!(matches!(next(&alices).await, Some(Event::Final(_))));
    let bobs = bench.open(2, Role::Call);
    bench.sort(log());
    assert!(next(&bobs).await.is_none(), "it may be about what alice called before");
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
    let relay = Relay { id: 2, progress: None, logs: Logs::Off, asks: Asks::default() };
    let unsent = Waiter::new(relay, Role::Call, Arc::new(Notify::new()), bench.mailbox.downgrade());
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

fn question(id: u64) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": { "message": "?" } })
}

fn is_refused(left: Left) -> bool {
    matches!(left, Left::Answer(text) if text.clone().into_raw().to_value()["error"]["code"] == -32601)
}

#[tokio::test]
async fn question_goes_to_the_only_call_and_its_answer_back() {
    let mut bench = Bench::new();
    let only = bench.open(1, Role::Call);
    assert!(matches!(bench.sort(question(9)), Left::Nothing));
    let Some(Event::Question(question)) = next(&only).await else { panic!("no question") };
    question.answer(Ok(Raw::value(&json!({ "action": "decline" }))));
    let answer = bench.answers.try_recv().unwrap().text.into_raw().to_value();
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 9, "result": { "action": "decline" } }));
}

fn withdrawn(id: u64) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })
}

#[tokio::test]
async fn question_that_its_server_withdraws_needs_no_answer() {
    let mut bench = Bench::new();
    let first = bench.open(1, Role::Call);
    bench.sort(question(7));
    bench.sort(question(8));
    let Some(Event::Question(read)) = next(&first).await else { panic!("no question") };
    // Whose it is, the id says, also when there are others.
    let second = bench.open(2, Role::Call);
    for id in [7, 8, 9, 7] {
        assert!(matches!(bench.sort(withdrawn(id)), Left::Nothing));
    }
    assert!(matches!(next(&first).await, Some(Event::Withdrawn(id)) if Some(&id) == read.id().as_ref()));
    assert!(next(&first).await.is_none() && next(&second).await.is_none(), "the other was not read yet");
    read.withdraw();
    assert!(bench.answers.try_recv().is_err(), "what is withdrawn is not answered");
}

#[tokio::test]
async fn question_is_refused_where_nobody_can_tell_whose_it_is() {
    let mut bench = Bench::new();
    assert!(is_refused(bench.sort(question(1))));
    let first = bench.open(1, Role::Call);
    let second = bench.open(2, Role::Call);
    assert!(is_refused(bench.sort(question(2))));
    assert!(next(&first).await.is_none() && next(&second).await.is_none());
    bench.give_up(&second);
    assert!(is_refused(bench.sort(question(3))), "the cancelled call may still be at work");
}

#[tokio::test]
async fn server_that_asks_without_end_has_its_call_ended() {
    let mut bench = Bench::new();
    let only = bench.open(1, Role::Call);
    for id in 0..3 {
        assert!(matches!(bench.sort(question(id)), Left::Nothing));
    }
    assert!(is_refused(bench.sort(question(3))));
    for _ in 0..3 {
        assert!(matches!(next(&only).await, Some(Event::Question(_))));
    }
    assert!(matches!(only.next().await, Err(UpstreamError::BrokeProtocol(_))));
    assert_eq!(bench.give_up(&only), Some((1, GivenUp::Sent)), "and the server is told");
}

#[tokio::test]
async fn question_that_was_not_read_is_answered_when_its_call_is_given_up() {
    let mut bench = Bench::new();
    let only = bench.open(1, Role::Call);
    bench.sort(question(9));
    bench.give_up(&only);
    let answer = bench.answers.try_recv().unwrap().text.into_raw().to_value();
    assert_eq!(answer["result"]["action"], "cancel");
}

#[tokio::test]
async fn call_ends_when_its_client_lacks_what_the_server_needs() {
    let mut bench = Bench::new();
    bench.asks = Asks { missing: Abilities::FORM, most: 3, ..Asks::default() };
    let only = bench.open(1, Role::Call);
    assert!(is_refused(bench.sort(question(9))));
    assert!(matches!(only.next().await, Err(UpstreamError::Lacks(Abilities::FORM))));
}
