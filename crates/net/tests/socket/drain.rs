//! The end of a process, seen from its clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::wire::{GET, PATIENCE, Wire, hello, start, start_with};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_net::{Body, Drain, Options};
use tokio::sync::{Notify, mpsc};

#[tokio::test]
async fn a_request_in_progress_gets_its_answer() {
    let (started, mut has_started) = mpsc::channel(1);
    let go_on = Arc::new(Notify::new());
    let gate = go_on.clone();
    let server = start(move |_, _| {
        let (started, gate) = (started.clone(), gate.clone());
        async move {
            started.send(()).await.unwrap();
            gate.notified().await;
            Response::new(Body::from("done"))
        }
    });
    let mut wire = Wire::open(server.addr).await;
    wire.write(GET).await;
    has_started.recv().await.unwrap();
    server.drain.begin();
    server.drain.draining().await;
    go_on.notify_one();
    let response = wire.rest().await;
    assert!(response.contains("connection: close\r\n"), "{response}");
    assert!(response.ends_with("done"), "{response}");
    assert_eq!(server.cut.await.unwrap(), 0);
    assert!(tokio::net::TcpStream::connect(server.addr).await.is_err());
}

#[tokio::test]
async fn what_lasts_longer_than_the_grace_period_is_cut_and_counted() {
    let (started, mut has_started) = mpsc::channel(2);
    let server = start_with(Options::default(), Drain::new(Duration::from_millis(20)), move |_, _| {
        let started = started.clone();
        async move {
            started.send(()).await.unwrap();
            std::future::pending::<Response<Body>>().await
        }
    });
    let mut wires = [Wire::open(server.addr).await, Wire::open(server.addr).await];
    for wire in &mut wires {
        wire.write(GET).await;
        has_started.recv().await.unwrap();
    }
    server.drain.begin();
    assert_eq!(server.cut.await.unwrap(), 2);
    for wire in &mut wires {
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test]
async fn cut_now_does_not_wait() {
    let (started, mut has_started) = mpsc::channel(1);
    let server = start(move |_, _| {
        let started = started.clone();
        async move {
            started.send(()).await.unwrap();
            std::future::pending::<Response<Body>>().await
        }
    });
    let mut wire = Wire::open(server.addr).await;
    wire.write(GET).await;
    has_started.recv().await.unwrap();
    server.drain.cut_now();
    assert_eq!(server.cut.await.unwrap(), 1);
}

#[tokio::test]
async fn an_idle_connection_may_be_used_once_more_and_is_then_closed() {
    let server = start(hello);
    let mut busy = Wire::open(server.addr).await;
    let mut idle = Wire::open(server.addr).await;
    for wire in [&mut busy, &mut idle] {
        wire.write(GET).await;
        wire.response().await.unwrap();
    }
    server.drain.begin();
    busy.write(GET).await;
    let response = busy.rest().await;
    assert!(response.contains("connection: close\r\n") && response.ends_with("hello"), "{response}");
    assert_eq!(idle.rest().await, "");
    assert_eq!(server.cut.await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_under_load() {
    let server = start(hello);
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let (addr, answered) = (server.addr, answered.clone());
            tokio::spawn(async move {
                let mut wire = Wire::open(addr).await;
                loop {
                    wire.write(GET).await;
                    let response = wire.response().await.expect("each request that was sent is answered");
                    answered.fetch_add(1, Ordering::SeqCst);
                    if response.contains("connection: close") {
                        return;
                    }
                }
            })
        })
        .collect();
    while answered.load(Ordering::SeqCst) < 200 {
        tokio::task::yield_now().await;
    }
    server.drain.begin();
    for client in clients {
        tokio::time::timeout(PATIENCE, client).await.unwrap().unwrap();
    }
    assert_eq!(server.cut.await.unwrap(), 0);
}

#[tokio::test]
async fn http2_streams_in_progress_get_their_answer() {
    let (started, mut has_started) = mpsc::channel(1);
    let go_on = Arc::new(Notify::new());
    let gate = go_on.clone();
    let server = start(move |_, _| {
        let (started, gate) = (started.clone(), gate.clone());
        async move {
            started.send(()).await.unwrap();
            gate.notified().await;
            Response::new(Body::from("done"))
        }
    });
    let stream = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://{}/", server.addr)).body(Empty::<Bytes>::new()).unwrap();
    let response = tokio::spawn(sender.send_request(request));
    has_started.recv().await.unwrap();
    server.drain.begin();
    go_on.notify_one();
    let body = response.await.unwrap().unwrap().into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "done");
    connection.await.unwrap().unwrap();
    assert_eq!(server.cut.await.unwrap(), 0);
}

#[tokio::test]
async fn background_tasks_are_waited_for_and_cut() {
    let drain = Drain::new(Duration::from_millis(20));
    let watching = drain.clone();
    drain.spawn(async move { watching.draining().await });
    drain.spawn(std::future::pending());
    assert!(!drain.is_draining());
    drain.begin();
    drain.begin();
    assert_eq!(drain.finished().await, 1);
    let polite = Drain::new(PATIENCE);
    let watching = polite.clone();
    polite.spawn(async move { watching.draining().await });
    polite.begin();
    assert_eq!(polite.finished().await, 0);
}
