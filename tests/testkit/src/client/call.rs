//! HTTP/1.1 requests over a plain socket.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::reply::Reply;
use super::streaming::Streaming;

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

    /// The header fields that go over an HTTP/2 connection, in order.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        let pseudo = [(":method", self.verb.as_str()), (":scheme", "http"), (":path", self.path.as_str())];
        let authority = self.headers.iter().filter(|(name, _)| name == "host");
        let mut fields: Vec<_> = pseudo.into();
        fields.extend(authority.map(|(_, value)| (":authority", value.as_str())));
        let others = self.headers.iter().filter(|(name, _)| name != "host");
        fields.extend(others.map(|(name, value)| (name.as_str(), value.as_str())));
        fields
    }

    /// The body; empty when there is none.
    pub fn content(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
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
