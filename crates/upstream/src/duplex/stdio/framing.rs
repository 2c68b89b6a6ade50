//! One message a line, both ways.
//!
//! A line that grows beyond its bound is found before more of it is read; memory never exceeds the bound by more than
//! one read.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mcp::Payload;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

#[cfg(test)]
mod tests;

/// Room for one read, in bytes: small while lines are, and up to what a pipe holds while a long one arrives. A line
/// keeps the memory of its read for as long as it lives.
const READ_MIN: usize = 8 * 1024;
const READ_MAX: usize = 64 * 1024;
/// Buffers larger than this are given back once their line is out.
const KEEP_MAX: usize = 256 * 1024;
/// Messages up to this size are written in one piece.
const JOIN_MAX: usize = 64 * 1024;

/// Cuts what is read into lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line feed.
    searched: usize,
    line_max: usize,
}

/// Why there are no more lines.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("a line is longer than {0} bytes")]
    TooLong(usize),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most `line_max` bytes.
    pub(super) fn new(reader: R, line_max: usize) -> Self {
        Self { reader, buffer: BytesMut::new(), searched: 0, line_max }
    }

    /// The next line that is not blank, without its end; `None` when there are no more. What stands before the end of the
    /// stream counts as a line.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, LineError> {
        loop {
            while let Some(line) = self.cut()? {
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
            }
            self.buffer.reserve(self.buffer.len().clamp(READ_MIN, READ_MAX));
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                self.searched = 0;
                let rest = std::mem::take(&mut self.buffer).freeze();
                return Ok((!rest.trim_ascii().is_empty()).then_some(rest));
            }
        }
    }

    fn cut(&mut self) -> Result<Option<Bytes>, LineError> {
        let found = memchr::memchr(b'\n', &self.buffer[self.searched..]);
        let length = found.map_or(self.buffer.len(), |at| self.searched + at);
        if length > self.line_max {
            return Err(LineError::TooLong(self.line_max));
        }
        if found.is_none() {
            self.searched = length;
            return Ok(None);
        }
        let mut line = self.buffer.split_to(length + 1);
        self.searched = 0;
        if line.len() > KEEP_MAX {
            // The rest must not hold the long line's memory.
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        line.truncate(length);
        Ok(Some(line.freeze()))
    }
}

/// How far a message got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of it.
    Whole,
    /// Not a byte: the other side had closed before.
    Nothing,
    /// A part, or nobody can tell.
    Part,
}

/// Writes one message as one line. Line feeds between its tokens become spaces; inside strings JSON allows none. A
/// reader that takes nothing for `stall` counts as gone.
pub(super) async fn write_line<W>(writer: &mut W, message: Payload, stall: Duration) -> Written
where
    W: AsyncWrite + Unpin,
{
    let mut pieces: Vec<Bytes> = message.into_pieces().into_iter().map(one_line).collect();
    pieces.push(Bytes::from_static(b"\n"));
    if pieces.iter().map(Bytes::len).sum::<usize>() <= JOIN_MAX {
        pieces = vec![pieces.concat().into()];
    }
    let mut begun = false;
    for mut piece in pieces {
        while !piece.is_empty() {
            match timeout(stall, writer.write(&piece)).await {
                Ok(Ok(count)) if count > 0 => drop(piece.split_to(count)),
                _ if begun => return Written::Part,
                _ => return Written::Nothing,
            }
            begun = true;
        }
    }
    match timeout(stall, writer.flush()).await {
        Ok(Ok(())) => Written::Whole,
        _ => Written::Part,
    }
}

fn one_line(piece: Bytes) -> Bytes {
    if !piece.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return piece;
    }
    piece.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}
