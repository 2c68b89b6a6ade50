//! One connection of a hostile backend: what is scripted, else a correct answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::behaviour::Behaviour;
use super::ledger::{Arrival, Ledger};
use super::wire::Connection;
use super::{Manner, Script};

const JSON: &str = "application/json";
/// Bytes written at a time where there is no end.
const FLOOD: usize = 64 * 1024;

/// Whether the connection can be used for another request.
#[derive(PartialEq, Eq)]
enum After {
    KeepOpen,
    Close,
}

pub(super) async fn serve(socket: TcpStream, script: Arc<Script>, ledger: Ledger) {
    let mut connection = Connection::new(socket);
    while let Some(arrival) = connection.request().await {
        ledger.record(arrival.clone());
        let request = Request::of(&arrival);
        let behaviour = choose(&script, &arrival, &request);
        if act(&mut connection, behaviour, &request, &ledger).await == After::Close {
            return;
        }
    }
}

/// The parts of a request that an answer may repeat, as they were spelled.
struct Request {
    method: String,
    id: Option<String>,
    token: Option<String>,
    tool: Option<String>,
    cursor: Option<String>,
}

impl Request {
    fn of(arrival: &Arrival) -> Self {
        #[derive(serde::Deserialize)]
        struct Envelope<'a> {
            #[serde(borrow)]
            id: Option<&'a RawValue>,
            #[serde(borrow)]
            params: Option<&'a RawValue>,
        }
        #[derive(serde::Deserialize)]
        struct Params<'a> {
            #[serde(borrow, rename = "_meta")]
            meta: Option<Meta<'a>>,
        }
        #[derive(serde::Deserialize)]
        struct Meta<'a> {
            #[serde(borrow, rename = "progressToken")]
            token: Option<&'a RawValue>,
        }
        let envelope: Option<Envelope<'_>> = serde_json::from_str(&arrival.body).ok();
        let params = envelope.as_ref().and_then(|envelope| envelope.params);
        let meta = params.and_then(|params| serde_json::from_str::<Params<'_>>(params.get()).ok());
        let message = arrival.message();
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Self {
            method: arrival.method(),
            id: envelope.as_ref().and_then(|envelope| envelope.id).map(|id| id.get().to_owned()),
            token: meta.and_then(|params| params.meta?.token).map(|token| token.get().to_owned()),
            tool: text("/params/name"),
            cursor: text("/params/cursor"),
        }
    }

    fn fill(&self, text: &str) -> String {
        let id = self.id.as_deref().unwrap_or("null");
        text.replace("{id}", id).replace("{token}", self.token.as_deref().unwrap_or("null"))
    }
}

fn choose(script: &Script, arrival: &Arrival, request: &Request) -> Behaviour {
    let called = request.tool.as_ref().filter(|_| request.method == "tools/call");
    if let Some(behaviour) = called.and_then(|tool| script.calls.get(tool)) {
        return behaviour.clone();
    }
    match script.methods.get(&request.method) {
        Some(behaviour) => behaviour.clone(),
        None => correct(script, arrival, request),
    }
}

fn correct(script: &Script, arrival: &Arrival, request: &Request) -> Behaviour {
    let legacy = script.manner == Manner::Legacy;
    if arrival.verb != "POST" {
        let status = if legacy && arrival.verb == "DELETE" { 200 } else { 405 };
        return Behaviour::Http(status, Vec::new(), String::new());
    }
    if request.id.is_none() {
        return Behaviour::Http(202, Vec::new(), String::new());
    }
    if legacy && request.method != "initialize" && arrival.header("mcp-session-id").is_none() {
        return Behaviour::Http(400, Vec::new(), "no session".to_owned());
    }
    match request.method.as_str() {
        "initialize" if legacy => initialize(script, arrival),
        "server/discover" if !legacy => Behaviour::Result(
            json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": script.capabilities,
                "ttlMs": 60000,
                "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "hostile", "version": "1.0.0"}},
            })
            .to_string(),
        ),
        "ping" if legacy => Behaviour::Result("{}".to_owned()),
        "tools/list" => Behaviour::Result(list("tools", &script.tools, legacy)),
        "prompts/list" if script.capabilities.get("prompts").is_some() => {
            Behaviour::Result(list("prompts", &[], legacy))
        }
        "resources/list" if script.capabilities.get("resources").is_some() => {
            Behaviour::Result(list("resources", &[], legacy))
        }
        "resources/templates/list" if script.capabilities.get("resources").is_some() => {
            Behaviour::Result(list("resourceTemplates", &[], legacy))
        }
        "tools/call" => Behaviour::Error(json!({"code": -32602, "message": "Unknown tool"}).to_string()),
        method => {
            let error = json!({"code": -32601, "message": format!("Method not found: {method}")});
            let body = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"error":{error}}}"#);
            let status = if legacy { 200 } else { 404 };
            Behaviour::Http(status, vec![("content-type".to_owned(), JSON.to_owned())], body)
        }
    }
}

