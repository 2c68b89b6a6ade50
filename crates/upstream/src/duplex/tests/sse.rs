//! HTTP+SSE, against a small server on raw sockets.

use std::sync::Mutex;

use broker::{Broker, Sts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use url::Url;

use super::*;
use crate::Deps;

/// What the server does, and what it saw.
struct Server {
    url: Url,
    /// `METHOD path?query authorization`, in order.
    seen: Arc<Mutex<Vec<String>>>,
    /// Ends every open stream when it is replaced.
    streams: Arc<Mutex<Vec<mpsc::Sender<String>>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Relative,
    OtherOrigin,
    Never,
}

impl Server {
    async fn start(naming: Naming) -> Self {
        let (listener, port) = listener().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let url = Url::parse(&format!("http://127.0.0.1:{port}/sse")).unwrap();
        let (log, open) = (seen.clone(), streams.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, naming, log.clone(), open.clone()));
            }
        });
        Self { url, seen, streams }
    }

    fn connections(&self, change: impl FnOnce(&mut Target, &mut Limits)) -> Connections {
        let Fixture { mut target, mut limits, .. } = Fixture::new("none");
        change(&mut target, &mut limits);
        let guard = net::Guard::new(Vec::<String>::new()).unwrap();
        let client =
            net::Client::operator(guard, net::Tls::new(None).unwrap(), &net::ClientOptions::default());
        let directory = tempfile::tempdir().unwrap();
        let sts = Sts::open(directory.path(), &Url::parse("http://127.0.0.1/").unwrap()).unwrap();
        let deps = Deps {
            client,
            broker: Arc::new(Broker::new(sts)),
            clock: clock::Clock::manual(1_000_000),
            limits,
            shutdown: CancellationToken::new(),
        };
        Connections::sse(&target, &self.url, &deps)
    }

    fn seen(&self, start: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }

    /// Breaks every stream that is open.
    fn break_streams(&self) {
        self.streams.lock().unwrap().clear();
    }
}

