//! The server, through its socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::wire::{GET, PATIENCE, Wire, hello, start, start_with};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_net::body::Bounds;
use portcullis_net::{Body, Drain, Options, Peer, read_body};
use tokio::sync::{mpsc, oneshot};

#[tokio::test]
async fn keeps_a_connection_for_the_next_request() {
    let server = start(hello);
    let mut wire = Wire::open(server.addr).await;
    for _ in 0..3 {
        wire.write(GET).await;
        let response = wire.response().await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.ends_with("\r\n\r\nhello"), "{response}");
    }
}

#[tokio::test]
async fn closes_on_a_slow_head() {
    let options = Options { head_timeout: Duration::from_millis(50), ..Options::default() };
    let server = start_with(options, Drain::default(), hello);
    for opening in ["", "G", "PRI * HT", "GET / HTTP/1.1\r\nHost: loc"] {
        let mut wire = Wire::open(server.addr).await;
        wire.write(opening).await;
        assert_eq!(wire.rest().await, "", "{opening:?}");
    }
}

#[tokio::test]
async fn closes_on_a_slow_second_head() {
    let options = Options { head_timeout: Duration::from_millis(50), ..Options::default() };
    let server = start_with(options, Drain::default(), hello);
    let mut wire = Wire::open(server.addr).await;
    wire.write(GET).await;
    wire.response().await.unwrap();
    wire.write("GET / HT").await;
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn closes_an_idle_connection() {
    let options = Options { idle_timeout: Duration::from_millis(50), ..Options::default() };
    let server = start_with(options, Drain::default(), hello);
    let mut wire = Wire::open(server.addr).await;
    wire.write(GET).await;
    assert!(wire.rest().await.ends_with("hello"));
}

#[tokio::test]
async fn an_answer_may_take_longer_than_the_idle_and_head_timeouts() {
    let short = Duration::from_millis(20);
    let options = Options { idle_timeout: short, head_timeout: short, ..Options::default() };
    let server = start_with(options, Drain::default(), move |_, _| async move {
        tokio::time::sleep(short * 10).await;
        Response::new(Body::from("late"))
    });
    let mut wire = Wire::open(server.addr).await;
    wire.write(GET).await;
    assert!(wire.rest().await.ends_with("late"));
}

#[tokio::test]
async fn refuses_a_head_that_is_too_large_or_too_long() {
    let server = start(hello);
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(70 * 1024));
    for request in [many, large] {
        let mut wire = Wire::open(server.addr).await;
        wire.write(&request).await;
        let response = wire.rest().await;
        assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
    }
}

async fn http2(addr: std::net::SocketAddr) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    sender
}

fn get(addr: std::net::SocketAddr) -> http::request::Builder {
    Request::get(format!("http://{addr}/"))
}

#[tokio::test]
async fn serves_http2_to_a_client_that_knows() {
    let server = start(|request, _| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        Response::new(Body::chunks(vec![Bytes::from_static(b"hel"), Bytes::from_static(b"lo")]))
    });
    let mut sender = http2(server.addr).await;
    let response = sender.send_request(get(server.addr).body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-length"], "5");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
}

