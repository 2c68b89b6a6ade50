use bytes::Bytes;
use mcp::{Body, Message};
use serde_json::{Value, json};

use super::*;
use crate::duplex::link::{End, INCOMING_MAX, Incoming, OUTGOING_MAX};
use crate::duplex::table::Users;

const IDLE: Duration = Duration::from_secs(600);

/// A connection whose other end is the test.
struct Wire {
    connection: Connection,
    written: mpsc::Receiver<Outgoing>,
    tell: mpsc::Sender<Incoming>,
    stop: CancellationToken,
}

impl Wire {
    fn new() -> Self {
        let (outgoing, written) = mpsc::channel(OUTGOING_MAX);
        let (tell, incoming) = mpsc::channel(INCOMING_MAX);
        let stop = CancellationToken::new();
        let connection = Connection::start(
            Link { server: "fixture".into(), outgoing, incoming, stop: stop.clone() },
            Table::new(Arc::default(), None, Users::One),
        );
        Self { connection, written, tell, stop }
    }

    /// Takes the next message as a transport does: `None` when it is a request that nobody wants any more.
    async fn take(&mut self) -> Option<Value> {
        let Outgoing { text, request, .. } = self.written.recv().await.unwrap();
        if let Some(waiter) = request {
            if !waiter.begin_write() {
                return None;
            }
            waiter.written();
        }
        Some(text.into_raw().to_value())
    }

    async fn answer(&self, id: &Value) {
        let text = json!({ "jsonrpc": "2.0", "id": id, "result": {} }).to_string();
        self.tell.send(Incoming::read(text.into(), 8).unwrap()).await.unwrap();
    }
}

fn call() -> NewRequest {
    let patience = Patience { total: Duration::from_secs(60), idle: Duration::from_secs(60) };
    NewRequest { role: Role::Call, patience, ..NewRequest::own(Role::Call, Duration::ZERO) }
}

fn text(id: u64) -> Payload {
    params::request(id, "tools/call", params::object([]))
}

#[tokio::test(start_paused = true)]
async fn connection_with_a_call_in_flight_is_in_use() {
    let mut wire = Wire::new();
    let begin = wire.connection.clone();
    let (stream, sent) = tokio::join!(begin.begin(call(), text), wire.take());
    let stream = stream.unwrap();
    assert_eq!(wire.connection.idle_at(IDLE), None);
    wire.answer(&sent.unwrap()["id"]).await;
    stream.answer().await.unwrap();
    assert_eq!(wire.connection.idle_at(IDLE), Some(Instant::now() + IDLE));
}

#[tokio::test]
async fn requests_behind_a_full_pipe_are_unreachable_and_the_ones_before_lost() {
    let mut wire = Wire::new();
    let connection = wire.connection.clone();
    let (first, _) = tokio::join!(connection.begin(call(), text), wire.take());
    let second = tokio::spawn(async move { connection.begin(call(), text).await });
    // The second one is on its way to the transport, which never writes it.
    tokio::task::yield_now().await;
    wire.tell.send(Incoming::Ended(End::Closed("gone".to_owned()))).await.unwrap();
    assert!(matches!(first.unwrap().answer().await, Err(UpstreamError::Lost(_))));
    assert!(matches!(second.await.unwrap(), Err(UpstreamError::Unreachable(_))));
    assert!(matches!(wire.connection.begin(call(), text).await, Err(UpstreamError::Unreachable(_))));
    assert!(wire.stop.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn server_that_answers_not_even_a_ping_is_given_up() {
    let mut wire = Wire::new();
    let connection = wire.connection.clone();
    let (stream, _) = tokio::join!(connection.begin(call(), text), wire.take());
    assert!(matches!(stream.unwrap().answer().await, Err(UpstreamError::Timeout(_))));
    let mut methods = Vec::new();
    while methods.len() < 2 {
        methods.extend(wire.take().await.map(|message| message["method"].clone()));
    }
    assert_eq!(methods, ["notifications/cancelled", "ping"]);
    wire.stop.cancelled().await;
    assert!(wire.connection.is_retired());
}

#[tokio::test(start_paused = true)]
async fn server_that_answers_a_ping_stays() {
    let mut wire = Wire::new();
    let connection = wire.connection.clone();
    let (stream, _) = tokio::join!(connection.begin(call(), text), wire.take());
    assert!(matches!(stream.unwrap().answer().await, Err(UpstreamError::Timeout(_))));
    let ping = loop {
        match wire.take().await {
            Some(message) if message["method"] == "ping" => break message,
            _ => {}
        }
    };
    wire.answer(&ping["id"]).await;
    tokio::time::sleep(IDLE).await;
    assert!(wire.connection.is_open());
}

#[tokio::test]
async fn flood_of_questions_to_a_connection_that_nobody_reads_fills_nothing() {
    let wire = Wire::new();
    for id in 0..OUTGOING_MAX * 3 {
        let ping = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }).to_string();
        assert!(matches!(
            Body::from_server(Bytes::from(ping.clone()), 8),
            Ok(Body::Single(Message::Request(_)))
        ));
        wire.tell.send(Incoming::read(ping.into(), 8).unwrap()).await.unwrap();
    }
    assert!(wire.written.len() <= OUTGOING_MAX);
    assert!(wire.connection.is_open());
}
