//! The client, against servers that behave and servers that do not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::wire::{PATIENCE, hello, start, start_with};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, LOCATION};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use portcullis_net::body::Bounds;
use portcullis_net::egress::AddressClass;
use portcullis_net::{
    Body, BodyError, Client, ClientError, ClientOptions, Denied, Guard, Options, Phase, Tls, next_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn operator() -> Client {
    Client::operator(Guard::default(), Tls::new(None).unwrap(), &ClientOptions::default())
}

fn learned(allow: &[&str]) -> Client {
    Client::learned(Guard::new(allow).unwrap(), Tls::new(None).unwrap(), &ClientOptions::default())
}

fn post(addr: SocketAddr) -> Request<Body> {
    Request::post(format!("http://{addr}/mcp?x=1")).body(Body::from("ping")).unwrap()
}

async fn whole(client: &Client, request: Request<Body>) -> Bytes {
    client.send(request, PATIENCE).await.unwrap().into_body().collect().await.unwrap().to_bytes()
}

/// A server of raw sockets: each connection is given to `script` with its number, counted from 0.
async fn scripted<F>(script: impl Fn(usize, TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(script(number, stream));
        }
    });
    addr
}

/// Reads one request with the body `ping`; false when the client closed instead.
async fn read_ping(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"ping") {
        match stream.read(&mut byte).await {
            Ok(1) => seen.push(byte[0]),
            _ => return false,
        }
    }
    true
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again() {
    let ports = Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    let seen = ports.clone();
    let server = start(move |request, peer| {
        seen.lock().unwrap().insert(peer.addr.port());
        assert_eq!(request.uri(), "/mcp?x=1");
        assert_eq!(request.headers()["host"].to_str().unwrap().rsplit(':').next().unwrap().len(), 5);
        hello(request, peer)
    });
    let client = operator();
    for _ in 0..10 {
        assert_eq!(whole(&client, post(server.addr)).await, "hello");
    }
    assert_eq!(ports.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let visits = Arc::new(AtomicUsize::new(0));
    let count = visits.clone();
    let server = start(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let redirect = Response::builder().status(StatusCode::TEMPORARY_REDIRECT);
        let response =
            redirect.header(LOCATION, "http://169.254.169.254/latest").body(Body::empty()).unwrap();
        async move { response }
    });
    let response = operator().send(post(server.addr), PATIENCE).await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    let document = operator().get_bounded(&format!("http://{}/", server.addr), 100, PATIENCE).await;
    let error = document.unwrap_err();
    assert!(matches!(error, ClientError::Status { status: StatusCode::TEMPORARY_REDIRECT }));
    assert!(error.to_string().contains("redirects are not followed"), "{error}");
    assert_eq!(visits.load(Ordering::SeqCst), 2);
}

fn class(error: &ClientError) -> Option<AddressClass> {
    match error {
        ClientError::Denied { denied, .. } => denied.class(),
        _ => None,
    }
}

#[tokio::test]
async fn metadata_services_are_out_of_reach() {
    for host in ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"]
    {
        for client in [operator(), learned(&["169.254.0.0/16", "fd00::/8"])] {
            let request = Request::get(format!("http://{host}/")).body(Body::empty()).unwrap();
            let error = client.send(request, PATIENCE).await.unwrap_err();
            assert!(error.nothing_sent(), "{host}");
            assert!(matches!(error, ClientError::Denied { .. }), "{host}: {error}");
        }
    }
}

#[tokio::test]
async fn a_learned_url_reaches_neither_this_machine_nor_cleartext() {
    let server = start(|_, _| async { panic!("nothing may arrive here") });
    let port = server.addr.port();
    for host in ["127.0.0.1", "localhost", "[::1]", "127.1"] {
        let request = Request::get(format!("https://{host}:{port}/")).body(Body::empty()).unwrap();
        let error = learned(&[]).send(request, PATIENCE).await.unwrap_err();
        assert_eq!(class(&error), Some(AddressClass::Loopback), "{host}: {error}");
    }
    let error = learned(&[]).send(post(server.addr), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ClientError::Denied { denied: Denied::NotHttps { .. }, .. }), "{error}");
}

#[tokio::test]
async fn egress_allow_opens_a_range_and_a_name() {
    let server = start(hello);
    assert_eq!(whole(&learned(&["127.0.0.0/8"]), post(server.addr)).await, "hello");
    let by_name =
        Request::get(format!("http://localhost:{}/", server.addr.port())).body(Body::empty()).unwrap();
    assert_eq!(whole(&learned(&["localhost"]), by_name).await, "hello");
}