#[tokio::test]
async fn counts_the_headers_of_http2_too() {
    let server = start(hello);
    let mut sender = http2(server.addr).await;
    let mut request = get(server.addr);
    for n in 0..101 {
        request = request.header(format!("x-{n}"), "y");
    }
    let response = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn a_panic_costs_its_own_connection_only() {
    let server = start(|request, peer| async move {
        assert!(request.uri().path() != "/panic", "on request");
        hello(request, peer).await
    });
    let mut other = Wire::open(server.addr).await;
    other.write(GET).await;
    other.response().await.unwrap();
    let mut wire = Wire::open(server.addr).await;
    wire.write("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let response = wire.rest().await;
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
    other.write(GET).await;
    assert!(other.response().await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn a_full_server_lets_the_next_client_wait() {
    let served = Arc::new(AtomicUsize::new(0));
    let options = Options { connections_max: 1, ..Options::default() };
    let count = served.clone();
    let server = start_with(options, Drain::default(), move |request, peer| {
        count.fetch_add(1, Ordering::SeqCst);
        hello(request, peer)
    });
    let mut first = Wire::open(server.addr).await;
    first.write(GET).await;
    first.response().await.unwrap();
    let mut second = Wire::open(server.addr).await;
    second.write(GET).await;
    first.write(GET).await;
    first.response().await.unwrap();
    assert_eq!(served.load(Ordering::SeqCst), 2);
    drop(first);
    assert!(second.response().await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn ten_mebibytes_pass_in_pieces_both_ways() {
    const SIZE: usize = 10 * 1024 * 1024;
    let server = start(|request: Request<Incoming>, _| async move {
        let (head, body) = request.into_parts();
        let whole = read_body(&head.headers, body, SIZE, PATIENCE).await.unwrap();
        let (sender, body) = Body::channel(Bounds { frames: 2, bytes: 128 * 1024 });
        tokio::spawn(async move {
            for start in (0..whole.len()).step_by(64 * 1024) {
                sender.send(whole.slice(start..start + 64 * 1024)).await.unwrap();
            }
        });
        Response::new(body)
    });
    let sent: Vec<u8> = (0..SIZE).map(|n| (n / 7) as u8).collect();
    let mut wire = Wire::open(server.addr).await;
    wire.write(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n"))
        .await;
    let (mut reader, mut writer) = wire.0.into_split();
    let upload = sent.clone();
    // The writing half stays open: a client that closes it has left.
    let uploading = tokio::spawn(async move {
        tokio::io::AsyncWriteExt::write_all(&mut writer, &upload).await.unwrap();
        writer
    });
    let mut received = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut received).await.unwrap();
    drop(uploading.await.unwrap());
    let head = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let body = unchunked(&received[head..]);
    assert!(body == sent);
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[line + 2..line + 2 + size]);
        bytes = &bytes[line + 2 + size + 2..];
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let server = start(|request: Request<Incoming>, _| async move {
        let (head, body) = request.into_parts();
        let error = read_body(&head.headers, body, 10, PATIENCE).await.unwrap_err();
        Response::new(Body::from(error.to_string()))
    });
    let mut wire = Wire::open(server.addr).await;
    wire.write("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n").await;
    let response = wire.response().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "no 100 (Continue) for a body nobody reads: {response}");
    assert!(response.ends_with("larger than 10 bytes"), "{response}");
}

#[tokio::test]
async fn refuses_a_request_whose_length_can_be_read_in_two_ways() {
    let server = start(hello);
    let requests = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nG",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nG",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nG",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\nG",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    ];
    for request in requests {
        let mut wire = Wire::open(server.addr).await;
        wire.write(request).await;
        let response = wire.rest().await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{request:?} {response}");
        assert_eq!(response.matches("HTTP/1.1").count(), 1, "{request:?} {response}");
    }
}

#[tokio::test]
async fn a_chunked_request_keeps_its_connection() {
    let server = start(|request: Request<Incoming>, _| async move {
        let (head, body) = request.into_parts();
        Response::new(Body::from(read_body(&head.headers, body, 10, PATIENCE).await.unwrap()))
    });
    let mut wire = Wire::open(server.addr).await;
    for _ in 0..2 {
        wire.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            .await;
        assert!(wire.response().await.unwrap().ends_with("abc"));
    }
}

#[tokio::test]
async fn the_handler_is_dropped_when_its_client_leaves() {
    struct Bell(Option<oneshot::Sender<()>>);
    impl Drop for Bell {
        fn drop(&mut self) {
            self.0.take().unwrap().send(()).unwrap();
        }
    }
    let (started, mut has_started) = mpsc::channel(1);
    let (ring, rung) = oneshot::channel();
    let bell = Arc::new(std::sync::Mutex::new(Some(Bell(Some(ring)))));
    let server = start(move |_, _| {
        let bell = bell.lock().unwrap().take();
        let started = started.clone();
        async move {
            let _bell = bell;
            started.send(()).await.unwrap();
            std::future::pending::<Response<Body>>().await
        }
    });
    let mut wire = Wire::open(server.addr).await;
    wire.write(GET).await;
    has_started.recv().await.unwrap();
    drop(wire);
    tokio::time::timeout(PATIENCE, rung).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    let options = Options { write_stall_timeout: Duration::from_millis(50), ..Options::default() };
    let (gone, has_gone) = oneshot::channel();
    let gone = Arc::new(std::sync::Mutex::new(Some(gone)));
    let server = start_with(options, Drain::default(), move |_, _: Peer| {
        let gone = gone.lock().unwrap().take().unwrap();
        async move {
            let (sender, body) = Body::channel(Bounds::default());
            tokio::spawn(async move {
                let block = Bytes::from(vec![0; 256 * 1024]);
                while sender.send(block.clone()).await.is_ok() {}
                gone.send(()).unwrap();
            });
            Response::new(body)
        }
    });
    let mut wire = Wire::open(server.addr).await;
    wire.write(GET).await;
    tokio::time::timeout(PATIENCE, has_gone).await.unwrap().unwrap();
}

#[tokio::test]
async fn closes_an_idle_http2_connection() {
    let options = Options { idle_timeout: Duration::from_millis(50), ..Options::default() };
    let server = start_with(options, Drain::default(), hello);
    let stream = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let response = sender.send_request(get(server.addr).body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    tokio::time::timeout(PATIENCE, connection).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_flood_of_resets_ends_its_own_connection_only() {
    let server = start(|request: Request<Incoming>, peer| async move {
        if request.version() == Version::HTTP_2 {
            std::future::pending::<()>().await;
        }
        hello(request, peer).await
    });
    let mut flood = Wire::open(server.addr).await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream in (1..2001_u32).step_by(2).map(u32::to_be_bytes) {
        // HEADERS that end the stream: `GET http://a/` in the static table and one literal (RFC 7541); then RST_STREAM, CANCEL.
        bytes.extend([&[0, 0, 6, 1, 5][..], &stream, &[0x82, 0x86, 0x84, 0x41, 1, b'a']].concat());
        bytes.extend([&[0, 0, 4, 3, 0][..], &stream, &[0, 0, 0, 8]].concat());
    }
    // The server may close before it has taken everything.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut flood.0, &bytes).await;
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut flood.0, &mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.unwrap();
    let mut wire = Wire::open(server.addr).await;
    wire.write(GET).await;
    assert!(wire.response().await.unwrap().ends_with("hello"));
}
