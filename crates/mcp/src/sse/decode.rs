//! Cuts a stream into lines and lines into events, as the chunks arrive.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use memchr::memchr2;

use super::pending::{Pending, append};
use super::{Event, SseError};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Reads one event stream. Feed it a chunk, then take events until there are none, then feed the next.
///
/// An event is given out if it has at least one `data`, `id` or `retry` field. That is what browsers dispatch, and
/// beyond it the events without data whose `id` or `retry` browsers only remember: MCP 2025-11-25 opens a stream with one
/// to say from where it can be resumed.
///
/// Every byte is looked at once and copied at most twice: not at all when its line lies within one chunk and is the
/// only data line of its event.
#[derive(Debug)]
pub struct Decoder {
    max_event_bytes: usize,
    /// Not yet read.
    chunks: VecDeque<Bytes>,
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    /// The last line ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    /// No line has been read: it may begin with a byte order mark.
    at_start: bool,
    pending: Pending,
    failure: Option<SseError>,
}

impl Decoder {
    /// A decoder at the start of a stream. `max_event_bytes` bounds the lines of one event together, without their
    /// ends, and any single line, comments included.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            chunks: VecDeque::new(),
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            pending: Pending::default(),
            failure: None,
        }
    }

    /// Takes the next bytes of the stream, however they were cut.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.failure.is_none() {
            self.chunks.push_back(chunk);
        }
    }

    /// The next event in what was fed; `None` when more bytes are needed.
    ///
    /// # Errors
    /// The event is larger than the bound. Found before anything beyond the bound is buffered; the stream cannot be read
    /// further, and each later call says so again.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        while let Some(chunk) = self.chunks.front_mut() {
            if self.after_cr && chunk.has_remaining() {
                self.after_cr = false;
                if chunk[0] == b'\n' {
                    chunk.advance(1);
                }
            }
            let end = memchr2(b'\r', b'\n', chunk);
            let held = self.pending.bytes() + self.line.len();
            if held + end.unwrap_or(chunk.len()) > self.max_event_bytes {
                return Err(self.fail());
            }
            let Some(end) = end else {
                append(&mut self.line, chunk, self.max_event_bytes);
                self.chunks.pop_front();
                continue;
            };
            self.after_cr = chunk[end] == b'\r';
            let ended = if self.line.is_empty() {
                let ended =
                    read_line(&mut self.pending, &mut self.at_start, chunk, end, self.max_event_bytes);
                chunk.advance(end + 1);
                ended
            } else {
                append(&mut self.line, &chunk[..end], self.max_event_bytes);
                chunk.advance(end + 1);
                let line = Bytes::from(std::mem::take(&mut self.line));
                read_line(&mut self.pending, &mut self.at_start, &line, line.len(), self.max_event_bytes)
            };
            if ended && let Some(event) = self.pending.take() {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Ends the stream. Answers how many bytes of an unfinished event are discarded with it: none, if the stream was not
    /// cut off.
    #[must_use]
    pub fn finish(self) -> usize {
        self.pending.bytes() + self.line.len()
    }

    fn fail(&mut self) -> SseError {
        let failure = SseError::EventTooLarge { max: self.max_event_bytes };
        *self = Self { failure: Some(failure), ..Self::new(self.max_event_bytes) };
        failure
    }
}

/// Reads the line `buffer[..end]`; answers whether it is the empty one that ends an event.
fn read_line(pending: &mut Pending, at_start: &mut bool, buffer: &Bytes, end: usize, max: usize) -> bool {
    let marked = std::mem::take(at_start) && buffer[..end].starts_with(BOM);
    let start = if marked { BOM.len() } else { 0 };
    if start == end {
        return true;
    }
    pending.accept(buffer, start..end, max);
    false
}
