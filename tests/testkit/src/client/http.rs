//! HTTP/1.1 over a plain socket.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sse::{Decoder, Event};

/// Longest a test waits for anything; far above what a loaded machine needs, so that it never decides a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where requests go and what they always carry.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The socket to connect to.
    pub address: SocketAddr,
    /// The path of the endpoint.
    pub path: String,
    /// Sent as a bearer token, when there is one.
    pub token: Option<String>,
}

impl Endpoint {
    /// An endpoint without a token.
    pub fn new(address: SocketAddr, path: &str) -> Self {
        Self { address, path: path.to_owned(), token: None }
    }

    /// The same endpoint for somebody with this token.
    pub fn as_bearer(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same server at another path.
    pub fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// As a URL.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// A request to be filled in.
    pub fn call(&self, verb: &str) -> Call {
        let mut headers = vec![("host".to_owned(), self.address.to_string())];
        headers
            .extend(self.token.iter().map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
        Call { address: self.address, verb: verb.to_owned(), path: self.path.clone(), headers, body: None }
    }

    /// A POST with the headers every MCP client sends.
    pub fn post(&self, body: impl ToString) -> Call {
        self.call("POST")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.to_string())
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    address: SocketAddr,
    verb: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Call {
    /// Adds a header line; a second one of the same name stays beside the first.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces all lines of a header by one.
    pub fn replace(self, name: &str, value: impl Into<String>) -> Self {
        self.without(name).header(name, value)
    }

    /// Takes all lines of a header away.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The bytes that go over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.verb, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("connection: close\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it and reads the whole answer.
    pub async fn send(&self) -> anyhow::Result<Reply> {
        let mut stream = self.open().await?;
        stream.finish().await
    }

    /// Sends it and returns as soon as the head of the answer is there.
    pub async fn open(&self) -> anyhow::Result<Streaming> {
        let mut socket = TcpStream::connect(self.address).await.context("connecting")?;
        socket.write_all(&self.to_bytes()).await.context("sending")?;
        Streaming::read_head(socket).await
    }
}

/// Sends bytes as they are and reads until the server closes or stays silent for `silence`.
pub async fn raw_exchange(address: SocketAddr, bytes: &[u8], silence: Duration) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    let _maybe_refused_midway = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while let Ok(Ok(count)) = timeout(silence, socket.read(&mut chunk)).await {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&chunk[..count]);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header lines in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without its transfer coding.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first line of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status, headers and body without what differs between two answers that say the same.
    pub fn fingerprint(&self) -> (u16, Vec<(String, String)>, String) {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| name != "date" && name != "x-request-id");
        (self.status, headers, self.text())
    }

    /// Whether the body is an event stream.
    pub fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// The events of a stream that has ended.
    pub fn events(&self) -> Vec<Event> {
        Decoder::default().feed(&self.body)
    }

    /// Every message of the answer, whichever form it took.
    pub fn messages(&self) -> anyhow::Result<Vec<Value>> {
        let texts = if self.is_stream() {
            self.events().into_iter().map(|event| event.data).filter(|data| !data.is_empty()).collect()
        } else {
            vec![self.text()]
        };
        let parse = |text: &String| serde_json::from_str(text).with_context(|| format!("not JSON: {text}"));
        texts.iter().map(parse).collect()
    }

    /// The one response among the messages.
    pub fn message(&self) -> anyhow::Result<Value> {
        let messages = self.messages()?;
        let mut responses = messages
            .iter()
            .filter(|message| message.get("result").is_some() || message.get("error").is_some());
        let Some(response) = responses.next() else {
            bail!("no response in {} {}", self.status, self.text())
        };
        ensure!(responses.next().is_none(), "two responses in {}", self.text());
        Ok(response.clone())
    }

    /// The result; an error is a failure of the test.
    pub fn result(&self) -> anyhow::Result<Value> {
        let message = self.message()?;
        message.get("result").cloned().with_context(|| format!("HTTP {}: {message}", self.status))
    }

    /// The error's code; a result is a failure of the test.
    pub fn error_code(&self) -> anyhow::Result<i64> {
        let message = self.message()?;
        let code = message.pointer("/error/code").and_then(Value::as_i64);
        code.with_context(|| format!("HTTP {}: {message}", self.status))
    }

    /// The error's sentence.
    pub fn error_message(&self) -> anyhow::Result<String> {
        let message = self.message()?;
        let text = message.pointer("/error/message").and_then(Value::as_str);
        text.map(str::to_owned).with_context(|| format!("HTTP {}: {message}", self.status))
    }
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Streaming {
    /// HTTP status.
    pub status: u16,
    /// Header lines in order, names in lower case.
    pub headers: Vec<(String, String)>,
    socket: TcpStream,
    raw: Vec<u8>,
    framing: Framing,
    events: Decoder,
    ready: std::collections::VecDeque<Event>,
}

#[derive(Debug)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
    Over,
}

impl Streaming {
    async fn read_head(mut socket: TcpStream) -> anyhow::Result<Self> {
        let mut raw = Vec::new();
        let end = loop {
            if let Some(at) = find_bytes(&raw, b"\r\n\r\n") {
                break at;
            }
            ensure!(read_more(&mut socket, &mut raw).await? > 0, "closed before an answer: {raw:?}");
        };
        let head = String::from_utf8_lossy(&raw[..end]).into_owned();
        raw.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status =
            status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).context(head.clone())?;
        let split = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: Vec<_> = lines.filter_map(split).collect();
        let framing = framing(status, &headers);
        Ok(Self {
            status,
            headers,
            socket,
            raw,
            framing,
            events: Decoder::default(),
            ready: Default::default(),
        })
    }

