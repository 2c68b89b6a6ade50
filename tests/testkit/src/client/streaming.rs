//! An HTTP answer that is read while it comes.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::reply::{Reply, find};
use crate::sse::{Decoder, Event};

/// Longest a test waits for anything; far above what a loaded machine needs, so that it never decides a test.
const PATIENCE: Duration = Duration::from_secs(60);

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
    pub(super) async fn read_head(mut socket: TcpStream) -> anyhow::Result<Self> {
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

    /// The next event, or `None` when the stream ended. Comments that keep the stream alive are no event.
    pub async fn event(&mut self) -> anyhow::Result<Option<Event>> {
        let next = async {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Ok(Some(event));
                }
                let Some(bytes) = self.chunk().await? else { return Ok(None) };
                self.ready.extend(self.events.feed(&bytes));
            }
        };
        timeout(PATIENCE, next).await.context("no event came for a minute")?
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

fn find_bytes(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
