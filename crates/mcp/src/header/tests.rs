use proptest::prelude::*;

use super::*;

#[test]
fn encodes_as_the_specification_does() {
    for (text, value) in [
        ("us-west1", "us-west1"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("", ""),
        ("us west 1", "us west 1"),
        ("file:///projects/my app/ü.json", "=?base64?ZmlsZTovLy9wcm9qZWN0cy9teSBhcHAvw7wuanNvbg==?="),
    ] {
        assert_eq!(encode_value(text), value);
        assert_eq!(decode_value(value.as_bytes()).unwrap(), text);
    }
}

#[test]
fn encodes_whatever_a_header_would_change() {
    for text in ["\tindented", "a\tb", "end ", "\r\n", "\u{7f}", "\0", "=?base64??=", "=?base64?="] {
        let value = encode_value(text);
        assert!(value.starts_with("=?base64?"), "{text:?}");
        assert_eq!(decode_value(value.as_bytes()).unwrap(), text);
    }
}

#[test]
fn takes_a_value_without_both_markers_literally() {
    for value in [
        "SGVsbG8=",
        "=?base64?SGVsbG8=",
        "SGVsbG8=?=",
        "=?BASE64?SGVsbG8=?=",
        "=?Base64?SGVsbG8=?=",
        "=?base64?=",
    ] {
        assert_eq!(decode_value(value.as_bytes()).unwrap(), value);
    }
}

#[test]
fn decodes_a_plain_text_that_need_not_have_been_encoded() {
    assert_eq!(decode_value(b"=?base64?SGVsbG8=?=").unwrap(), "Hello");
    assert_eq!(decode_value(b"=?base64??=").unwrap(), "");
}

#[test]
fn trims_white_space_around_a_value() {
    assert_eq!(decode_value(b" \t a b\t ").unwrap(), "a b");
    assert_eq!(decode_value(b"  =?base64?IA==?= ").unwrap(), " ");
    assert_eq!(decode_value(b" \t").unwrap(), "");
}

#[test]
fn refuses_base64_that_is_not_strict() {
    for payload in [
        "SGVsbG8",
        "SGVsbG8==",
        "SGVs!!!bG8=",
        "SGVsbG9=",
        "SGVs bG8=",
        "SGVsbG8_",
        "====",
        "=",
        "SGVsbG8=?=x",
    ] {
        let value = format!("=?base64?{payload}?=");
        assert_eq!(decode_value(value.as_bytes()), Err(HeaderError::InvalidBase64), "{payload}");
    }
}

#[test]
fn refuses_bytes_that_are_no_text() {
    assert_eq!(decode_value(b"=?base64?/w==?="), Err(HeaderError::InvalidUtf8));
    assert_eq!(decode_value("é".as_bytes()), Err(HeaderError::InvalidCharacter { byte: 0xc3 }));
    for byte in [0, b'\n', b'\r', 0x1f, 0x7f, 0x80, 0xff] {
        assert_eq!(decode_value(&[b'a', byte, b'b']), Err(HeaderError::InvalidCharacter { byte }));
    }
}

proptest! {
    #[test]
    fn every_text_survives(text in any::<String>()) {
        let value = encode_value(&text);
        prop_assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        prop_assert_eq!(decode_value(value.as_bytes()).unwrap(), text.as_str());
    }

    #[test]
    fn every_value_is_read_or_refused(value in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(text) = decode_value(&value) {
            let again = encode_value(&text);
            prop_assert_eq!(decode_value(again.as_bytes()).unwrap(), text.as_ref());
        }
    }
}
