//! One connection of a hostile backend: what is scripted, else a correct answer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;

use super::Script;
use super::behaviour::Behaviour;
use super::correct::correct;
use super::ledger::{Arrival, Ledger};
use super::request::Request;
use super::wire::Connection;

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
