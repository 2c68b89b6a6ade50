//! The small rules, one by one.

use std::time::Duration;

use proptest::prelude::*;

use crate::form::units::{parse_duration, parse_size, write_duration, write_size};
use crate::interpolate::{mask, unmask};
use crate::secret_like::is_secret;
use crate::similar::closest;

#[test]
fn durations_need_a_unit() {
    for (text, millis) in [
        ("500ms", 500),
        ("45s", 45_000),
        ("15m", 900_000),
        ("1h30m", 5_400_000),
        ("1d", 86_400_000),
        ("0s", 0),
    ] {
        assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
    }
    for text in [
        "",
        "15",
        "m",
        "1 m",
        "1.5h",
        "-1s",
        "1w",
        "15M",
        "1m30",
        "99999999999999999999s",
        "9999999999999999999h",
    ] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}

#[test]
fn sizes_are_bytes_or_have_a_binary_unit() {
    for (text, bytes) in
        [("0", 0), ("17", 17), ("17B", 17), ("1KiB", 1024), ("4MiB", 4 << 20), ("1 GiB", 1 << 30)]
    {
        assert_eq!(parse_size(text), Some(bytes), "{text}");
    }
    for text in ["", "MiB", "4MB", "4M", "4mib", "1.5MiB", "-1", "99999999999999999999", "99999999999999GiB"]
    {
        assert_eq!(parse_size(text), None, "{text}");
    }
}

#[test]
fn suggestions_are_close_or_absent() {
    let known = ["listen", "public_url", "gateways", "era"];
    assert_eq!(closest("lisen", &known), Some("listen"));
    assert_eq!(closest("publicUrl", &known), Some("public_url"));
    assert_eq!(closest("gateway", &known), Some("gateways"));
    assert_eq!(closest("x", &known), None);
    assert_eq!(closest("telemetry", &known), None);
    assert_eq!(closest(&"listen".repeat(1000), &known), None);
    assert_eq!(closest("", &known), None);
}

#[test]
fn secrets_are_told_from_settings() {
    for (name, value) in [
        ("GITHUB_TOKEN", "abc"),
        ("apiKey", "abc"),
        ("X-Api-Key", "abc"),
        ("--api-key", "abc"),
        ("DB_PASSWORD", "abc"),
        ("authorization", "Basic abc"),
        ("DEEPL_AUTH", "abc"),
        ("SENTRY_DSN", "abc"),
        ("", "ghp_0123456789abcdef"),
        ("", "Bearer eyJhbGciOiJIUzI1NiJ9"),
        ("", "xoxb-1234567890-abc"),
        ("DATABASE", "postgres://me:pw@db/x"),
    ] {
        assert!(is_secret(name, value), "{name}={value}");
    }
    for (name, value) in [
        ("LOG_LEVEL", "debug"),
        ("MAX_TOKENS", "4096"),
        ("DISABLE_AUTH", "true"),
        ("TOKEN_FILE", "/run/token"),
        ("TOKEN_URL", "https://idp.example/token"),
        ("PUBLIC_KEY", "abc"),
        ("API_KEY", ""),
        ("KEYBOARD", "de"),
        ("PATH", "/usr/bin"),
        ("", "sk-1"),
        ("", "https://x.example/a@b"),
        ("", "git+ssh://git@github.com/x"),
    ] {
        assert!(!is_secret(name, value), "{name}={value}");
    }
}

#[test]
fn the_keys_of_mcp_are_the_ones_it_reads() {
    let schema = crate::schema();
    let target = &schema["properties"]["gateways"]["additionalProperties"]["properties"]["targets"];
    let keys = target["additionalProperties"]["properties"]["mcp"]["properties"].as_object();
    let mut read: Vec<_> = keys.into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
    let mut known = crate::section::transport::KEYS;
    read.sort_unstable();
    known.sort_unstable();
    assert_eq!(read, known);
}

proptest! {
    #[test]
    fn what_is_written_reads_as_the_same(millis in any::<u64>(), bytes in any::<usize>()) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&write_duration(duration)), Some(duration));
        prop_assert_eq!(parse_size(&write_size(bytes)), Some(bytes));
    }

    #[test]
    fn masking_keeps_every_column(text in "[ -~\n]{0,80}|(\\$|\\{|\\}|[a-z\n]){0,40}") {
        let masked = mask(&text);
        prop_assert_eq!(masked.chars().count(), text.chars().count());
        prop_assert_eq!(unmask(&masked), text);
    }
}

#[test]
fn a_diagnostic_reads_as_one_line_whatever_it_has() {
    let of = |line, path: &str, help: &str| crate::Diagnostic {
        severity: crate::Severity::Error,
        file: "p.yaml".to_owned(),
        line,
        column: 1,
        path: path.to_owned(),
        message: "is wrong".to_owned(),
        help: help.to_owned(),
    };
    let whole = of(0, "", "");
    assert_eq!((whole.place().as_str(), whole.sentence().as_str()), ("p.yaml", "is wrong"));
    let key = of(3, "gateways.a", "write `x`");
    assert_eq!(key.place(), "p.yaml:3:1");
    assert_eq!(key.sentence(), "gateways.a: is wrong; write `x`");
}