fn initialize(script: &Script, arrival: &Arrival) -> Behaviour {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let message = arrival.message();
    let asked = message.pointer("/params/protocolVersion").and_then(Value::as_str).unwrap_or_default();
    let known = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
    let version = if known.contains(&asked) { asked } else { "2025-11-25" };
    let result = json!({
        "protocolVersion": version,
        "capabilities": script.capabilities,
        "serverInfo": {"name": "hostile", "version": "1.0.0"},
    });
    let session = format!("hostile-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let headers = vec![("content-type".to_owned(), JSON.to_owned()), ("mcp-session-id".to_owned(), session)];
    Behaviour::Http(200, headers, format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#))
}

fn list(key: &str, items: &[String], legacy: bool) -> String {
    let hints = if legacy { "" } else { r#","resultType":"complete","ttlMs":0,"cacheScope":"public""# };
    format!(r#"{{"{key}":[{}]{hints}}}"#, items.join(","))
}

async fn act(connection: &mut Connection, behaviour: Behaviour, request: &Request, ledger: &Ledger) -> After {
    let behaviour = match behaviour {
        Behaviour::Sequence(turns) => turns.take(),
        other => other,
    };
    let behaviour = match behaviour {
        Behaviour::Held(gate, then) => {
            tokio::select! {
                () = gate.passed() => *then,
                () = connection.closed() => {
                    ledger.record_hang_up();
                    return After::Close;
                }
            }
        }
        other => other,
    };
    let over = match behaviour {
        Behaviour::Result(result) => {
            return json_answer(
                connection,
                &format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#),
                request,
            )
            .await;
        }
        Behaviour::Error(error) => {
            return json_answer(
                connection,
                &format!(r#"{{"jsonrpc":"2.0","id":{{id}},"error":{error}}}"#),
                request,
            )
            .await;
        }
        Behaviour::Http(status, headers, body) => {
            return http_answer(connection, status, &headers, &request.fill(&body)).await;
        }
        Behaviour::Pages(last) => {
            let page = request.cursor.as_deref().and_then(|cursor| cursor.parse::<u64>().ok()).unwrap_or(0);
            let next =
                if page + 1 < last { format!(r#","nextCursor":"{}""#, page + 1) } else { String::new() };
            let tool = tool(&format!("tool{page}"));
            let body = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"tools":[{tool}]{next}}}}}"#);
            return json_answer(connection, &body, request).await;
        }
        Behaviour::ManyTools(count) => {
            let tools: Vec<String> = (0..count).map(|at| tool(&format!("tool{at}"))).collect();
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"tools":[{}]}}}}"#, tools.join(","));
            return json_answer(connection, &body, request).await;
        }
        Behaviour::Large(bytes) => {
            let text = "x".repeat(bytes);
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
            );
            return json_answer(connection, &body, request).await;
        }
        Behaviour::Events(messages) => {
            send_events(connection, &messages, request).await;
            return After::Close;
        }
        Behaviour::EventsAround(first, gate, last) => {
            send_events(connection, &first, request).await;
            gate.passed().await;
            connection.write(events(&last, request).as_bytes()).await;
            return After::Close;
        }
        Behaviour::LargeEvent(bytes) => {
            let text = "x".repeat(bytes);
            let message = format!(
                r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
            );
            send_events(connection, &[message], request).await;
            return After::Close;
        }
        Behaviour::Raw(text) => {
            connection.write(request.fill(&text).as_bytes()).await;
            return After::Close;
        }
        Behaviour::CutOff => {
            let text = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"jsonrpc\":";
            connection.write(text.as_bytes()).await;
            return After::Close;
        }
        Behaviour::HangUp | Behaviour::Sequence(_) | Behaviour::Held(..) => return After::Close,
        endless => stall(connection, endless, request).await,
    };
    // Only the other side ends the endless ones.
    if over == After::Close {
        ledger.record_hang_up();
    }
    After::Close
}

/// The behaviours that never end by themselves.
async fn stall(connection: &mut Connection, behaviour: Behaviour, request: &Request) -> After {
    const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    match behaviour {
        Behaviour::EventsThenSilence(messages) => {
            send_events(connection, &messages, request).await;
            connection.closed().await;
        }
        Behaviour::Drip(pause) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
            if connection.write(head.as_bytes()).await {
                drip(connection, pause).await;
            }
        }
        Behaviour::DripHead(pause) => {
            if connection.write(b"HTTP/1.1 200 OK\r\nx-slow: ").await {
                drip(connection, pause).await;
            }
        }
        Behaviour::EndlessEvent => {
            let flood = "x".repeat(FLOOD);
            let mut listening = connection.write(format!("{STREAM}data: ").as_bytes()).await;
            while listening {
                listening = connection.write(flood.as_bytes()).await;
            }
        }
        Behaviour::EndlessEvents(message) => {
            let event = format!("data: {}\n\n", request.fill(&message));
            let mut listening = connection.write(STREAM.as_bytes()).await;
            while listening {
                listening = connection.write(event.as_bytes()).await;
            }
        }
        _ => connection.closed().await,
    }
    After::Close
}

async fn drip(connection: &mut Connection, pause: Duration) {
    loop {
        tokio::select! {
            () = connection.closed() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if !connection.write(b" ").await {
            return;
        }
    }
}

async fn send_events(connection: &mut Connection, messages: &[String], request: &Request) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    connection.write(format!("{head}{}", events(messages, request)).as_bytes()).await;
}

fn events(messages: &[String], request: &Request) -> String {
    messages.iter().map(|message| format!("data: {}\n\n", request.fill(message))).collect()
}

async fn json_answer(connection: &mut Connection, body: &str, request: &Request) -> After {
    http_answer(connection, 200, &[("content-type".to_owned(), JSON.to_owned())], &request.fill(body)).await
}

async fn http_answer(
    connection: &mut Connection,
    status: u16,
    headers: &[(String, String)],
    body: &str,
) -> After {
    let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let sent = connection.write(head.as_bytes()).await && connection.write(body.as_bytes()).await;
    if sent { After::KeepOpen } else { After::Close }
}

fn tool(name: &str) -> String {
    json!({"name": name, "description": name, "inputSchema": {"type": "object"}}).to_string()
}