    /// The first line of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The next event, or `None` when the stream ended.
    pub async fn event(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(bytes) = self.chunk().await? else { return Ok(None) };
            self.ready.extend(self.events.feed(&bytes));
        }
    }

    /// The next message on the stream that is not an empty event.
    pub async fn message(&mut self) -> anyhow::Result<Option<Value>> {
        while let Some(event) = self.event().await? {
            if !event.data.is_empty() {
                return Ok(Some(serde_json::from_str(&event.data).context(event.data)?));
            }
        }
        Ok(None)
    }

    /// The next message of this method, skipping others.
    pub async fn until(&mut self, method: &str) -> anyhow::Result<Value> {
        while let Some(message) = self.message().await? {
            if message.get("method").and_then(Value::as_str) == Some(method) {
                return Ok(message);
            }
        }
        bail!("the stream ended without {method}")
    }

    /// Reads the rest.
    pub async fn finish(&mut self) -> anyhow::Result<Reply> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            body.extend_from_slice(&bytes);
        }
        Ok(Reply { status: self.status, headers: self.headers.clone(), body })
    }

    /// Some more of the body, or `None` at its end.
    pub async fn chunk(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        loop {
            match self.framing {
                Framing::Over => return Ok(None),
                Framing::Length(0) => self.framing = Framing::Over,
                Framing::Length(left) if !self.raw.is_empty() => {
                    let count = left.min(self.raw.len());
                    self.framing = Framing::Length(left - count);
                    return Ok(Some(self.raw.drain(..count).collect()));
                }
                Framing::UntilClose if !self.raw.is_empty() => {
                    return Ok(Some(std::mem::take(&mut self.raw)));
                }
                Framing::Chunked => {
                    if let Some(bytes) = self.take_chunk()? {
                        if bytes.is_empty() {
                            self.framing = Framing::Over;
                            continue;
                        }
                        return Ok(Some(bytes));
                    }
                }
                Framing::Length(_) | Framing::UntilClose => {}
            }
            if matches!(self.framing, Framing::Over | Framing::Length(0)) {
                continue;
            }
            if read_more(&mut self.socket, &mut self.raw).await? == 0 {
                ensure!(matches!(self.framing, Framing::UntilClose), "closed in the middle of the body");
                self.framing = Framing::Over;
            }
        }
    }

    fn take_chunk(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(line) = find_bytes(&self.raw, b"\r\n") else { return Ok(None) };
        let size = String::from_utf8_lossy(&self.raw[..line]).into_owned();
        let size =
            usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).context(size)?;
        let whole = line + 2 + size + 2;
        if self.raw.len() < whole {
            return Ok(None);
        }
        let bytes = self.raw[line + 2..line + 2 + size].to_vec();
        self.raw.drain(..whole);
        Ok(Some(bytes))
    }
}

fn framing(status: u16, headers: &[(String, String)]) -> Framing {
    if status == 204 || status == 304 {
        return Framing::Over;
    }
    if find(headers, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Framing::Chunked;
    }
    match find(headers, "content-length").and_then(|length| length.parse().ok()) {
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    }
}

async fn read_more(socket: &mut TcpStream, raw: &mut Vec<u8>) -> anyhow::Result<usize> {
    timeout(PATIENCE, socket.read_buf(raw)).await.context("nothing arrived for a minute")?.context("reading")
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn find_bytes(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
