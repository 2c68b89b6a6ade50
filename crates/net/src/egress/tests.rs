use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn classifies_addresses() {
    use AddressClass::*;
    let table = [
        ("8.8.8.8", Public),
        ("1.1.1.1", Public),
        ("172.15.255.255", Public),
        ("172.32.0.0", Public),
        ("100.63.255.255", Public),
        ("100.128.0.0", Public),
        ("2606:4700::1111", Public),
        ("127.0.0.1", Loopback),
        ("127.255.255.254", Loopback),
        ("::1", Loopback),
        ("::ffff:127.0.0.1", Loopback),
        ("10.1.2.3", Private),
        ("172.16.0.1", Private),
        ("172.31.255.255", Private),
        ("192.168.0.1", Private),
        ("fc00::1", Private),
        ("fdff::1", Private),
        ("fec0::1", Private),
        ("64:ff9b:1::1", Private),
        ("::ffff:10.0.0.1", Private),
        ("::10.0.0.1", Private),
        ("64:ff9b::10.0.0.1", Private),
        ("::ffff:0:10.0.0.1", Private),
        ("2002:0a00:0001::1", Private),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", Private),
        ("100.64.0.1", Shared),
        ("100.127.255.255", Shared),
        ("169.254.0.1", LinkLocal),
        ("169.254.170.2", LinkLocal),
        ("fe80::1", LinkLocal),
        ("febf::1", LinkLocal),
        ("169.254.169.254", Metadata),
        ("::ffff:a9fe:a9fe", Metadata),
        ("64:ff9b::a9fe:a9fe", Metadata),
        ("2002:a9fe:a9fe::", Metadata),
        ("2001:0:4136:e378:8000:63bf:5601:5601", Metadata),
        ("fd00:ec2::254", Metadata),
        ("fd00:ec2::23", Metadata),
        ("fd20:ce::254", Metadata),
        ("100.100.100.200", Metadata),
        ("168.63.129.16", Metadata),
        ("192.0.0.192", Metadata),
        ("0.0.0.0", Unspecified),
        ("0.1.2.3", Unspecified),
        ("::", Unspecified),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("255.255.255.255", Multicast),
        ("ff02::1", Multicast),
        ("192.0.2.1", Reserved),
        ("198.51.100.1", Reserved),
        ("203.0.113.1", Reserved),
        ("198.18.0.1", Reserved),
        ("240.0.0.1", Reserved),
        ("192.88.99.1", Reserved),
        ("2001:db8::1", Reserved),
        ("2001:20::1", Reserved),
        ("3fff::1", Reserved),
        ("100::1", Reserved),
        ("5f00::1", Reserved),
    ];
    for (text, class) in table {
        assert_eq!(AddressClass::of(address(text)), class, "{text}");
    }
}

#[test]
fn operator_reaches_private_but_never_metadata() {
    let guard = Guard::default();
    for open in ["127.0.0.1", "::1", "10.0.0.1", "100.64.0.1", "8.8.8.8", "fd00::1", "198.18.0.1"] {
        assert_eq!(guard.check(address(open), Provenance::Operator), Ok(()), "{open}");
    }
    for shut in ["169.254.169.254", "169.254.1.1", "fe80::1", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1"] {
        assert!(guard.check(address(shut), Provenance::Operator).is_err(), "{shut}");
    }
}

#[test]
fn learned_reaches_public_only() {
    let guard = Guard::default();
    assert_eq!(guard.check(address("8.8.8.8"), Provenance::Learned), Ok(()));
    for shut in
        ["127.0.0.1", "10.0.0.1", "100.64.0.1", "169.254.169.254", "::1", "fd00::1", "192.0.2.1", "::"]
    {
        assert!(guard.check(address(shut), Provenance::Learned).is_err(), "{shut}");
    }
}

