//! A scripted HTTP server on a free port, and what is needed to call it through an `Upstream`.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::allow_attributes, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use identity::{Principal, Verified};
use mcp::{Method, Object, Outcome, Raw};
use policy::{Action, Engine, Operation, Permit};
use portcullis_upstream::{Call, Caller, Deps, Event, Logs, Reply, SessionKey, Upstream, UpstreamError};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long anything may take before a test gives up; never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub verb: String,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Seen {
    pub fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn meta(&self, key: &str) -> &Value {
        &self.body["params"]["_meta"][key]
    }
}

/// What the server does with a request.
pub enum Answer {
    /// It answers.
    With(Response<ScriptedBody>),
    /// It closes the connection.
    HangUp,
    /// It thinks, for ever.
    Never,
}

/// Frames, and then the end, or silence.
pub struct ScriptedBody {
    frames: VecDeque<Bytes>,
    then: Then,
}

enum Then {
    End,
    /// Whatever comes from here.
    Fed(Receiver<String>),
    /// Nothing more until the other side goes away, which cancels the token.
    Silence(#[expect(dead_code, reason = "its drop is what counts")] DropGuard),
}

impl hyper::body::Body for ScriptedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match (self.frames.pop_front(), &mut self.then) {
            (Some(frame), _) => Poll::Ready(Some(Ok(Frame::data(frame)))),
            (None, Then::End) => Poll::Ready(None),
            (None, Then::Silence(_)) => Poll::Pending,
            (None, Then::Fed(feed)) => {
                feed.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(text.into()))))
            }
        }
    }
}

fn answer(status: u16, media: &str, frames: Vec<String>, then: Then) -> Answer {
    let frames = frames.into_iter().map(Bytes::from).collect();
    let mut response = Response::new(ScriptedBody { frames, then });
    *response.status_mut() = status.try_into().unwrap();
    if !media.is_empty() {
        response.headers_mut().insert("content-type", media.try_into().unwrap());
    }
    Answer::With(response)
}

impl Answer {
    pub fn header(self, name: &'static str, value: &str) -> Self {
        let Self::With(mut response) = self else { return self };
        response.headers_mut().insert(name, value.try_into().unwrap());
        Self::With(response)
    }
}

pub fn status(status: u16) -> Answer {
    answer(status, "", Vec::new(), Then::End)
}

pub fn html(code: u16) -> Answer {
    answer(code, "text/html", vec!["<h1>no</h1>".to_owned()], Then::End)
}

pub fn json(status: u16, body: &Value) -> Answer {
    raw_json(status, body.to_string())
}

pub fn raw_json(status: u16, body: String) -> Answer {
    answer(status, "application/json", vec![body], Then::End)
}

