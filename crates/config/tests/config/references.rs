//! `${NAME}`, `${file:/path}` and `$${`.

use std::fs;

use portcullis_config::{Outbound, Secret, Snapshot, Transport};
use proptest::prelude::*;

use crate::{in_target, refused, snapshot};

fn header(snapshot: &Snapshot) -> &Secret {
    let Outbound::Headers(headers) = &snapshot.gateways[0].targets[0].outbound else { panic!("no headers") };
    &headers["h"]
}

fn secret(text: &str) -> Secret {
    Secret(text.to_owned().into())
}

fn with_header(value: &str) -> String {
    in_target(&format!("mcp: {{ url: https://x.example/mcp }}\noutbound: {{ headers: {{ h: {value} }} }}"))
}

#[test]
fn a_variable_is_resolved_with_and_without_quotes() {
    for written in ["${TOKEN}", "\"${TOKEN}\"", "'${TOKEN}'"] {
        assert!(*header(&snapshot(&with_header(written))) == secret("s3cr3t-value"), "{written}");
    }
    assert!(*header(&snapshot(&with_header("Bearer ${TOKEN}!"))) == secret("Bearer s3cr3t-value!"));
}

#[test]
fn a_doubled_dollar_is_a_literal_one() {
    assert!(*header(&snapshot(&with_header("$${TOKEN}"))) == secret("${TOKEN}"));
    assert!(*header(&snapshot(&with_header("'a $${ b'"))) == secret("a ${ b"));
    assert!(*header(&snapshot(&with_header("$5"))) == secret("$5"));
}

#[test]
fn any_scalar_may_be_a_reference() {
    let text = in_target("mcp: { command: ${TOKEN}, args: [a, 'x${TOKEN}y'] }");
    let Transport::Stdio(child) = &snapshot(&text).gateways[0].targets[0].transport else {
        panic!("no child")
    };
    assert_eq!((child.command.as_str(), child.args[1].as_str()), ("s3cr3t-value", "xs3cr3t-valuey"));
}

#[test]
fn an_unset_variable_is_reported_where_it_stands() {
    refused(
        &with_header("${MISSING}"),
        "p.yaml:6:35: gateways.a.targets.t.outbound.headers.h: environment variable `MISSING` is not set\n  \
         help: export MISSING before starting, or use `${file:/path}`",
    );
}

#[test]
fn a_missing_file_is_reported_with_the_way_on() {
    refused(
        &with_header("${file:/nonexistent/secret}"),
        "p.yaml:6:35: gateways.a.targets.t.outbound.headers.h: cannot read the file `/nonexistent/secret`: \
         No such file or directory (os error 2)\n  help: create the file, or correct the path",
    );
}

#[test]
fn what_is_no_reference_is_refused() {
    for (written, message) in [
        ("'${a-b}'", "`${a-b}` is not a reference"),
        ("'${TOKEN:-x}'", "`${TOKEN:-x}` is not a reference"),
        ("'${}'", "`${}` is not a reference"),
        ("'${TOKEN'", "`${` without a `}`"),
        ("'${file:relative}'", "the file reference `relative` is not an absolute path"),
        ("'${file:/dev/zero}'", "`/dev/zero` is not a regular file"),
    ] {
        let diagnostics = crate::read(&with_header(written)).expect_err(written);
        assert_eq!(diagnostics[0].message, message);
    }
}

#[test]
fn a_bad_value_from_a_reference_is_not_shown() {
    refused(
        &crate::in_gateway("page_size: ${TOKEN}"),
        "p.yaml:3:16: gateways.a.page_size: must be a whole number from 1 to 1000, is `${TOKEN}`",
    );
    refused(
        &in_target("mcp: { url: '${TOKEN}' }"),
        "p.yaml:5:21: gateways.a.targets.t.mcp.url: must be an http or https URL, is `${TOKEN}` \
         (relative URL without a base)",
    );
}

#[test]
fn a_file_is_read_without_its_last_newline() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("secret");
    fs::write(&path, "from file\r\n").expect("written");
    let written = format!("'${{file:{}}}'", path.display());
    assert!(*header(&snapshot(&with_header(&written))) == secret("from file"));
    let plain = format!("${{file:{}}}", path.display());
    assert!(*header(&snapshot(&with_header(&plain))) == secret("from file"));
}

#[test]
fn what_a_reference_resolves_to_is_not_a_reference() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("secret");
    fs::write(&path, "${TOKEN}").expect("written");
    let written = format!("'${{file:{}}}'", path.display());
    assert!(*header(&snapshot(&with_header(&written))) == secret("${TOKEN}"));
}

#[test]
fn a_secret_file_is_bounded() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("secret");
    fs::write(&path, vec![b'x'; 65 * 1024]).expect("written");
    let diagnostics =
        crate::read(&with_header(&format!("'${{file:{}}}'", path.display()))).expect_err("refused");
    assert!(diagnostics[0].message.ends_with("is larger than 65536 bytes"), "{}", diagnostics[0].message);
    fs::write(&path, [0xff, 0xfe]).expect("written");
    let diagnostics =
        crate::read(&with_header(&format!("'${{file:{}}}'", path.display()))).expect_err("refused");
    assert!(diagnostics[0].message.ends_with("is not UTF-8 text"), "{}", diagnostics[0].message);
}

proptest! {
    #[test]
    fn escaped_text_comes_back(text in "[ -~]{0,40}") {
        let escaped = text.replace("${", "$${").replace('\'', "''");
        // A dollar in front of an escape cannot be told from it: that spelling has no escape.
        prop_assume!(!text.contains("$${") && text.trim() == text);
        let read = snapshot(&with_header(&format!("'{escaped}'")));
        prop_assert!(*header(&read) == secret(&text));
    }
}
