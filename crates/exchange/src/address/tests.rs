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
        "http://example.com/",
    ] {
        assert!(check(never, Rule::Allow).is_err(), "{never}");
    }
}
