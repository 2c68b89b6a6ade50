use proptest::prelude::*;

use super::super::{Decoder, Event};
use super::*;

/// The events of `stream`, fed in chunks of `size` bytes.
fn decode(stream: &[u8], size: usize) -> Vec<Event> {
    let mut decoder = Decoder::new(1 << 20);
    stream.chunks(size).for_each(|chunk| decoder.feed(Bytes::copy_from_slice(chunk)));
    std::iter::from_fn(|| decoder.next_event().unwrap()).collect()
}

#[test]
fn writes_the_fields_in_order() {
    let text = encode_event(Bytes::from_static(b"{}"), Some("7"), Some("message")).concat();
    assert_eq!(text, b"event: message\nid: 7\ndata: {}\n\n");
    assert_eq!(encode_event(Bytes::from_static(b"{}"), None, None).concat(), b"data: {}\n\n");
}

#[test]
fn shares_a_large_payload() {
    let payload = Bytes::from(vec![b'x'; 1 << 20]);
    let pieces = encode_event(payload.clone(), Some("7"), None);
    assert!(pieces.iter().any(|piece| piece.as_ptr() == payload.as_ptr()));
    assert_eq!(pieces.concat(), [b"id: 7\ndata: ", &payload[..], b"\n\n"].concat());
}

#[test]
fn splits_a_payload_with_line_ends() {
    let mut payload = Payload::default();
    for piece in ["{\n", "\"a\":\r", "\n1,\r\"b\":2\n", "\n}"] {
        payload.push(piece);
    }
    let text = encode_event(payload, None, None).concat();
    assert_eq!(text, b"data: {\ndata: \"a\":\ndata: 1,\ndata: \"b\":2\ndata: \ndata: }\n\n");
    assert_eq!(decode(&text, 5)[0].data, "{\n\"a\":\n1,\n\"b\":2\n\n}");
}

#[test]
fn leaves_out_a_field_that_would_break_the_stream() {
    for id in ["a\nb", "a\rdata: x", "a\0"] {
        assert_eq!(encode_event(Bytes::from_static(b"1"), Some(id), None).concat(), b"data: 1\n\n");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes(
        pieces in prop::collection::vec("[a-z{}:, \r\n]{0,12}", 0..6),
        id in prop::option::of("[ -~]{0,8}"),
        event in prop::option::of("[a-z]{1,8}"),
        size in 1_usize..9,
    ) {
        let text = pieces.concat();
        let mut payload = Payload::default();
        pieces.iter().for_each(|piece| payload.push(piece.clone()));
        let encoded = encode_event(payload, id.as_deref(), event.as_deref()).concat();
        let data = text.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(decode(&encoded, size), vec![Event { id, event, data: data.into(), retry: None }]);
    }
}
