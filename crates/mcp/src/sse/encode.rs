//! Writes events.

use bytes::Bytes;
use memchr::{memchr, memchr2};

use crate::Payload;

#[cfg(test)]
mod tests;

/// A comment line to send when a stream has been silent for a while, so that nobody in between takes it for dead.
pub const COMMENT_KEEP_ALIVE: &[u8] = b":\n\n";

/// Up to this size a copy is cheaper than a second write.
const COPIED_BYTES_MAX: usize = 4096;
const END: &[u8] = b"\n\n";

/// One event, in pieces to be written one after the other.
///
/// A large payload is shared, not copied, unless it contains a line end: JSON may, between its tokens. Each line becomes
/// a `data` line of its own then, so a reader sees LF where CR or CRLF stood. A NUL or a line end in `id` or `event`
/// cannot be written in this format; such a field is left out.
#[must_use]
pub fn encode_event(data: impl Into<Payload>, id: Option<&str>, event: Option<&str>) -> Vec<Bytes> {
    let data = data.into();
    let mut text = Vec::with_capacity(64 + data.len().min(COPIED_BYTES_MAX));
    push_field(&mut text, "event", event);
    push_field(&mut text, "id", id);
    text.extend_from_slice(b"data: ");
    if data.pieces().iter().any(|piece| memchr2(b'\r', b'\n', piece).is_some()) {
        push_lines(&mut text, data.pieces());
    } else if data.len() > COPIED_BYTES_MAX {
        let mut pieces = vec![Bytes::from(text)];
        pieces.extend(data.into_pieces());
        pieces.push(Bytes::from_static(END));
        return pieces;
    } else {
        data.pieces().iter().for_each(|piece| text.extend_from_slice(piece));
    }
    text.extend_from_slice(END);
    vec![text.into()]
}

/// An event without data, which tells a client from where to resume the stream and, in `retry_ms` milliseconds, when.
/// Only for clients that speak 2025-11-25: older ones take the empty data for a message.
#[must_use]
pub fn encode_priming(id: &str, retry_ms: Option<u64>) -> Bytes {
    let mut text = Vec::with_capacity(id.len() + 48);
    push_field(&mut text, "id", Some(id));
    if let Some(retry) = retry_ms {
        push_field(&mut text, "retry", Some(&retry.to_string()));
    }
    text.extend_from_slice(b"data: ");
    text.extend_from_slice(END);
    text.into()
}

fn push_field(text: &mut Vec<u8>, name: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    if memchr2(b'\r', b'\n', value.as_bytes()).is_some() || memchr(0, value.as_bytes()).is_some() {
        return;
    }
    for part in [name, ": ", value, "\n"] {
        text.extend_from_slice(part.as_bytes());
    }
}

/// Writes the rest of a data line and a further one after each line end. A CRLF may be cut between two pieces.
fn push_lines(text: &mut Vec<u8>, pieces: &[Bytes]) {
    text.reserve(pieces.iter().map(Bytes::len).sum());
    let mut after_cr = false;
    for piece in pieces {
        let mut rest = &piece[..];
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut after_cr) && first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                text.extend_from_slice(rest);
                break;
            };
            text.extend_from_slice(&rest[..end]);
            text.extend_from_slice(b"\ndata: ");
            after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
        }
    }
}
