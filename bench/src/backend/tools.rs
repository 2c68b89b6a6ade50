//! The tools: `echo` answers about 300 bytes, `big` answers MiB, `stream` reports progress, `ask` asks; the others are there to be listed.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::Body;
use super::feeds::{self, Feeds};
use super::questions::ask;
use super::{Backend, Params, events, json, result};
use crate::wire::Era;

/// Tools of one server, and servers behind one gateway.
pub const TOOLS: usize = 20;
pub const SERVERS: usize = 10;

/// The results of `tools/list`, written once.
pub(super) struct Lists {
    one: [String; 2],
    all: [String; 2],
    changed: [String; 2],
}

impl Lists {
    pub(super) fn new() -> Self {
        let one = (0..TOOLS).map(|index| tool(&name(index), index)).collect::<Vec<_>>().join(",");
        let all = (0..SERVERS).flat_map(|server| (0..TOOLS).map(move |index| (server, index)));
        let all = all.map(|(server, index)| tool(&format!("t{server}___{}", name(index)), index));
        let all = all.collect::<Vec<_>>().join(",");
        let changed = format!("{one},{}", tool("a-new-one", TOOLS));
        Self { one: both(&one), all: both(&all), changed: both(&changed) }
    }

    pub(super) fn of(&self, path: &str, era: Era, feeds: &Feeds) -> &str {
        let lists = match path {
            "/all/mcp" => &self.all,
            feeds::PATH if feeds.has_changed() => &self.changed,
            _ => &self.one,
        };
        match era {
            Era::Legacy => &lists[0],
            Era::Modern => &lists[1],
        }
    }
}

fn both(tools: &str) -> [String; 2] {
    let modern = r#""resultType":"complete","ttlMs":60000,"cacheScope":"public""#;
    [format!(r#"{{"tools":[{tools}]}}"#), format!(r#"{{"tools":[{tools}],{modern}}}"#)]
}

fn name(index: usize) -> String {
    match index {
        0 => "echo".to_owned(),
        1 => "big".to_owned(),
        2 => "stream".to_owned(),
        3 => "ask".to_owned(),
        other => format!("tool-{other:02}"),
    }
}

/// About as large as the tools of real servers are.
fn tool(name: &str, index: usize) -> String {
    format!(
        r#"{{"name":"{name}","title":"Tool number {index}","description":"Does what tool number {index} does: takes a message and some bounds, and answers with what it was given. Use it when nothing else fits.","inputSchema":{{"type":"object","properties":{{"message":{{"type":"string","description":"What to say","maxLength":4096}},"limit":{{"type":"integer","minimum":1,"maximum":100,"default":10}},"format":{{"enum":["text","json"]}}}}}},"annotations":{{"readOnlyHint":true}}}}"#
    )
}

/// Arguments of `echo`.
#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
}

/// Arguments of `big` and `stream`.
#[derive(Deserialize)]
#[serde(default)]
struct Work {
    /// `big`: MiB of text in the result.
    mib: usize,
    /// `big`: as one event of a stream instead of a JSON body.
    event: bool,
    /// `stream`: progress notifications.
    events: u32,
    /// `stream`: between two of them, in milliseconds.
    interval_ms: u64,
    /// Do not go on before this many calls wait here.
    together: usize,
}

impl Default for Work {
    fn default() -> Self {
        Self { mib: 1, event: false, events: 1, interval_ms: 0, together: 1 }
    }
}

pub(super) async fn call(backend: &Arc<Backend>, era: Era, id: &str, params: &Params<'_>) -> Response<Body> {
    let arguments = params.arguments.map_or("{}", RawValue::get);
    match params.name {
        Some("echo") => match serde_json::from_str::<Echo<'_>>(arguments) {
            Ok(echo) => json(result(id, &echoed(era, echo.message.get()))),
            Err(_) => json(result(id, &failed(era, "`message` is missing"))),
        },
        Some("big") => match serde_json::from_str::<Work>(arguments) {
            Ok(work) => big(backend, era, id, &work).await,
            Err(_) => json(result(id, &failed(era, "the arguments cannot be read"))),
        },
        Some("stream") => match serde_json::from_str::<Work>(arguments) {
            Ok(work) => stream(backend.clone(), era, id.to_owned(), params, work),
            Err(_) => json(result(id, &failed(era, "the arguments cannot be read"))),
        },
        Some("change") => {
            backend.feeds.change();
            json(result(id, &echoed(era, r#""changed""#)))
        }
        Some("ask") => ask(backend.clone(), era, id, params),
        _ => json(result(id, &failed(era, "there is no such tool"))),
    }
}

pub(super) fn echoed(era: Era, message: &str) -> String {
    format!(
        r#"{{"content":[{{"type":"text","text":{message}}}],"structuredContent":{{"echo":{message}}},{}}}"#,
        end(era)
    )
}

pub(super) fn failed(era: Era, why: &str) -> String {
    let end = end(era).replace("false", "true");
    format!(r#"{{"content":[{{"type":"text","text":"{why}"}}],{end}}}"#)
}

/// How every result of a call ends.
fn end(era: Era) -> &'static str {
    match era {
        Era::Legacy => r#""isError":false"#,
        Era::Modern => r#""isError":false,"resultType":"complete""#,
    }
}

async fn big(backend: &Backend, era: Era, id: &str, work: &Work) -> Response<Body> {
    if !backend.gates.pass(work.together).await {
        return json(result(id, &failed(era, "the other calls did not come")));
    }
    let mut text = String::with_capacity((work.mib << 20) + 512);
    let _ = write!(text, r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":""#);
    while text.len() < work.mib << 20 {
        text.push_str(r"The quick brown fox jumps over the lazy dog, and over the gate, and then some.\n");
    }
    let _ = write!(text, r#""}}],{}}}}}"#, end(era));
    if !work.event {
        return json(text);
    }
    let (sender, body) = Body::events();
    tokio::spawn(async move {
        for piece in ["event: message\ndata: ".to_owned(), text, "\n\n".to_owned()] {
            if sender.send(Bytes::from(piece)).await.is_err() {
                return;
            }
        }
    });
    events(body)
}

/// One notification at once, the others when everybody has come.
fn stream(backend: Arc<Backend>, era: Era, id: String, params: &Params<'_>, work: Work) -> Response<Body> {
    let Some(token) = params.meta.as_ref().and_then(|meta| meta.progress_token) else {
        return json(result(&id, &failed(era, "there is no progress token")));
    };
    let token = token.get().to_owned();
    let (sender, body) = Body::events();
    tokio::spawn(async move {
        for count in 1..=work.events {
            if sender.send(progress(&token, count, work.events)).await.is_err() {
                return;
            }
            if count == 1 && !backend.gates.pass(work.together).await {
                let _ = sender.send(event(&result(&id, &failed(era, "the other calls did not come")))).await;
                return;
            }
            // A timer of no time would still wait for its next tick.
            if work.interval_ms > 0 {
                tokio::time::sleep(Duration::from_millis(work.interval_ms)).await;
            }
        }
        let _ = sender.send(event(&result(&id, &echoed(era, r#""done""#)))).await;
    });
    events(body)
}

fn progress(token: &str, count: u32, total: u32) -> Bytes {
    event(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{count},"total":{total},"message":"step {count} of {total}"}}}}"#
    ))
}

pub(super) fn event(message: &str) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}