#[test]
fn allow_list_opens_ranges_and_hosts_but_never_metadata() {
    let guard = Guard::new(["10.1.0.0/16", "idp.corp.example", "fd12::/16", "169.254.0.0/16"]).unwrap();
    let learned = Provenance::Learned;
    assert_eq!(guard.check(address("10.1.2.3"), learned), Ok(()));
    assert_eq!(guard.check(address("::ffff:10.1.2.3"), learned), Ok(()));
    assert_eq!(guard.check(address("fd12::9"), learned), Ok(()));
    assert!(guard.check(address("10.2.0.1"), learned).is_err());
    assert!(guard.check(address("169.254.169.254"), learned).is_err());
    assert_eq!(guard.check_resolved("IDP.corp.example.", address("192.168.1.1"), learned), Ok(()));
    assert!(guard.check_resolved("idp.corp.example.evil", address("192.168.1.1"), learned).is_err());
    assert!(guard.check_resolved("idp.corp.example", address("169.254.169.254"), learned).is_err());
}

#[test]
fn refuses_an_allow_entry_that_is_neither_host_nor_range() {
    for entry in ["10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/+8", "a b", "https://x", "", "0x7f.1"] {
        assert!(Guard::new([entry]).is_err(), "{entry}");
    }
}

#[test]
fn contains_respects_the_prefix() {
    let cases = [
        ("0.0.0.0/0", "255.1.2.3", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "2001:db8::1", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("10.9.8.7/8", "10.0.0.1", true),
        ("192.168.1.1", "192.168.1.1", true),
        ("192.168.1.1", "192.168.1.2", false),
        ("fd00::/8", "fdff::1", true),
        ("fd00::/8", "fe00::1", false),
        ("::ffff:10.0.0.0/104", "10.200.0.1", true),
    ];
    for (range, inside, expected) in cases {
        let range: Cidr = range.parse().unwrap();
        assert_eq!(range.contains(address(inside)), expected, "{range} {inside}");
    }
}

#[test]
fn check_url_sees_through_spellings() {
    let guard = Guard::default();
    let check = |text: &str, provenance| guard.check_url(&Url::parse(text).unwrap(), provenance);
    for metadata in [
        "http://169.254.169.254/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "http://169.254.43518/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::169.254.169.254]/",
    ] {
        let denied = check(metadata, Provenance::Operator).unwrap_err();
        assert_eq!(denied.class(), Some(AddressClass::Metadata), "{metadata}");
    }
    for loopback in ["https://127.1/", "https://0x7f.1/", "https://2130706433/", "https://[::1]/"] {
        assert_eq!(check(loopback, Provenance::Operator), Ok(()), "{loopback}");
        let denied = check(loopback, Provenance::Learned).unwrap_err();
        assert_eq!(denied.class(), Some(AddressClass::Loopback), "{loopback}");
    }
    assert_eq!(check("https://idp.example/", Provenance::Learned), Ok(()));
    assert!(matches!(check("http://idp.example/", Provenance::Learned), Err(Denied::NotHttps { .. })));
    for odd in ["ftp://x/", "file:///etc/passwd", "https://u:p@x/", "https://u@x/", "data:,x"] {
        assert_eq!(check(odd, Provenance::Operator), Err(Denied::Url), "{odd}");
    }
}

#[test]
fn allow_list_opens_cleartext_to_a_learned_host() {
    let guard = Guard::new(["idp.test", "127.0.0.0/8"]).unwrap();
    for url in ["http://idp.test/", "http://127.0.0.1:9/"] {
        assert_eq!(guard.check_url(&Url::parse(url).unwrap(), Provenance::Learned), Ok(()), "{url}");
    }
}

#[test]
fn a_refusal_says_what_and_the_way_on() {
    let denied = Guard::default().check(address("10.0.0.5"), Provenance::Learned).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "10.0.0.5 is a private address; a URL that was learned may reach public addresses only; \
         name the host or the range in `egress.allow` to permit it"
    );
}
