use super::*;

#[test]
fn pages_over_https_pass() {
    for fine in ["https://consent.example/x?y=1#z", "https://example.com:8443/a@b", "HTTPS://EXAMPLE.COM"] {
        assert_eq!(check(fine, Rule::Refuse), Ok(()), "{fine}");
    }
}

#[test]
fn what_a_browser_would_run_or_be_misled_by_is_refused() {
    for bad in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,<script>",
        "file:///etc/passwd",
        "ftp://example.com/",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://@example.com/",
        "https:\\\\example.com\\x",
        "https://example.com/\r\nSet-Cookie: x",
        "https://exam\tple.com/",
        " https://example.com/",
        "https:/example.com",
        "https:example.com",
        "https:///example.com",
        "https:////user@example.com/",
        "https:/\\example.com",
        "https://good.example\\@evil.example/",
        "https://good.example%40evil.example/",
        "https://good.example%00.evil.example/",
        "https://good.ex\u{ad}ample/",
        "https://good.example/\u{202e}x",
        "https://\u{430}pple.example/",
        "https://good\u{ff0f}evil.example/",
        "https://example.com/\u{85}",
        "https://exam\nple.com/",
        "https://example.com/ x",
        "\u{feff}https://example.com/",
        "http\u{017f}://example.com/",
        "view-source:https://example.com/",
        "blob:https://example.com/x",
        "vbscript:x",
        "wss://example.com/",
        "https://",
        "//example.com",
        "example.com",
        "",
    ] {
        assert!(check(bad, Rule::Allow).is_err(), "{bad:?}");
    }
    assert!(check(&format!("https://example.com/{}", "x".repeat(BYTES_MAX)), Rule::Allow).is_err());
}

#[test]
fn private_addresses_pass_where_the_operator_says_so() {
    for private in [
        "http://localhost:3000/",
        "https://a.localhost/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0x7f.1/",
        "http://[::1]/",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fd00::1]/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f000001/",
        "http://%31%32%37.0.0.1/",
        "http://localhost./",
        "http://LocalHos%74/",
        "http://[::ffff:a00:1]/",
        "http://[64:ff9b::10.0.0.1]/",
        "http://[2002:a00:1::]/",
        "http://100.64.0.1/",
        "http://printer.local/",
        "http://printer.local./",
        "http://router.home.arpa/",
        "https://wiki.corp/",
        "https://db.internal/",
        "http://intranet/",
    ] {
        assert!(check(private, Rule::Refuse).is_err(), "{private}");
        assert_eq!(check(private, Rule::Allow), Ok(()), "{private}");
    }
}

#[test]
fn metadata_services_and_plain_http_pass_nowhere() {
    for never in [
        "http://169.254.169.254/latest",
        "https://[::ffff:a9fe:a9fe]/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://2852039166/",
        "http://0xa9.254.0xa9fe/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://metadata.google.internal/",
        "http://metadata.google.internal./",
        "http://metadata/",
        "http://224.0.0.1/",
        "http://[::]/",
        "http://example.com/",
    ] {
        assert!(check(never, Rule::Allow).is_err(), "{never}");
    }
}

#[test]
fn names_that_only_look_local_are_public() {
    for public in [
        "https://notlocalhost.example/",
        "https://local.example/",
        "https://mylocal.example.com/",
        "https://8.8.8.8/",
    ] {
        assert_eq!(check(public, Rule::Refuse), Ok(()), "{public}");
    }
}

proptest::proptest! {
    /// Whatever passes, a browser sees the page whose host was judged, on the scheme that was judged, without a user.
    #[test]
    fn what_passes_is_read_the_same_by_a_browser(text in "(https?|HTTPS|javascript|ftp):?/{0,3}[\\PC\\s@:%.\\[\\]0-9a-fxA-FX]{0,40}") {
        if check(&text, Rule::Allow).is_ok() {
            let url = Url::parse(&text).unwrap();
            proptest::prop_assert!(matches!(url.scheme(), "http" | "https"));
            proptest::prop_assert!(url.username().is_empty() && url.password().is_none());
            let written = text.split_once("://").unwrap().1.split(['/', '?', '#']).next().unwrap();
            proptest::prop_assert!(!written.contains(['@', '\\']) && !written.is_empty());
            proptest::prop_assert!(!class(&url).unwrap().never());
        }
    }
}
