//! HTTP/2 by hand (RFC 9113 with prior knowledge): writes the frames it is told to, right or wrong, and shows those
//! that come back. It answers a PING, as everything alive does, and nothing else by itself.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::call::Call;

/// What opens a connection.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The setting for what the other side may refer to from earlier heads.
pub const HEADER_TABLE_SIZE: u16 = 0x1;
/// The setting for the window every stream begins with.
pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
/// The setting for the streams the other side may have open.
pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;

/// The code of a stream or connection that is no longer wanted.
pub const CANCEL: u32 = 0x8;
/// The code of a stream that was refused before anything was done for it.
pub const REFUSED_STREAM: u32 = 0x7;
/// The code for a peer that asks for too much.
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Longest a test waits for anything; far above what a loaded machine needs, so that it never decides a test.
const PATIENCE: Duration = Duration::from_secs(60);
const HEAD: usize = 9;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A part of a body.
    Data = 0x0,
    /// A head, or its first part.
    Headers = 0x1,
    /// Advice nobody takes any more.
    Priority = 0x2,
    /// The end of a stream.
    Reset = 0x3,
    /// What a side asks of the other.
    Settings = 0x4,
    /// Wants the same back.
    Ping = 0x6,
    /// The end of a connection.
    GoAway = 0x7,
    /// Opens a window.
    WindowUpdate = 0x8,
    /// A further part of a head.
    Continuation = 0x9,
    /// Any other.
    Unknown = 0xfe,
}

/// Ends a stream, or acknowledges SETTINGS and PING.
pub const END_STREAM: u8 = 0x1;
/// Ends a head.
pub const END_HEADERS: u8 = 0x4;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: Kind,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame, not sent yet.
    pub fn new(kind: Kind, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// RST_STREAM.
    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(Kind::Reset, 0, stream, code.to_be_bytes())
    }

    /// SETTINGS.
    pub fn settings(settings: &[(u16, u32)]) -> Self {
        let one = |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
        Self::new(Kind::Settings, 0, 0, settings.iter().flat_map(one).collect::<Vec<u8>>())
    }

    /// WINDOW_UPDATE.
    pub fn window(stream: u32, bytes: u32) -> Self {
        Self::new(Kind::WindowUpdate, 0, stream, bytes.to_be_bytes())
    }

    /// The bytes that go over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([self.kind as u8, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// The code of a RST_STREAM or GOAWAY.
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            Kind::Reset => 0,
            Kind::GoAway => 4,
            _ => return None,
        };
        Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().ok()?))
    }

    /// The value of a setting.
    pub fn setting(&self, name: u16) -> Option<u32> {
        let entry = self.payload.chunks_exact(6).find(|entry| entry[..2] == name.to_be_bytes())?;
        Some(u32::from_be_bytes(entry[2..].try_into().ok()?))
    }

    /// The status a HEADERS frame of the server begins with (RFC 7541, A and B).
    pub fn status(&self) -> Option<u16> {
        const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        if self.kind != Kind::Headers {
            return None;
        }
        // The first head says that the table has the size that was asked for.
        let block = self.payload.strip_prefix(&[0x20]).unwrap_or(&self.payload);
        match *block.first()? {
            index @ 0x88..=0x8e => Some(INDEXED[usize::from(index - 0x88)]),
            0x08 | 0x18 | 0x48 => match *block.get(1)? {
                3 => std::str::from_utf8(block.get(2..5)?).ok()?.parse().ok(),
                length => digits(block.get(2..2 + usize::from(length & 0x7f))?),
            },
            _ => None,
        }
    }

    /// The first frame of these bytes, and how many it takes.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let head = bytes.get(..HEAD)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let kinds = [Kind::Data, Kind::Headers, Kind::Priority, Kind::Reset, Kind::Settings];
        let more = [Kind::Ping, Kind::GoAway, Kind::WindowUpdate, Kind::Continuation];
        let kind = kinds.into_iter().chain(more).find(|kind| *kind as u8 == head[3]).unwrap_or(Kind::Unknown);
        let (flags, stream) = (head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        let payload = bytes.get(HEAD..HEAD + length)?.to_vec();
        Some((Self { kind, flags, stream, payload }, HEAD + length))
    }
}

/// Three digits in the Huffman code of HPACK: 0 to 2 have five bits, 3 to 9 have six.
fn digits(bytes: &[u8]) -> Option<u16> {
    let bits: Vec<u16> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1))).collect();
    let number = |bits: &[u16]| bits.iter().fold(0, |sum, bit| sum * 2 + bit);
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let (digit, length) = match number(bits.get(at..at + 5)?) {
            short @ 0..=2 => (short, 5),
            _ => (number(bits.get(at..at + 6)?) - 0b01_0110, 6),
        };
        at += length;
        status = status * 10 + digit;
    }
    Some(status)
}

/// A header field as a literal that stays out of the table (RFC 7541, 6.2.2).
pub fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0x00][..], &literal(name), &literal(value)].concat()
}

/// The same, for the table of the other side (RFC 7541, 6.2.1).
pub fn remembered(name: &str, value: &str) -> Vec<u8> {
    [&[0x40][..], &literal(name), &literal(value)].concat()
}