/// A result for the request that was seen.
pub fn result(seen: &Seen, result: Value) -> Answer {
    json(200, &json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": result }))
}

pub fn error(seen: &Seen, status: u16, code: i64, message: &str) -> Answer {
    json(
        status,
        &json!({ "jsonrpc": "2.0", "id": seen.body["id"], "error": { "code": code, "message": message } }),
    )
}

/// A stream of these messages that ends after them.
pub fn stream(messages: &[Value]) -> Answer {
    answer(200, "text/event-stream", messages.iter().map(event).collect(), Then::End)
}

/// A stream of these messages that stays open; the token is cancelled when the other side goes away.
pub fn open_stream(messages: &[Value], gone: &CancellationToken) -> Answer {
    let silence = Then::Silence(gone.clone().drop_guard());
    answer(200, "text/event-stream", messages.iter().map(event).collect(), silence)
}

/// A stream that begins with `first` and goes on with what it is fed.
pub fn fed_stream(first: &str, feed: Receiver<String>) -> Answer {
    answer(200, "text/event-stream", vec![first.to_owned()], Then::Fed(feed))
}

/// Bytes of a stream, as they are.
pub fn raw_stream(text: String) -> Answer {
    answer(200, "text/event-stream", vec![text], Then::End)
}

fn event(message: &Value) -> String {
    format!("data: {message}\n\n")
}

pub fn response(seen: &Seen, text: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": { "content": [{ "type": "text", "text": text }] } })
}

pub fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// A scripted HTTP server.
pub struct Server {
    pub url: url::Url,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    more: Notify,
}

impl Server {
    pub async fn start(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
        let (log, script) = (Arc::new(Log::default()), Arc::new(script));
        let shared = log.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (log, script) = (shared.clone(), script.clone());
                let service =
                    hyper::service::service_fn(move |request| serve(request, log.clone(), script.clone()));
                tokio::spawn(async move {
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { url, log }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    /// Requests of this JSON-RPC method.
    pub fn of(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.method() == method).collect()
    }

    pub fn count(&self, method: &str) -> usize {
        self.of(method).len()
    }

    /// Waits until what was seen satisfies the condition.
    pub async fn until(&self, what: &str, condition: impl Fn(&[Seen]) -> bool) {
        let waiting = async {
            loop {
                let more = self.log.more.notified();
                if condition(&self.seen()) {
                    return;
                }
                more.await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("never happened: {what}; seen: {:#?}", self.seen());
        }
    }
}

async fn serve(
    request: Request<Incoming>,
    log: Arc<Log>,
    script: Arc<impl Fn(&Seen) -> Answer>,
) -> Result<Response<ScriptedBody>, std::io::Error> {
    let (head, body) = request.into_parts();
    let text = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or_default();
    let seen =
        Seen { verb: head.method.to_string(), path: head.uri.to_string(), headers: head.headers, text, body };
    let answer = script(&seen);
    log.seen.lock().unwrap().push(seen);
    log.more.notify_waiters();
    match answer {
        Answer::With(response) => Ok(response),
        Answer::HangUp => Err(std::io::Error::other("hung up")),
        Answer::Never => std::future::pending().await,
    }
}

/// A legacy server with sessions `s-1`, `s-2`, …: everything that is no lifecycle goes to `rest`.
pub fn legacy(
    rest: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    let opened = AtomicUsize::new(0);
    move |seen| match (seen.verb.as_str(), seen.method()) {
        ("DELETE", _) => status(200),
        ("GET", _) => status(405),
        (_, "server/discover") => error(seen, 400, -32000, "Bad Request: Server not initialized"),
        (_, "initialize") => {
            let session = format!("s-{}", opened.fetch_add(1, Ordering::SeqCst) + 1);
            result(seen, initialized("2025-11-25")).header("mcp-session-id", &session)
        }
        (_, method) if method.starts_with("notifications/") => status(202),
        (_, "logging/setLevel" | "ping") => result(seen, json!({})),
        _ => rest(seen),
    }
}

pub fn initialized(version: &str) -> Value {
    json!({ "protocolVersion": version, "capabilities": { "tools": { "listChanged": true }, "logging": {} },
            "serverInfo": { "name": "scripted", "version": "1" }, "instructions": "Be kind." })
}

pub fn discovered() -> Value {
    json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": { "listChanged": true } }, "ttlMs": 0, "cacheScope": "private" })
}

/// A modern server: everything but `server/discover` goes to `rest`.
pub fn modern(
    rest: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    move |seen| match (seen.verb.as_str(), seen.method()) {
        ("POST", "server/discover") => result(seen, discovered()),
        ("POST", "initialize") => error(seen, 404, -32601, "Method not found"),
        ("POST", _) => rest(seen),
        _ => status(405),
    }
}

pub fn target(url: &url::Url, era: config::Era) -> config::Target {
    config::Target {
        name: "files".to_owned(),
        transport: config::Transport::Http { url: url.clone(), era },
        listing: config::Listing::Default,
        prefix: config::Prefix::Target,
        resource_priority: 1000,
        outbound: config::Outbound::None,
        sampling: None,
        roots: Vec::new(),
        refresh: Duration::from_secs(300),
        call_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        connect_timeout: PATIENCE,
    }
}

pub fn deps() -> Deps {
    deps_with(config::Limits::default())
}

pub fn deps_with(limits: config::Limits) -> Deps {
    let tls = net::Tls::new(None).unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let sts = broker::Sts::open(data_dir.path(), &"http://127.0.0.1:1".parse().unwrap()).unwrap();
    Deps {
        client: net::Client::operator(net::Guard::default(), tls, &net::ClientOptions::default()),
        broker: Arc::new(broker::Broker::new(sts)),
        clock: clock::Clock::system(),
        limits,
        shutdown: CancellationToken::new(),
    }
}

pub fn upstream(server: &Server) -> Upstream {
    Upstream::new("corp", target(&server.url, config::Era::Auto), deps())
}

pub fn alice() -> Caller {
    caller("alice", None)
}

pub fn caller(subject: &str, session: Option<u64>) -> Caller {
    let verified = Verified {
        issuer: "https://idp.example".to_owned(),
        subject: subject.to_owned(),
        ..Verified::default()
    };
    Caller {
        principal: Arc::new(Principal::from(verified)),
        session: session.map(SessionKey),
        era: mcp::Era::Legacy,
        capabilities: Raw::value(&json!({})),
        abilities: portcullis_upstream::Abilities::NONE,
        info: Some(Raw::value(&json!({ "name": "ide", "version": "7" }))),
    }
}

pub fn permit(caller: &Caller, action: Action, item: &str) -> Permit {
    let operation =
        Operation { gateway: "corp".into(), target: "files".into(), action, item: item.to_owned() };
    Engine::allow_all().authorize(&caller.principal, operation).unwrap()
}

/// A call of the tool `files___read`.
pub fn tool_call() -> Call {
    Call {
        method: Method::CallTool,
        params: params(&json!({ "name": "files___read", "arguments": { "path": "/a" } })),
        progress: None,
        logs: Logs::Off,
        param_headers: Vec::new(),
        within: None,
        inbox: None,
    }
}

pub fn params(value: &Value) -> Object {
    Object::of(&Raw::value(value)).unwrap()
}

pub async fn dispatch(upstream: &Upstream, caller: &Caller, call: Call) -> Result<Reply, UpstreamError> {
    let permit = permit(caller, Action::CallTool, "read");
    tokio::time::timeout(PATIENCE * 2, upstream.dispatch(&permit, caller, call)).await.unwrap()
}

/// Calls the tool and returns everything that came.
pub async fn call(
    upstream: &Upstream,
    caller: &Caller,
    call: Call,
) -> Result<(Vec<Value>, Value), UpstreamError> {
    let mut reply = dispatch(upstream, caller, call).await?;
    let mut notifications = Vec::new();
    loop {
        match tokio::time::timeout(PATIENCE * 2, reply.next()).await.unwrap()? {
            Event::Notification(text) => {
                notifications.push(serde_json::from_slice(&text.into_bytes()).unwrap())
            }
            Event::Question(_) | Event::Withdrawn(_) | Event::OfTask(_) => {}
            Event::Final(response) => return Ok((notifications, outcome(&response))),
        }
    }
}

/// The result, or the error.
pub fn outcome(response: &mcp::Response) -> Value {
    match &response.outcome {
        Outcome::Result(result) => result.to_value(),
        Outcome::Error(error) => error.to_value(),
    }
}

/// The text of a tool's result.
pub fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}
