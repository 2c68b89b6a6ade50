//! The event whose lines are still arriving.

use std::ops::Range;

use bytes::Bytes;
use memchr::memchr;

use super::Event;

#[derive(Debug, Default)]
pub(super) struct Pending {
    id: Option<String>,
    event: Option<String>,
    data: Option<Data>,
    retry: Option<u64>,
    bytes: usize,
}

#[derive(Debug)]
enum Data {
    /// The only line so far, still shared with its chunk.
    Line(Bytes),
    Lines(Vec<u8>),
}

impl Pending {
    /// The length of all lines this event is made of.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in the field in one line of `buffer`. Comments and unknown fields leave no trace.
    pub(super) fn accept(&mut self, buffer: &Bytes, line: Range<usize>, max: usize) {
        let text = &buffer[line.clone()];
        let (name, skipped) = match memchr(b':', text) {
            Some(colon) => (&text[..colon], colon + 1 + usize::from(text.get(colon + 1) == Some(&b' '))),
            None => (text, text.len()),
        };
        let value = &text[skipped..];
        match name {
            b"data" => self.add_data(buffer.slice(line.start + skipped..line.end), max),
            b"event" => self.event = (!matches!(value, b"" | b"message")).then(|| lossy(value)),
            b"id" if memchr(0, value).is_none() => self.id = Some(lossy(value)),
            b"retry" => self.retry = milliseconds(value).or(self.retry),
            _ => return,
        }
        self.bytes += text.len();
    }

    /// The event, if it is one, and a fresh start.
    pub(super) fn take(&mut self) -> Option<Event> {
        let Self { id, event, data, retry, .. } = std::mem::take(self);
        if data.is_none() && id.is_none() && retry.is_none() {
            return None;
        }
        let data = match data {
            None => Bytes::new(),
            Some(Data::Line(line)) => line,
            Some(Data::Lines(lines)) => lines.into(),
        };
        Some(Event { id, event, data, retry })
    }

    fn add_data(&mut self, line: Bytes, max: usize) {
        self.data = Some(match self.data.take() {
            None => Data::Line(line),
            Some(Data::Line(first)) => {
                let mut lines = Vec::new();
                append(&mut lines, &first, max);
                Data::Lines(joined(lines, &line, max))
            }
            Some(Data::Lines(lines)) => Data::Lines(joined(lines, &line, max)),
        });
    }
}

/// Adds `piece`; room is doubled when it runs out, but not beyond `max` bytes.
pub(super) fn append(buffer: &mut Vec<u8>, piece: &[u8], max: usize) {
    let needed = buffer.len() + piece.len();
    if needed > buffer.capacity() {
        let room = (buffer.capacity() * 2).min(max).max(needed);
        buffer.reserve_exact(room - buffer.len());
    }
    buffer.extend_from_slice(piece);
}

fn joined(mut lines: Vec<u8>, line: &[u8], max: usize) -> Vec<u8> {
    append(&mut lines, b"\n", max);
    append(&mut lines, line, max);
    lines
}

/// The stream is UTF-8 by definition; what is not is replaced, as browsers do.
fn lossy(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// A `retry` that is not digits only, or too large to mean anything, is ignored.
fn milliseconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