fn literal(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    match u8::try_from(text.len()) {
        Ok(length @ ..0x7f) => bytes.push(length),
        _ => {
            bytes.push(0x7f);
            let mut left = text.len() - 0x7f;
            while left >= 0x80 {
                bytes.push((left % 0x80) as u8 | 0x80);
                left /= 0x80;
            }
            bytes.push(left as u8);
        }
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// The header block of a request.
pub fn block(call: &Call) -> Vec<u8> {
    call.fields().iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// A request whose body is still to come.
pub fn head(stream: u32, call: &Call) -> Vec<u8> {
    Frame::new(Kind::Headers, END_HEADERS, stream, block(call)).to_bytes()
}

/// A whole request.
pub fn whole(stream: u32, call: &Call) -> Vec<u8> {
    [head(stream, call), Frame::new(Kind::Data, END_STREAM, stream, call.content()).to_bytes()].concat()
}

/// One connection.
#[derive(Debug)]
pub struct Http2 {
    socket: TcpStream,
    arrived: Vec<u8>,
}

impl Http2 {
    /// Connects and says nothing.
    pub async fn silent(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await.context("connecting")?;
        Ok(Self { socket, arrived: Vec::new() })
    }

    /// Connects and opens with these settings, and with the one that makes every head readable by itself.
    pub async fn open(address: SocketAddr, settings: &[(u16, u32)]) -> anyhow::Result<Self> {
        let mut connection = Self::silent(address).await?;
        let settings = [&[(HEADER_TABLE_SIZE, 0)], settings].concat();
        connection.write(&[PREFACE, &Frame::settings(&settings).to_bytes()].concat()).await?;
        Ok(connection)
    }

    /// Sends bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.socket.write_all(bytes).await.context("sending")
    }

    /// The next frame; `None` once the server has closed. May be dropped and called again.
    pub async fn frame(&mut self) -> anyhow::Result<Option<Frame>> {
        loop {
            if let Some((frame, length)) = Frame::parse(&self.arrived) {
                self.arrived.drain(..length);
                if frame.kind == Kind::Ping && frame.flags == 0 {
                    let pong = Frame::new(Kind::Ping, END_STREAM, 0, frame.payload.clone());
                    // The server may have closed since.
                    let _ = self.socket.write_all(&pong.to_bytes()).await;
                }
                return Ok(Some(frame));
            }
            // A server that closes while bytes are on their way to it resets the connection.
            if self.socket.read_buf(&mut self.arrived).await.unwrap_or(0) == 0 {
                return Ok(None);
            }
        }
    }

    /// The first frame that is meant; the others are passed over.
    pub async fn wait_for(&mut self, meant: impl Fn(&Frame) -> bool) -> anyhow::Result<Frame> {
        let mut passed = Vec::new();
        let wait = async {
            while let Some(frame) = self.frame().await? {
                if meant(&frame) {
                    return Ok(frame);
                }
                passed.push((frame.kind, frame.stream, frame.code()));
            }
            anyhow::bail!("the server closed")
        };
        // Over all frames: the server sends a PING from time to time.
        let waited = timeout(PATIENCE, wait).await.unwrap_or_else(|_| Err(anyhow::anyhow!("it never came")));
        waited.with_context(|| format!("after {passed:?}"))
    }

    /// Everything until the server closes.
    pub async fn rest(mut self) -> anyhow::Result<Vec<Frame>> {
        let rest = async {
            let mut frames = Vec::new();
            while let Some(frame) = self.frame().await? {
                frames.push(frame);
            }
            anyhow::Ok(frames)
        };
        timeout(PATIENCE, rest).await.context("the server does not close")?
    }

    /// Sends `next(0)`, `next(1)` and so on for as long as the server takes it; gives what came until it closed.
    pub async fn flood(self, next: impl Fn(u32) -> Vec<u8>) -> anyhow::Result<Vec<Frame>> {
        let (mut reader, mut writer) = self.socket.into_split();
        let mut arrived = self.arrived;
        let write = async {
            for round in 0.. {
                if writer.write_all(&next(round)).await.is_err() {
                    return;
                }
            }
        };
        let read = async { while reader.read_buf(&mut arrived).await.unwrap_or(0) > 0 {} };
        let both = async { tokio::join!(write, read) };
        timeout(PATIENCE, both).await.context("the server takes everything and does not close")?;
        let mut rest = &arrived[..];
        let next = || {
            let (frame, length) = Frame::parse(rest)?;
            rest = &rest[length..];
            Some(frame)
        };
        Ok(std::iter::from_fn(next).collect())
    }

    /// Sends a request and reads its answer, status and body; opens the windows by what has arrived.
    pub async fn call(&mut self, stream: u32, call: &Call) -> anyhow::Result<(u16, String)> {
        self.write(&whole(stream, call)).await?;
        self.answer(stream).await
    }

    /// Reads the answer on a stream; opens the windows by what has arrived.
    pub async fn answer(&mut self, stream: u32) -> anyhow::Result<(u16, String)> {
        let (mut status, mut body) = (None, Vec::new());
        loop {
            let frame =
                self.wait_for(|frame| frame.stream == stream && frame.kind != Kind::WindowUpdate).await?;
            ensure!(frame.kind != Kind::Reset, "stream {stream} was reset: {:?}", frame.code());
            status = status.or(frame.status());
            if frame.kind == Kind::Data {
                body.extend_from_slice(&frame.payload);
            }
            if frame.flags & END_STREAM != 0 {
                let status = status.with_context(|| format!("no status on stream {stream}"))?;
                return Ok((status, String::from_utf8(body)?));
            }
            if let (Kind::Data, Ok(taken @ 1..)) = (frame.kind, u32::try_from(frame.payload.len())) {
                self.write(
                    &[Frame::window(0, taken), Frame::window(stream, taken)].map(|w| w.to_bytes()).concat(),
                )
                .await?;
            }
        }
    }
}