async fn serve(
    mut socket: TcpStream,
    naming: Naming,
    log: Arc<Mutex<Vec<String>>>,
    streams: Arc<Mutex<Vec<mpsc::Sender<String>>>>,
) {
    let mut read = Vec::new();
    while let Some((head, body)) = request(&mut socket, &mut read).await {
        let line = head.lines().next().unwrap().to_owned();
        log.lock().unwrap().push(line.clone());
        if line.starts_with("GET") {
            return stream(socket, naming, &streams).await;
        }
        let session: usize =
            line.split("session=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let stream = streams.lock().unwrap().get(session).cloned();
        let Some(stream) = stream else {
            socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            continue;
        };
        let status = if body.contains("\"refused\"") { "400 Bad Request" } else { "202 Accepted" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 8\r\n\r\nAccepted");
        socket.write_all(answer.as_bytes()).await.unwrap();
        if status.starts_with("202") {
            for event in answers(&serde_json::from_str(&body).unwrap(), &head) {
                stream.send(event).await.unwrap();
            }
        }
    }
}

/// One request from the socket: head and body.
async fn request(socket: &mut TcpStream, read: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        let text = String::from_utf8_lossy(read).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .lines()
                .find_map(|line| Some(line.strip_prefix("content-length: ")?.parse().unwrap()));
            let length: usize = length.unwrap_or(0);
            if rest.len() >= length {
                let parts = (head.to_owned(), rest[..length].to_owned());
                read.drain(..head.len() + 4 + length);
                return Some(parts);
            }
        }
        if socket.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

async fn stream(mut socket: TcpStream, naming: Naming, streams: &Mutex<Vec<mpsc::Sender<String>>>) {
    let (sender, mut events) = mpsc::channel(16);
    let session = {
        let mut streams = streams.lock().unwrap();
        streams.push(sender);
        streams.len() - 1
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n: hello\n\n";
    let url = match naming {
        Naming::Relative => format!("event: endpoint\r\ndata: /messages?session={session}\r\n\r\n"),
        Naming::OtherOrigin => "event: endpoint\ndata: http://127.0.0.1:1/messages\n\n".to_owned(),
        Naming::Never => "data: {}\n\n".to_owned(),
    };
    socket.write_all(format!("{head}{url}").as_bytes()).await.unwrap();
    if naming == Naming::Never {
        return;
    }
    while let Some(event) = events.recv().await {
        if socket.write_all(event.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answers(message: &Value, head: &str) -> Vec<String> {
    let event = |message: Value| format!("event: message\ndata: {message}\n\n");
    let answer = |result: Value| event(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }));
    match message["method"].as_str().unwrap_or_default() {
        "initialize" => vec![answer(json!({ "protocolVersion": "2024-11-05", "capabilities": {} }))],
        "tools/call" => match message["params"]["name"].as_str().unwrap() {
            "big" => vec![answer(json!({ "big": "x".repeat(5000) }))],
            "silence" => Vec::new(),
            "credential" => vec![answer(json!({ "authorization": head.contains("authorization: Bearer ") }))],
            _ => vec![
                event(json!({ "jsonrpc": "2.0", "method": "notifications/progress",
                    "params": { "progressToken": message["params"]["_meta"]["progressToken"], "progress": 1 } })),
                answer(message["params"]["arguments"].clone()),
            ],
        },
        "ping" => vec![answer(json!({}))],
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn call_over_sse_gets_progress_and_answer() {
    let server = Server::start(Naming::Relative).await;
    let connections = server.connections(|_, _| {});
    let wanted =
        Call { progress: Some(crate::ProgressToken::new(Raw::string("p"))), ..tool(&json!({ "n": 1 })) };
    let stream = begin(&connections, &user("alice"), "echo", wanted).await.unwrap();
    let (notifications, answer) = run(stream).await;
    assert_eq!(answer.unwrap(), json!({ "n": 1 }));
    assert_eq!(notifications[0]["params"]["progressToken"], "p");
    assert_eq!(connections.facts(Some(&user("alice"))).await.unwrap().version, mcp::Version::V2024_11_05);
    assert_eq!(server.seen("GET /sse"), 1);
    connections.shutdown().await;
}

#[tokio::test]
async fn principals_and_sessions_have_streams_of_their_own() {
    let server = Server::start(Naming::Relative).await;
    let connections = server.connections(|_, _| {});
    let session = Caller { session: Some(SessionKey(1)), ..user("alice") };
    for caller in [&user("alice"), &user("bob"), &session, &user("alice")] {
        call(&connections, caller, "echo", json!(1)).await.unwrap();
    }
    assert_eq!(server.seen("GET /sse"), 3);
    connections.shutdown().await;
}

#[tokio::test]
async fn post_url_of_another_origin_is_refused() {
    for naming in [Naming::OtherOrigin, Naming::Never] {
        let server = Server::start(naming).await;
        let connections = server.connections(|_, _| {});
        let refused = call(&connections, &user("alice"), "echo", json!(1)).await;
        assert!(matches!(refused, Err(UpstreamError::BrokeProtocol(_))), "{refused:?}");
        assert_eq!(server.seen("POST"), 0);
        connections.shutdown().await;
    }
}

#[tokio::test]
async fn broken_stream_loses_what_is_open_and_the_next_call_connects_again() {
    let server = Server::start(Naming::Relative).await;
    let connections = server.connections(|_, _| {});
    let alice = user("alice");
    let open = begin(&connections, &alice, "silence", tool(&json!({}))).await.unwrap();
    server.break_streams();
    let lost = run(open).await.1;
    assert!(matches!(lost, Err(UpstreamError::Lost(_))), "{lost:?}");
    assert_eq!(call(&connections, &alice, "echo", json!(2)).await.unwrap(), 2);
    assert_eq!(server.seen("GET /sse"), 2);
    connections.shutdown().await;
}

#[tokio::test]
async fn refused_post_fails_its_call_only() {
    let server = Server::start(Naming::Relative).await;
    let connections = server.connections(|_, _| {});
    let alice = user("alice");
    let refused = call(&connections, &alice, "refused", json!({})).await;
    assert!(matches!(refused, Err(UpstreamError::BrokeProtocol(_))), "{refused:?}");
    assert_eq!(call(&connections, &alice, "echo", json!(2)).await.unwrap(), 2);
    assert_eq!(server.seen("GET /sse"), 1);
    connections.shutdown().await;
}

#[tokio::test]
async fn event_beyond_the_bound_ends_the_calls_with_its_name() {
    let server = Server::start(Naming::Relative).await;
    let connections = server.connections(|_, limits| limits.upstream_event = 4096);
    let refused = call(&connections, &user("alice"), "big", json!({})).await;
    assert!(matches!(refused, Err(UpstreamError::TooLarge(4096))), "{refused:?}");
    connections.shutdown().await;
}

#[tokio::test]
async fn posts_carry_the_credential_of_their_caller() {
    let server = Server::start(Naming::Relative).await;
    let connections = server
        .connections(|target, _| target.outbound = Outbound::Assertion { audience: "legacy".to_owned() });
    let nobody = upkeep(&connections, None, Upkeep::Ping).await;
    assert!(matches!(nobody, Err(UpstreamError::NoCredential(_))), "{nobody:?}");
    let alice =
        Verified { issuer: "https://idp".to_owned(), subject: "alice".to_owned(), ..Verified::default() };
    let alice = Caller { principal: Arc::new(alice.into()), ..user("alice") };
    assert_eq!(
        call(&connections, &alice, "credential", json!({})).await.unwrap(),
        json!({ "authorization": true })
    );
    connections.shutdown().await;
}

#[tokio::test]
async fn end_of_the_client_session_ends_its_stream() {
    let server = Server::start(Naming::Relative).await;
    let connections = server.connections(|_, _| {});
    let caller = Caller { session: Some(SessionKey(7)), ..user("alice") };
    call(&connections, &caller, "echo", json!(1)).await.unwrap();
    let stream = server.streams.lock().unwrap()[0].clone();
    connections.end_session(SessionKey(7));
    // The server notices when it writes to a stream that nobody reads any more.
    while stream.send(": still there?\n\n".to_owned()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    connections.shutdown().await;
}
