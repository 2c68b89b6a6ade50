//! Event streams: the bytes of `text/event-stream` to events and back (WHATWG HTML, "Server-sent events").
//!
//! Knows the framing only: what an event's data means, when to reconnect and which id to resume from are for others.
//! Never holds more than one event, and never more of it than the bound.

mod decode;
mod encode;
mod pending;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use decode::Decoder;
pub use encode::{COMMENT_KEEP_ALIVE, encode_event, encode_priming};

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `id` written in this event, from which a stream can be resumed. `Some("")` forgets the last one; `None` leaves
    /// it as it is.
    pub id: Option<String>,
    /// The type; `None` is the default, `message`, whether or not it was written.
    pub event: Option<String>,
    /// The data lines, joined by LF. Empty in an event that only primes a stream with its `id` or `retry`, and then it is
    /// no message. Shares the buffer of the chunk it came in where it could; may be invalid UTF-8.
    pub data: Bytes,
    /// How long to wait before reconnecting, in milliseconds.
    pub retry: Option<u64>,
}

/// Why a stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event, or a single line, is longer than the bound.
    #[error("an event of the stream is larger than {max} bytes; send smaller events or raise the limit")]
    EventTooLarge {
        /// The bound in bytes.
        max: usize,
    },
}
