//! The event-stream decoder, against itself.

use bytes::Bytes;
use mcp::sse::{Decoder, Event, SseError, encode_event};

/// However a stream is cut into chunks, its events are the same, within the bound, and survive being written again.
/// The first byte says how to cut, the second how large an event may be; the rest is the stream.
pub fn sse_decoder(data: &[u8]) {
    let [size, max, stream @ ..] = data else { return };
    let (size, max) = (usize::from(*size).max(1), usize::from(*max) * 8);
    let (events, failure) = decode(stream, usize::MAX, max);
    assert_eq!(decode(stream, size, max), (events.clone(), failure));
    for event in events {
        assert!(event.data.len() <= max, "an event above the bound");
        again(event);
    }
}

fn decode(stream: &[u8], size: usize, max: usize) -> (Vec<Event>, Option<SseError>) {
    let mut decoder = Decoder::new(max);
    let mut events = Vec::new();
    for chunk in stream.chunks(size) {
        decoder.feed(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(failure) => return (events, Some(failure)),
            }
        }
    }
    (events, None)
}

fn again(event: Event) {
    let text = encode_event(event.data.clone(), event.id.as_deref(), event.event.as_deref()).concat();
    // A name may hold a NUL, which is not written.
    let name = event.event.clone().filter(|name| !name.contains('\0'));
    let expected = Event { event: name, retry: None, ..event };
    assert_eq!(decode(&text, usize::MAX, usize::MAX), (vec![expected], None));
}