#[tokio::test]
async fn a_url_must_be_absolute_and_without_a_user() {
    for url in ["/path", "ftp://a/", "http://user@127.0.0.1/", "http://u:p@127.0.0.1/"] {
        let request = Request::get(url).body(Body::empty()).unwrap();
        let error = operator().send(request, PATIENCE).await.unwrap_err();
        assert!(matches!(error, ClientError::Url), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_document_is_bounded_in_every_way() {
    let server = start(|request, _| async move {
        match request.uri().path() {
            "/large" => Response::new(Body::from(vec![b' '; 101])),
            "/gzip" => Response::builder().header(CONTENT_ENCODING, "gzip").body(Body::from("x")).unwrap(),
            "/missing" => Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()).unwrap(),
            _ => Response::new(Body::from("{}")),
        }
    });
    let get = async |path: &str| {
        operator().get_bounded(&format!("http://{}{path}", server.addr), 100, PATIENCE).await
    };
    assert_eq!(get("/").await.unwrap(), "{}");
    assert!(matches!(get("/large").await, Err(ClientError::Body(BodyError::TooLarge { bytes_max: 100 }))));
    assert!(matches!(get("/gzip").await, Err(ClientError::Body(BodyError::Encoded))));
    assert!(matches!(get("/missing").await, Err(ClientError::Status { status: StatusCode::NOT_FOUND })));
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_without_a_second_send() {
    let requests = Arc::new(AtomicUsize::new(0));
    let (closed, mut has_closed) = tokio::sync::mpsc::channel(1);
    let count = requests.clone();
    let addr = scripted(move |_, mut stream| {
        let (count, closed) = (count.clone(), closed.clone());
        async move {
            if read_ping(&mut stream).await {
                count.fetch_add(1, Ordering::SeqCst);
                stream.write_all(OK).await.unwrap();
                drop(stream);
                closed.send(()).await.unwrap();
            }
        }
    })
    .await;
    let client = operator();
    for sent in 1..=20 {
        assert_eq!(whole(&client, post(addr)).await, "ok");
        has_closed.recv().await.unwrap();
        assert_eq!(requests.load(Ordering::SeqCst), sent);
    }
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_never_sent_again() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let addr = scripted(move |_, mut stream| {
        let count = count.clone();
        async move {
            while read_ping(&mut stream).await {
                // The second request is taken and the connection dropped without an answer.
                if count.fetch_add(1, Ordering::SeqCst) == 1 {
                    return;
                }
                stream.write_all(OK).await.unwrap();
            }
        }
    })
    .await;
    let client = operator();
    assert_eq!(whole(&client, post(addr)).await, "ok");
    let error = client.send(post(addr), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");
    assert!(!error.nothing_sent());
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let error = operator().send(post(addr), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    assert!(error.nothing_sent());
}

#[tokio::test]
async fn a_server_that_never_answers_runs_into_the_limit() {
    let (gone, mut has_gone) = tokio::sync::mpsc::channel(1);
    let addr = scripted(move |_, mut stream| {
        let gone = gone.clone();
        async move {
            assert!(read_ping(&mut stream).await);
            assert!(!read_ping(&mut stream).await);
            gone.send(()).await.unwrap();
        }
    })
    .await;
    let error = operator().send(post(addr), Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { phase: Phase::Head, .. }), "{error}");
    assert!(!error.nothing_sent());
    has_gone.recv().await.expect("the server learns that nobody waits any more");
}

#[tokio::test]
async fn a_stream_that_falls_silent_times_out_and_is_cancelled() {
    let (feeder, feed) = tokio::sync::oneshot::channel();
    let feeder = Arc::new(std::sync::Mutex::new(Some(feeder)));
    let server = start(move |_, _| {
        let (sender, body) = Body::channel(Bounds::default());
        feeder.lock().unwrap().take().unwrap().send(sender).unwrap();
        async move { Response::new(body) }
    });
    let mut body = operator().send(post(server.addr), PATIENCE).await.unwrap().into_body();
    let feed = feed.await.unwrap();
    feed.send(Bytes::from_static(b"data: 1\n\n")).await.unwrap();
    assert_eq!(next_frame(&mut body, PATIENCE).await.unwrap().unwrap(), "data: 1\n\n");
    let silent = next_frame(&mut body, Duration::from_millis(20)).await;
    assert!(matches!(silent, Err(BodyError::Timeout { .. })));
    drop(body);
    tokio::time::timeout(PATIENCE, feed.closed()).await.unwrap();
}

#[tokio::test]
async fn a_body_cut_short_is_an_error() {
    let addr = scripted(|_, mut stream| async move {
        read_ping(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    })
    .await;
    let mut body = operator().send(post(addr), PATIENCE).await.unwrap().into_body();
    assert_eq!(next_frame(&mut body, PATIENCE).await.unwrap().unwrap(), "half");
    assert!(matches!(next_frame(&mut body, PATIENCE).await, Err(BodyError::Broken(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_closes_at_random_moments_never_sees_a_request_twice() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let options = Options { idle_timeout: Duration::from_millis(1), ..Options::default() };
    let server = start_with(options, portcullis_net::Drain::default(), move |request, peer| {
        count.fetch_add(1, Ordering::SeqCst);
        hello(request, peer)
    });
    let client = operator();
    let (mut answered, mut unknown) = (0, 0);
    for n in 0..500 {
        match client.send(post(server.addr), PATIENCE).await {
            Ok(response) => {
                response.into_body().collect().await.unwrap();
                answered += 1;
            }
            Err(error) => {
                // What was certainly not sent is sent again by itself, and nothing hangs.
                assert!(matches!(error, ClientError::Broken { .. }), "{error}");
                unknown += 1;
            }
        }
        if n % 3 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let seen = seen.load(Ordering::SeqCst);
    assert!((answered..=answered + unknown).contains(&seen), "{answered} {unknown} {seen}");
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let addr = scripted(|_, mut stream| async move {
        read_ping(&mut stream).await;
        let line = format!("X: {}\r\n", "y".repeat(1000));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(line.as_bytes()).await.is_ok() {}
    })
    .await;
    let error = operator().send(post(addr), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");
}
