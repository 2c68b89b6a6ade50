use super::*;

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[test]
fn removes_hop_by_hop_and_what_connection_lists() {
    let mut headers = map(&[
        ("connection", "close, X-Internal"),
        ("connection", "authorization"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("x-internal", "1"),
        ("authorization", "Bearer x"),
        ("content-type", "application/json"),
    ]);
    remove_hop_by_hop(&mut headers);
    assert_eq!(headers, map(&[("content-type", "application/json")]));
}

#[test]
fn keeps_only_what_is_allowed_with_all_values() {
    let mut headers = map(&[("link", "a"), ("link", "b"), ("set-cookie", "c"), ("retry-after", "1")]);
    keep_only(&mut headers, &[header::LINK, header::RETRY_AFTER]);
    assert_eq!(headers, map(&[("link", "a"), ("link", "b"), ("retry-after", "1")]));
}

#[test]
fn refuses_control_characters() {
    for bad in ["a\r\nx: 1", "a\nb", "a\0b", "a\tb", "\u{7f}"] {
        assert_eq!(value(bad), None, "{bad:?}");
    }
    assert_eq!(value("plain text"), Some(HeaderValue::from_static("plain text")));
}

#[test]
fn single_refuses_a_repeated_header() {
    assert_eq!(single(&map(&[("host", "a"), ("host", "a")]), &header::HOST), Err(Repeated));
    assert_eq!(single(&map(&[]), &header::HOST), Ok(None));
    assert!(single(&map(&[("host", "a")]), &header::HOST).unwrap().is_some());
}
