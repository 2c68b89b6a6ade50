//! The tour's own client: sends a step as it is printed, and reads what comes back, stream or not.

use std::time::Duration;

use http::Request;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use mcp::Version;
use mcp::header::{MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION};
use mcp::sse::Decoder;
use net::{Body, ClientOptions, Guard, ReplyBody, Tls};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::people::People;
use super::tour::{Progress, Step};
use crate::failure::Failure;

/// What every step accepts.
pub const ACCEPTS: &str = "application/json, text/event-stream";
/// For an answer to begin, and between two events of one.
const PATIENCE: Duration = Duration::from_secs(20);
/// One event, or one body, in bytes.
const BYTES_MAX: usize = 4 << 20;

/// A client of the gateway at one URL.
pub struct Client {
    http: net::Client,
    url: Url,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// The messages: of a stream all of them, otherwise the one of the body, if there was one.
    pub messages: Vec<Value>,
    /// From the arrival of the first message to that of the last.
    pub spread: Duration,
}

impl Reply {
    /// The last message; null where there is none.
    pub fn answer(&self) -> &Value {
        const NONE: &Value = &Value::Null;
        self.messages.last().unwrap_or(NONE)
    }
}

/// The body of a step.
pub fn body(step: &Step) -> String {
    let progress = if step.progress == Progress::Wanted { r#""progressToken":1,"# } else { "" };
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{{{}"_meta":{{{progress}"{}":"{}","{}":{{}}}}}}}}"#,
        step.method,
        step.params,
        mcp::meta::PROTOCOL_VERSION,
        Version::NEWEST,
        mcp::meta::CLIENT_CAPABILITIES,
    )
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

    /// Takes a step.
    ///
    /// # Errors
    /// There was no answer, or none that can be read.
    pub async fn ask(&self, step: &Step, people: &People) -> Result<Reply, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::of("the gateway does not answer", error);
        let mut request = Request::post(self.url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, ACCEPTS)
            .header(MCP_PROTOCOL_VERSION, Version::NEWEST.as_str())
            .header(MCP_METHOD, step.method);
        if let Some(name) = step.name {
            request = request.header(MCP_NAME, name);
        }
        if let Some(token) = people.token(step.who) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body(step))).map_err(|error| failed(&error))?;
        let response = self.http.send(request, PATIENCE).await.map_err(|error| failed(&error))?;
        let (head, body) = response.into_parts();
        let header =
            |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let (status, challenge) = (head.status.as_u16(), header(WWW_AUTHENTICATE));
        let is_stream = header(CONTENT_TYPE).is_some_and(|form| form.starts_with("text/event-stream"));
        let (messages, spread) = if is_stream {
            events(body).await?
        } else {
            let read = net::read_body(&head.headers, body, BYTES_MAX, PATIENCE).await;
            let text = read.map_err(|error| failed(&error))?;
            (serde_json::from_slice(&text).ok().into_iter().collect(), Duration::ZERO)
        };
        Ok(Reply { status, challenge, messages, spread })
    }
}

/// The messages of a stream, and how long it took from the first to the last.
async fn events(mut body: ReplyBody) -> Result<(Vec<Value>, Duration), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::of("the stream cannot be read", error);
    let mut decoder = Decoder::new(BYTES_MAX);
    let mut messages = Vec::new();
    let (mut first, mut last) = (None, Duration::ZERO);
    while let Some(chunk) = net::next_frame(&mut body, PATIENCE).await.map_err(|error| failed(&error))? {
        decoder.feed(chunk);
        while let Some(event) = decoder.next_event().map_err(|error| failed(&error))? {
            last = first.get_or_insert_with(Instant::now).elapsed();
            messages.extend(serde_json::from_slice::<Value>(&event.data));
        }
    }
    Ok((messages, last))
}
