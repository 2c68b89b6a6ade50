//! The tour's own client: sends what is printed, and reads what comes back, stream or not.

use std::collections::HashMap;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, Request};
use mcp::header::MCP_SESSION_ID;
use mcp::sse::Decoder;
use net::{Body, ClientOptions, Guard, ReplyBody, Tls};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::message::{ACCEPTS, Message};
use super::people::People;
use crate::failure::Failure;

/// For an answer to begin, and between two events of one.
const PATIENCE: Duration = Duration::from_secs(20);
/// One event, or one body, in bytes.
const BYTES_MAX: usize = 4 << 20;

/// What earlier answers said, by variable.
pub type Values = HashMap<&'static str, String>;

/// A client of the gateway at one URL.
pub struct Client {
    http: net::Client,
    url: Url,
}

/// An answer that has begun.
pub struct Incoming {
    head: http::response::Parts,
    body: ReplyBody,
    /// Where it is a stream.
    decoder: Option<Decoder>,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// `Mcp-Session-Id`.
    pub session: Option<String>,
    /// The messages: of a stream those that were read, otherwise the one of the body, if there was one.
    pub messages: Vec<Value>,
    /// The last of them as it was written; or the body, where it is no message.
    pub text: String,
    /// From the arrival of the first message to that of the last.
    pub spread: Duration,
}

/// How far an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To its end.
    End,
    /// To the first question.
    Question,
}

impl Client {
    /// A client of the gateway at `url`.
    ///
    /// # Errors
    /// `url` is none, or the system's certificates cannot be used.
    pub fn new(url: &str) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::of("the tour has no client", error);
        let tls = Tls::new(None).map_err(|error| failed(&error))?;
        let http = net::Client::operator(Guard::default(), tls, &ClientOptions::default());
        Ok(Self { http, url: Url::parse(url).map_err(|error| failed(&error))? })
    }

    /// Sends a message, its variables replaced by their values.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn send(
        &self,
        message: &Message,
        people: &People,
        values: &Values,
    ) -> Result<Incoming, Failure> {
        let mut request =
            Request::post(self.url.as_str()).header(CONTENT_TYPE, "application/json").header(ACCEPT, ACCEPTS);
        for (name, value) in &message.headers {
            request = request.header(*name, filled(value, values));
        }
        if let Some(token) = people.token(message.who) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        self.start(request.body(Body::from(filled(&message.body, values)))).await
    }

    /// Presses the button of the page at `address`.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn press(&self, address: &str) -> Result<Incoming, Failure> {
        self.start(Request::post(address).body(Body::empty())).await
    }

    async fn start(&self, request: http::Result<Request<Body>>) -> Result<Incoming, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::of("there is no answer", error);
        let request = request.map_err(|error| failed(&error))?;
        let response = self.http.send(request, PATIENCE).await.map_err(|error| failed(&error))?;
        let (head, body) = response.into_parts();
        let is_stream = header(&head.headers, CONTENT_TYPE.as_str())
            .is_some_and(|form| form.starts_with("text/event-stream"));
        Ok(Incoming { head, body, decoder: is_stream.then(|| Decoder::new(BYTES_MAX)) })
    }
}

impl Incoming {
    /// Reads on.
    ///
    /// # Errors
    /// It breaks off, or cannot be read.
    pub async fn read(&mut self, until: Until) -> Result<Reply, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::of("the answer cannot be read", error);
        let mut reply = Reply {
            status: self.head.status.as_u16(),
            challenge: header(&self.head.headers, WWW_AUTHENTICATE.as_str()),
            session: header(&self.head.headers, MCP_SESSION_ID),
            ..Reply::default()
        };
        let Some(decoder) = &mut self.decoder else {
            let read = net::read_body(&self.head.headers, &mut self.body, BYTES_MAX, PATIENCE).await;
            reply.take(&read.map_err(|error| failed(&error))?);
            return Ok(reply);
        };
        let mut first = None;
        loop {
            while let Some(event) = decoder.next_event().map_err(|error| failed(&error))? {
                reply.spread = first.get_or_insert_with(Instant::now).elapsed();
                reply.take(&event.data);
                if until == Until::Question && reply.answer()["method"] == "elicitation/create" {
                    return Ok(reply);
                }
            }
            match net::next_frame(&mut self.body, PATIENCE).await.map_err(|error| failed(&error))? {
                Some(chunk) => decoder.feed(chunk),
                None => return Ok(reply),
            }
        }
    }
}

impl Reply {
    /// The last message; null where there is none.
    pub fn answer(&self) -> &Value {
        const NONE: &Value = &Value::Null;
        self.messages.last().unwrap_or(NONE)
    }

    /// What the first member called `name` says, found as a shell finds it.
    pub fn value(&self, name: &str) -> Option<String> {
        let (_, after) = self.text.split_once(&format!("\"{name}\":"))?;
        Some(after.split([',', '}']).next()?.replace('"', ""))
    }

    /// What came, cut to what fits a line.
    pub fn summary(&self) -> String {
        format!("status {}: {}", self.status, self.text.chars().take(300).collect::<String>())
    }

    fn take(&mut self, text: &[u8]) {
        self.messages.extend(serde_json::from_slice::<Value>(text));
        // The first event of a stream only says where it can be taken up.
        if !text.is_empty() {
            self.text = String::from_utf8_lossy(text).into_owned();
        }
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

fn filled(text: &str, values: &Values) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
}
