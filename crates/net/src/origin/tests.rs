use http::header::{HeaderName, HeaderValue};

use super::*;

fn policy(listen: &str, public_url: &str) -> HostPolicy {
    let hosts = ["gw.internal", "gw.other:8443"];
    let origins = ["https://console.corp.example", "vscode-webview://panel", "https://a.example:8443"];
    HostPolicy::new(listen.parse().unwrap(), &public_url.parse().unwrap(), &hosts, &origins).unwrap()
}

fn local() -> HostPolicy {
    policy("127.0.0.1", "http://127.0.0.1:8642")
}

fn corp() -> HostPolicy {
    policy("0.0.0.0", "https://gw.example")
}

fn check(policy: &HostPolicy, pairs: &[(&str, &str)]) -> Result<(), Forbidden> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    policy.check(&headers, None)
}

fn host(policy: &HostPolicy, value: &str) -> Result<(), Forbidden> {
    check(policy, &[("host", value)])
}

fn origin(policy: &HostPolicy, own_host: &str, value: &str) -> Result<(), Forbidden> {
    check(policy, &[("host", own_host), ("origin", value)])
}

#[test]
fn a_loopback_listener_accepts_the_names_of_this_machine() {
    for name in ["localhost", "LOCALHOST:1", "127.0.0.1:8642", "127.8.9.1", "[::1]", "[::1]:9", "localhost."]
    {
        assert_eq!(host(&local(), name), Ok(()), "{name}");
    }
}

#[test]
fn a_rebound_name_is_refused() {
    for name in
        ["evil.test", "evil.test:8642", "localhost.evil.test", "127.0.0.1.nip.io", "10.0.0.1", "[fe80::1]"]
    {
        assert_eq!(host(&local(), name), Err(Forbidden::HostUnknown), "{name}");
    }
}

#[test]
fn a_public_listener_accepts_its_public_and_allowed_names_only() {
    for name in ["gw.example", "GW.example:443", "gw.example:9", "gw.internal:1", "gw.other:8443"] {
        assert_eq!(host(&corp(), name), Ok(()), "{name}");
    }
    for name in ["localhost", "127.0.0.1", "gw.other", "gw.other:1", "gw.example.evil", "xgw.example"] {
        assert_eq!(host(&corp(), name), Err(Forbidden::HostUnknown), "{name}");
    }
}

#[test]
fn a_malformed_host_is_refused() {
    let malformed = [
        "",
        "u@gw.example",
        "gw.example/",
        "gw.example:",
        "gw.example:+1",
        "gw.example:65536",
        "gw.example:1:2",
        "::1",
        "[::1",
        "[::1]x",
        "gw example",
        "gw.example,evil",
        "http://gw.example",
        "g\u{e9}",
        ".",
        "gw%2eexample",
    ];
    for name in malformed {
        assert_eq!(host(&corp(), name), Err(Forbidden::HostMalformed), "{name:?}");
    }
}

#[test]
fn the_host_must_be_named_once() {
    assert_eq!(check(&corp(), &[]), Err(Forbidden::HostAmbiguous));
    let twice = [("host", "gw.example"), ("host", "gw.example")];
    assert_eq!(check(&corp(), &twice), Err(Forbidden::HostAmbiguous));
}

#[test]
fn the_authority_of_the_uri_counts_and_must_agree() {
    let authority = |text: &str| text.parse::<Authority>().unwrap();
    let mut headers = HeaderMap::new();
    assert_eq!(corp().check(&headers, Some(&authority("gw.example"))), Ok(()));
    assert_eq!(corp().check(&headers, Some(&authority("evil.test"))), Err(Forbidden::HostUnknown));
    assert_eq!(corp().check(&headers, Some(&authority("u@gw.example"))), Err(Forbidden::HostMalformed));
    headers.insert("host", HeaderValue::from_static("gw.internal"));
    assert_eq!(corp().check(&headers, Some(&authority("gw.example"))), Err(Forbidden::HostAmbiguous));
}

#[test]
fn no_origin_is_fine() {
    assert_eq!(host(&corp(), "gw.example"), Ok(()));
}

#[test]
fn known_origins_are_accepted() {
    let known = [
        "https://gw.example",
        "HTTPS://GW.Example:443",
        "https://console.corp.example",
        "https://a.example:8443",
        "vscode-webview://panel",
    ];
    for value in known {
        assert_eq!(origin(&corp(), "gw.example", value), Ok(()), "{value}");
    }
}

#[test]
fn unknown_origins_are_refused() {
    let unknown = [
        "http://gw.example",
        "https://gw.example:8443",
        "https://gw.example.evil",
        "https://evil-gw.example",
        "https://a.example",
        "http://localhost:3000",
        "http://127.0.0.1",
        "http://evil.test",
    ];
    for value in unknown {
        assert_eq!(origin(&corp(), "gw.example", value), Err(Forbidden::OriginUnknown), "{value}");
    }
}

#[test]
fn malformed_origins_are_refused() {
    let malformed = [
        "null",
        "NULL",
        "",
        "gw.example",
        "https://",
        "https://u@gw.example",
        "https://u:p@gw.example",
        "https://gw.example/",
        "https://gw.example/path",
        "https://gw.example?x",
        "https://gw.example https://evil.test",
        "https://gw.example, https://evil.test",
        "://gw.example",
        "1https://gw.example",
    ];
    for value in malformed {
        assert_eq!(origin(&corp(), "gw.example", value), Err(Forbidden::OriginMalformed), "{value:?}");
    }
    let twice = [("host", "gw.example"), ("origin", "https://gw.example"), ("origin", "https://gw.example")];
    assert_eq!(check(&corp(), &twice), Err(Forbidden::OriginAmbiguous));
}

#[test]
fn loopback_origins_need_a_loopback_public_url() {
    for value in ["http://localhost:6274", "https://127.0.0.1:1", "http://[::1]:3000"] {
        assert_eq!(origin(&local(), "localhost:8642", value), Ok(()), "{value}");
        let tunnelled = policy("127.0.0.1", "https://gw.example");
        assert_eq!(origin(&tunnelled, "gw.example", value), Err(Forbidden::OriginUnknown), "{value}");
    }
    assert_eq!(origin(&local(), "localhost:8642", "http://evil.test"), Err(Forbidden::OriginUnknown));
    assert_eq!(origin(&local(), "localhost:8642", "file://localhost"), Err(Forbidden::OriginUnknown));
}

#[test]
fn entries_that_cannot_match_are_refused() {
    let listen = "127.0.0.1".parse().unwrap();
    let url = "https://gw.example".parse().unwrap();
    assert!(matches!(HostPolicy::new(listen, &url, &["a/b"], &[]), Err(InvalidEntry::Host(_))));
    assert!(matches!(HostPolicy::new(listen, &url, &[], &["https://a/"]), Err(InvalidEntry::Origin(_))));
    let no_host = "data:,x".parse().unwrap();
    assert!(matches!(HostPolicy::new::<&str>(listen, &no_host, &[], &[]), Err(InvalidEntry::PublicUrl(_))));
}
