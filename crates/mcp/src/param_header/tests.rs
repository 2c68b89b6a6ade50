use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn raw(text: &str) -> Raw {
    crate::scan::scan(text.as_bytes(), 64, crate::scan::Sender::Server).expect("the test's own JSON");
    Raw::trusted(Bytes::copy_from_slice(text.as_bytes()))
}

fn region() -> ParamHeaders {
    params(r#"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}"#)
}

fn params(schema: &str) -> ParamHeaders {
    ParamHeaders::of_tool_schema(&raw(schema)).unwrap()
}

fn check(params: &ParamHeaders, headers: &[(&str, &str)], arguments: &str) -> Result<(), Mismatch> {
    let lines = |name: &str| {
        headers
            .iter()
            .filter(|(header, _)| *header == name)
            .map(|(_, value)| value.as_bytes())
            .collect::<Vec<_>>()
    };
    params.check(lines, Some(&raw(arguments)))
}

#[test]
fn writes_headers_for_the_arguments_that_have_a_value() {
    let params = params(
        r#"{"properties":{
            "s":{"type":"string","x-mcp-header":"S"}, "e":{"type":"string","x-mcp-header":"E"},
            "i":{"type":"integer","x-mcp-header":"I"}, "b":{"type":"boolean","x-mcp-header":"B"},
            "u":{"type":"string","x-mcp-header":"U"}, "n":{"type":"string","x-mcp-header":"N"},
            "gone":{"type":"string","x-mcp-header":"Gone"}, "wrong":{"type":"string","x-mcp-header":"Wrong"},
            "o":{"type":"object","properties":{"in":{"type":"integer","x-mcp-header":"In"}}}}}"#,
    );
    let arguments = raw(
        r#"{"s":"us west","e":"","i":42.0,"b":false,"u":"\u4e16 ","n":null,"wrong":{"a":1},"o":{"in":-7},"more":1}"#,
    );
    let mut values = params.values(Some(&arguments));
    values.sort();
    let expected = [
        ("b", "false"),
        ("e", ""),
        ("i", "42"),
        ("in", "-7"),
        ("s", "us west"),
        ("u", "=?base64?5LiWIA==?="),
    ];
    assert_eq!(values, expected.map(|(name, value)| (format!("mcp-param-{name}"), value.to_owned())));
    assert!(params.values(None).is_empty());
    assert!(params.values(Some(&raw("[]"))).is_empty());
    assert!(params.values(Some(&raw(r#"{"o":[{"in":1}]}"#))).is_empty());
}

#[test]
fn writes_whole_numbers_in_decimal() {
    let params = params(r#"{"properties":{"i":{"type":"integer","x-mcp-header":"I"}}}"#);
    for (argument, value) in [
        ("7", "7"),
        ("-0", "0"),
        ("0.0", "0"),
        ("1e3", "1000"),
        ("12.50e1", "125"),
        ("-9007199254740991", "-9007199254740991"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1e400", "1e400"),
        ("3.5", "3.5"),
        ("1e9999999999", "1e9999999999"),
    ] {
        let values = params.values(Some(&raw(&format!(r#"{{"i":{argument}}}"#))));
        assert_eq!(values, [("mcp-param-i".to_owned(), value.to_owned())]);
    }
}

#[test]
fn accepts_a_header_that_matches() {
    let region = region();
    assert_eq!(check(&region, &[("mcp-param-region", "us-west1")], r#"{"region":"us-west1"}"#), Ok(()));
    assert_eq!(
        check(&region, &[("mcp-param-region", " =?base64?SGVsbG8=?= ")], r#"{"region":"Hello"}"#),
        Ok(())
    );
    assert_eq!(check(&region, &[("mcp-param-region", "")], r#"{"region":""}"#), Ok(()));
    assert_eq!(check(&region, &[("mcp-param-other", "x")], r#"{"region":null}"#), Ok(()));
    assert_eq!(check(&region, &[], "{}"), Ok(()));
    assert_eq!(region.check(|_| [], None), Ok(()));
}

#[test]
fn refuses_a_header_that_does_not_match() {
    let header = || "mcp-param-region".to_owned();
    let argument = || "region".to_owned();
    let different = Mismatch::Different { header: header(), argument: argument() };
    let unexpected = Mismatch::Unexpected { header: header(), argument: argument() };
    let unreadable = |reason| Mismatch::Unreadable { header: header(), reason };
    for (value, arguments, error) in [
        ("us-west1", r#"{"region":"us-west2"}"#, different.clone()),
        ("US-WEST1", r#"{"region":"us-west1"}"#, different.clone()),
        ("42.0", r#"{"region":"42"}"#, different.clone()),
        ("us-west1", r#"{"region":null}"#, unexpected.clone()),
        ("us-west1", "{}", unexpected.clone()),
        ("", "{}", unexpected),
        ("=?base64?SGVsbG8?=", r#"{"region":"Hello"}"#, unreadable(HeaderError::InvalidBase64)),
        ("=?base64?/w==?=", r#"{"region":"Hello"}"#, unreadable(HeaderError::InvalidUtf8)),
        ("é", r#"{"region":"é"}"#, unreadable(HeaderError::InvalidCharacter { byte: 0xc3 })),
        ("x", r#"{"region":["x"]}"#, Mismatch::NotPrimitive { header: header(), argument: argument() }),
        ("x", r#"{"region":"\ud800"}"#, Mismatch::NotPrimitive { header: header(), argument: argument() }),
    ] {
        assert_eq!(
            check(&region(), &[("mcp-param-region", value)], arguments),
            Err(error),
            "{value} {arguments}"
        );
    }
    let missing = Mismatch::Missing { header: header(), argument: argument() };
    assert_eq!(check(&region(), &[], r#"{"region":"a"}"#), Err(missing));
    let twice = [("mcp-param-region", "a"), ("mcp-param-region", "a")];
    assert_eq!(check(&region(), &twice, r#"{"region":"a"}"#), Err(Mismatch::Repeated { header: header() }));
}

#[test]
fn refuses_the_absence_of_a_header_for_an_argument_it_could_not_carry() {
    let error = Mismatch::NotPrimitive { header: "mcp-param-region".into(), argument: "region".into() };
    assert_eq!(check(&region(), &[], r#"{"region":{"a":1}}"#), Err(error));
}

#[test]
fn compares_numbers_as_numbers() {
    let params = params(r#"{"properties":{"i":{"type":"integer","x-mcp-header":"I"}}}"#);
    let same = |header, argument: &str| {
        check(&params, &[("mcp-param-i", header)], &format!(r#"{{"i":{argument}}}"#)).is_ok()
    };
    for (header, argument) in [
        ("42", "42"),
        ("42.0", "42"),
        ("42", "42.000"),
        ("4.2e1", "42"),
        ("420E-1", "42"),
        ("-0", "0"),
        ("0.0e5", "0"),
        ("=?base64?NDI=?=", "42"),
        ("9007199254740993", "9007199254740993"),
        ("1e9999999999", "1e9999999999"),
    ] {
        assert!(same(header, argument), "{header} {argument}");
    }
    for (header, argument) in [
        ("43", "42"),
        ("-42", "42"),
        ("+42", "42"),
        ("042", "42"),
        ("42.", "42"),
        (".5", "0.5"),
        ("0x2a", "42"),
        ("4 2", "42"),
        ("", "0"),
        ("NaN", "0"),
        ("9007199254740992", "9007199254740993"),
        ("42e", "42"),
    ] {
        assert!(!same(header, argument), "{header} {argument}");
    }
}

#[test]
fn compares_booleans_exactly() {
    let params = params(r#"{"properties":{"b":{"type":"boolean","x-mcp-header":"B"}}}"#);
    assert_eq!(check(&params, &[("mcp-param-b", "true")], r#"{"b":true}"#), Ok(()));
    for header in ["True", "1", "false"] {
        assert!(check(&params, &[("mcp-param-b", header)], r#"{"b":true}"#).is_err(), "{header}");
    }
}

proptest! {
    #[test]
    fn what_a_client_writes_a_server_accepts(text in any::<String>(), number in any::<f64>(), flag in any::<bool>()) {
        let params = params(
            r#"{"properties":{"s":{"type":"string","x-mcp-header":"S"},"i":{"type":"integer","x-mcp-header":"I"},
                "b":{"type":"boolean","x-mcp-header":"B"}}}"#,
        );
        let arguments = Raw::value(&json!({ "s": text, "i": number, "b": flag }));
        let values = params.values(Some(&arguments));
        let lines = |name: &str| {
            values.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_bytes()).collect::<Vec<_>>()
        };
        prop_assert_eq!(params.check(lines, Some(&arguments)), Ok(()));
    }
}
