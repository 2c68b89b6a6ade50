//! One answer, as its bytes arrive.

use std::str;

use anyhow::{Context, bail};
use memchr::memmem;

/// Headers of an answer.
const HEADERS_MAX: usize = 32;
const BUFFER: usize = 16 * 1024;

/// An answer that is there.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body, without its framing.
    pub body: &'a [u8],
}

impl Reply<'_> {
    /// Checks that this is the result of the request with this id.
    pub fn expect_result(&self, id: &[u8]) -> anyhow::Result<()> {
        let holds = |needle: &[u8]| memmem::find(self.body, needle).is_some();
        if self.status == 200 && holds(id) && holds(br#""result":"#) && !holds(br#""isError":true"#) {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(600)]);
        bail!("HTTP {} for {}: {body}", self.status, String::from_utf8_lossy(id))
    }
}

/// The buffer of a connection, and how far its present answer has come.
pub(super) struct Reception {
    buffer: Vec<u8>,
    filled: usize,
    head: Option<Head>,
    chunks: Chunks,
    complete: bool,
}

struct Head {
    status: u16,
    bytes: usize,
    framing: Framing,
    session: Option<String>,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

#[derive(Default)]
struct Chunks {
    /// Where the next chunk begins.
    at: usize,
    decoded: Vec<u8>,
}

impl Reception {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BUFFER], filled: 0, head: None, chunks: Chunks::default(), complete: false }
    }

    /// Forgets the last answer.
    pub(super) fn reset(&mut self) {
        self.filled = 0;
        self.head = None;
        self.complete = false;
        self.chunks.at = 0;
        self.chunks.decoded.clear();
    }

    /// Where the next bytes go.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Takes note of `count` further bytes.
    pub(super) fn received(&mut self, count: usize) -> anyhow::Result<()> {
        if count == 0 {
            bail!("the connection was closed before the answer was complete");
        }
        self.filled += count;
        if self.head.is_none() {
            self.head = Head::parse(&self.buffer[..self.filled])?;
            if let Some(head) = &self.head {
                self.chunks.at = head.bytes;
            }
        }
        self.complete = match self.head.as_ref().map(|head| (head.bytes, head.framing)) {
            None => false,
            Some((bytes, Framing::Length(length))) => self.filled >= bytes + length,
            Some((_, Framing::Chunked)) => self.chunks.advance(&self.buffer[..self.filled])?,
        };
        Ok(())
    }

    /// Whether the whole answer is there.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the head of the answer is there.
    pub(super) fn has_head(&self) -> bool {
        self.head.is_some()
    }

    /// The status, once the head is there.
    pub(super) fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status)
    }

    /// What there is of the body.
    pub(super) fn so_far(&self) -> &[u8] {
        match self.head.as_ref().map(|head| (head.bytes, head.framing)) {
            None => &[],
            Some((bytes, Framing::Length(_))) => &self.buffer[bytes..self.filled],
            Some((_, Framing::Chunked)) => &self.chunks.decoded,
        }
    }

    /// The answer, once it is complete.
    pub(super) fn reply(&self) -> anyhow::Result<Reply<'_>> {
        let head = self.head.as_ref().context("there is no answer yet")?;
        let body = match head.framing {
            Framing::Length(length) => &self.buffer[head.bytes..head.bytes + length],
            Framing::Chunked => &self.chunks.decoded[..],
        };
        Ok(Reply { status: head.status, body })
    }

    /// The session id of the answer.
    pub(super) fn session(&self) -> Option<&str> {
        self.head.as_ref()?.session.as_deref()
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
        let status = response.code.unwrap_or_default();
        let mut head = Self { status, bytes: length, framing: Framing::Length(0), session: None };
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                head.framing = Framing::Length(str::from_utf8(header.value)?.parse()?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                head.framing = Framing::Chunked;
            } else if header.name.eq_ignore_ascii_case("mcp-session-id") {
                head.session = Some(str::from_utf8(header.value)?.to_owned());
            }
        }
        Ok(Some(head))
    }
}

impl Chunks {
    /// Decodes every chunk that is there; says whether the last one was among them.
    fn advance(&mut self, bytes: &[u8]) -> anyhow::Result<bool> {
        loop {
            let rest = &bytes[self.at..];
            let Some(line) = memmem::find(rest, b"\r\n") else { return Ok(false) };
            let size = str::from_utf8(&rest[..line])?.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size.trim(), 16).context("a chunk without a size")?;
            let end = line + 2 + size;
            if rest.len() < end + 2 {
                return Ok(false);
            }
            self.decoded.extend_from_slice(&rest[line + 2..end]);
            self.at += end + 2;
            if size == 0 {
                return Ok(true);
            }
        }
    }
}
