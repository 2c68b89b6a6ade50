//! The codec of header values.

use mcp::header::{decode_value, encode_value};

/// Whatever a header's value is read as can be written and read again; every text survives the way there and back.
pub fn header_codec(data: &[u8]) {
    if let Ok(text) = decode_value(data) {
        survives(&text);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        survives(text);
    }
}

fn survives(text: &str) {
    let value = encode_value(text);
    assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "not a header's value: {value:?}");
    assert_eq!(decode_value(value.as_bytes()).as_deref(), Ok(text));
}
