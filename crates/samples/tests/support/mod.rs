//! A sample behind its own front door, and a client that sends what it is told.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops where it fails")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

use std::time::Duration;

use http::{HeaderMap, Method, Request, StatusCode};
use mcp::sse::Decoder;
use net::{Body, Client, ClientOptions, Drain, Guard, ReplyBody, Tls};
use serde_json::{Value, json};
use url::Url;

/// Long enough for any machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
const BYTES_MAX: usize = 1 << 20;

/// Ends what was started when the test ends.
pub struct Running {
    pub url: Url,
    pub drain: Drain,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.drain.cut_now();
    }
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The messages: of a stream all of them, otherwise the one of the body.
    pub messages: Vec<Value>,
}

impl Reply {
    /// The last message, which is the answer.
    pub fn answer(&self) -> &Value {
        self.messages.last().expect("an answer")
    }

    pub fn result(&self) -> &Value {
        let answer = self.answer();
        answer.get("result").unwrap_or_else(|| panic!("no result: {answer}"))
    }

    pub fn error(&self) -> (i64, &str) {
        let error = &self.answer()["error"];
        (error["code"].as_i64().expect("a code"), error["message"].as_str().expect("a message"))
    }

    pub fn is_stream(&self) -> bool {
        self.headers.get("content-type").is_some_and(|value| value == "text/event-stream")
    }
}

pub fn client() -> Client {
    Client::operator(Guard::default(), Tls::new(None).unwrap(), &ClientOptions::default())
}

pub async fn send(url: &Url, method: Method, headers: &[(&str, &str)], body: String) -> Reply {
    let mut request = Request::builder().method(method).uri(url.as_str());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client().send(request.body(Body::from(body)).unwrap(), PATIENCE).await.unwrap();
    let (head, body) = response.into_parts();
    let text = net::read_body(&head.headers, body, BYTES_MAX, PATIENCE).await.unwrap();
    let stream = head.headers.get("content-type").is_some_and(|value| value == "text/event-stream");
    let messages = match (stream, text.is_empty()) {
        (true, _) => events(text),
        (false, true) => Vec::new(),
        (false, false) => vec![serde_json::from_slice(&text).unwrap()],
    };
    Reply { status: head.status, headers: head.headers, messages }
}

/// A stream that is read message by message.
pub struct Stream {
    body: ReplyBody,
    decoder: Decoder,
}

impl Stream {
    pub async fn next(&mut self) -> Value {
        loop {
            if let Some(event) = self.decoder.next_event().unwrap() {
                return serde_json::from_slice(&event.data).unwrap();
            }
            let chunk = net::next_frame(&mut self.body, PATIENCE).await.unwrap();
            self.decoder.feed(chunk.expect("a stream that goes on"));
        }
    }
}

/// Posts a message that is answered by a stream.
pub async fn open(url: &Url, more: &[(&str, &str)], message: &Value) -> Stream {
    let mut request = Request::post(url.as_str())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(message.to_string())).unwrap();
    let response = client().send(request, PATIENCE).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Stream { body: response.into_body(), decoder: Decoder::new(BYTES_MAX) }
}

/// The text of a web page.
pub async fn send_page(url: &Url, method: Method) -> String {
    let request = Request::builder().method(method).uri(url.as_str()).body(Body::empty()).unwrap();
    let (head, body) = client().send(request, PATIENCE).await.unwrap().into_parts();
    assert_eq!(head.status, StatusCode::OK);
    String::from_utf8(net::read_body(&head.headers, body, BYTES_MAX, PATIENCE).await.unwrap().to_vec())
        .unwrap()
}

/// Posts a message as every client does; `more` are headers besides.
pub async fn post(url: &Url, more: &[(&str, &str)], message: &Value) -> Reply {
    let mut headers =
        vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    headers.extend(more);
    send(url, Method::POST, &headers, message.to_string()).await
}

pub fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// `params` as a 2026-07-28 client writes them.
pub fn modern(mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
    let capabilities = &mut params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    if capabilities.is_null() {
        *capabilities = json!({});
    }
    params
}

/// The values of `key` in a list, in order.
pub fn each(list: &Value, key: &str) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|item| item[key].as_str().expect("text").to_owned()).collect()
}

fn events(text: bytes::Bytes) -> Vec<Value> {
    let mut decoder = Decoder::new(BYTES_MAX);
    decoder.feed(text);
    let mut messages = Vec::new();
    while let Some(event) = decoder.next_event().unwrap() {
        messages.push(serde_json::from_slice(&event.data).unwrap());
    }
    messages
}
