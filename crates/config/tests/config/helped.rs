//! Likely mistakes, and what a person is told to write instead.

use crate::{in_gateway, in_target, read, refused, shown};

/// The help of the only diagnostic.
#[track_caller]
fn help(text: &str) -> String {
    let diagnostics = read(text).expect_err("refused");
    assert_eq!(diagnostics.len(), 1, "{}", shown(&diagnostics));
    diagnostics[0].help.clone()
}

#[test]
fn a_switch_where_a_map_belongs_gets_the_map() {
    for written in ["true", "on", "yes"] {
        assert_eq!(help(&in_gateway(&format!("sessions: {written}"))), "write `sessions: {}`");
    }
    for written in ["true", "on", "yes", "allow"] {
        assert_eq!(
            help(&in_target(&format!("mcp: {{ url: http://127.0.0.1:9 }}\nsampling: {written}"))),
            "write `sampling: {}`"
        );
    }
    assert_eq!(help(&in_gateway("inbound: dev")), "write `inbound: { jwt: { issuer: dev } }`");
}

#[test]
fn a_value_where_a_map_belongs_gets_a_map_with_values() {
    let sessions = "write `sessions: { timeout: 1h }`, or `sessions: {}` for the defaults";
    let sampling = "write `sampling: { max_tokens: 4096 }`, or `sampling: {}` for the defaults";
    for written in ["5s", "maybe"] {
        assert_eq!(help(&in_gateway(&format!("sessions: {written}"))), sessions);
        assert_eq!(
            help(&in_target(&format!("mcp: {{ url: http://127.0.0.1:9 }}\nsampling: {written}"))),
            sampling
        );
    }
}

#[test]
fn a_url_without_a_scheme_gets_one() {
    let url = |written: &str| help(&in_target(&format!("mcp: {{ url: '{written}' }}")));
    assert_eq!(url("localhost:3000/mcp"), "write `http://localhost:3000/mcp`");
    assert_eq!(url("127.0.0.1:3000/mcp"), "write `http://127.0.0.1:3000/mcp`");
    assert_eq!(url("mcp.example/mcp"), "write `https://mcp.example/mcp`");
    for written in
        ["ftp://x.example/", "user:pw@x.example", "169.254.169.254/latest", "${TOKEN}", "a b", "/mcp"]
    {
        assert_eq!(url(written), "", "{written}");
    }
}

#[test]
fn arguments_in_one_text_become_a_list() {
    let args = |written: &str| help(&in_target(&format!("mcp: {{ command: npx, args: '{written}' }}")));
    assert_eq!(args("-y foo"), "write `args: [-y, foo]`");
    assert_eq!(args("--port=1 ./x"), "write `args: [--port=1, ./x]`");
    for written in ["", "-y @a/b", "--api-key abc", "--token=abc", "sk-abcdefghijklmnop", "${TOKEN}"] {
        assert_eq!(args(written), "write `args: [-y, package]`", "{written}");
    }
}

#[test]
fn keys_of_mcp_one_level_too_high_are_one_mistake() {
    refused(
        &in_target("command: npx"),
        "p.yaml:5:9: gateways.a.targets.t.command: is not a known key\n  help: `command` belongs under `mcp:`",
    );
    refused(
        &in_target("prefix: none\ncommand: npx\nargs: [-y]"),
        "p.yaml:6:9: gateways.a.targets.t.command: is not a known key\n  \
         help: `command`, `args` belong under `mcp:`",
    );
    refused(
        &in_target("mcp: { url: https://x.example }\nlisting: dynamic"),
        "p.yaml:6:9: gateways.a.targets.t.listing: is not a known key\n  help: `listing` belongs under `mcp:`",
    );
}

#[test]
fn a_misspelt_key_is_not_called_absent() {
    let text = in_gateway("").replace("streaming:", "streamin:").replace("sessions:", "session:");
    refused(
        &text,
        "p.yaml:3:5: gateways.a.streamin: is not a known key\n  help: did you mean `streaming`?\n\
         p.yaml:4:5: gateways.a.session: is not a known key\n  help: did you mean `sessions`?",
    );
}

#[test]
fn errors_of_a_gateway_come_before_its_warnings() {
    let text = "gateways:\n  a:\n    inbound: nobody\n    targets: { t: { mcp: { command: x } } }\n  \
                b:\n    inbound: none\n    targets: { t: { mcp: { command: x } } }\n";
    let diagnostics = read(text).expect_err("refused");
    let lines: Vec<_> = diagnostics.iter().map(|diagnostic| (diagnostic.severity, diagnostic.line)).collect();
    let (error, warning) = (portcullis_config::Severity::Error, portcullis_config::Severity::Warning);
    assert_eq!(lines, [(error, 3), (warning, 2), (warning, 2), (warning, 5), (warning, 5)]);
}

#[test]
fn a_key_written_twice_comes_before_the_warnings_of_its_gateway() {
    let text = "gateways:\n  a:\n    inbound: none\n    inbound: none\n    targets: { t: { mcp: { command: x } } }\n";
    let lines: Vec<_> = read(text).expect_err("refused").iter().map(|diagnostic| diagnostic.line).collect();
    assert_eq!(lines, [4, 2, 2]);
}
