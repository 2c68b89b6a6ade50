//! Bad values, with the exact words a person gets.

use crate::{in_gateway, in_target, on_top, refused};

#[test]
fn every_mistake_is_reported_at_once() {
    refused(
        "\
listen: localhost:8642
public_urll: x
admin: 5
limits: { drain: 10, request_body: 4MB, batch: 5000 }
gateways:
  corp:
    streaming: maybe
    inbound: jwt
    sessions: { timeout: 10m }
    policy: { engine: x }
    targets:
      Legal:
        mcp: { url: 'http://169.254.169.254/latest', args: [x] }
        outbound: { oauth: {} }
      b:
        mcp: { command: npx, env: { API_TOKEN: ${NOPE}, 1X: y } }
        prefix: both
      c:
        mcp: {}
",
        "\
p.yaml:1:9: listen: must be an IP address and a port, is `localhost:8642`
  help: write `127.0.0.1:8642`, `0.0.0.0:8642` or `[::1]:8642`
p.yaml:2:1: public_urll: is not a known key
  help: did you mean `public_url`?
p.yaml:3:8: admin: must be a map, is a number
p.yaml:4:18: limits.drain: must be a duration, is `10`
  help: write a number and a unit: `500ms`, `45s`, `15m`, `1h`
p.yaml:4:36: limits.request_body: must be a size, is `4MB`
  help: write `64KiB`, `4MiB`, `1GiB`, or a number of bytes
p.yaml:4:48: limits.batch: must be between 1 and 1000, is 5000
p.yaml:7:16: gateways.corp.streaming: must be `true`, `false`, `on` or `off`, is `maybe`
p.yaml:8:14: gateways.corp.inbound: must be `none` or a map such as `{ jwt: { … } }`, or a list of such maps, is `jwt`
p.yaml:9:26: gateways.corp.sessions.timeout: must be between 15m and 8h, is 10m
p.yaml:10:5: gateways.corp.policy: is not available in this version
  help: remove the key
p.yaml:12:7: gateways.corp.targets.Legal: `Legal` is not a valid name
  help: use 1 to 32 lower-case letters, digits and hyphens, and no hyphen in front
p.yaml:13:21: gateways.corp.targets.Legal.mcp.url: link-local and metadata addresses are never connected to, is `http://169.254.169.254/latest`
p.yaml:13:60: gateways.corp.targets.Legal.mcp.args: belongs to `command`, and this target has a `url`
  help: remove it
p.yaml:14:21: gateways.corp.targets.Legal.outbound.oauth: is not available in this version
  help: remove the key
p.yaml:16:48: gateways.corp.targets.b.mcp.env.API_TOKEN: environment variable `NOPE` is not set
  help: export NOPE before starting, or use `${file:/path}`
p.yaml:16:57: gateways.corp.targets.b.mcp.env.1X: `1X` is not a variable name
  help: use letters, digits and underscores, and no digit in front
p.yaml:17:17: gateways.corp.targets.b.prefix: must be `target` or `none`, is `both`
p.yaml:19:9: gateways.corp.targets.c.mcp: names no server
  help: write `url` or `command`
",
    );
}

#[test]
fn inbound_is_never_absent_by_accident() {
    refused(
        "gateways:\n  a:\n    streaming: true\n    sessions: {}\n    targets: { t: { mcp: { url: http://127.0.0.1:9 } } }\n",
        "p.yaml:2:3: gateways.a.inbound: is missing\n  \
         help: write `inbound: { jwt: { discovery_url: … } }`, or `inbound: none` to let everyone in",
    );
    refused(
        &in_gateway("inbound:"),
        "p.yaml:3:5: gateways.a.inbound: has no value; must be `none` or a map or a list\n  \
         help: write a value, or remove the key",
    );
    refused(
        &in_gateway("inbound: []"),
        "p.yaml:3:14: gateways.a.inbound: must not be an empty list\n  \
         help: write `inbound: { jwt: { discovery_url: … } }`, or `inbound: none` to let everyone in",
    );
    refused(
        &in_gateway("inbound: {}"),
        "p.yaml:3:5: gateways.a.inbound.jwt: is missing\n  \
         help: write `jwt: { discovery_url: … }`, or `jwt: { issuer: dev }` for development",
    );
}

#[test]
fn a_file_without_gateways_or_targets_does_nothing() {
    refused("listen: 127.0.0.1:1\n", "p.yaml:1:1: gateways: is missing\n  help: write at least one gateway");
    refused("gateways: {}\n", "p.yaml:1:11: gateways: must not be empty\n  help: write at least one gateway");
    refused(
        &in_gateway("targets: {}"),
        "p.yaml:3:14: gateways.a.targets: must not be empty\n  help: write at least one target",
    );
    refused(
        &in_gateway("targets: [a]"),
        "p.yaml:3:14: gateways.a.targets: must be a map from a target name to the target, is a list",
    );
}

#[test]
fn reserved_and_malformed_names_are_refused() {
    for name in [
        "mcp",
        "api",
        "identity",
        "identities",
        "oauth",
        "sts",
        "connect",
        "healthz",
        "readyz",
        "metrics",
        "dev",
    ] {
        let text = in_gateway("").replace("  a:", &format!("  {name}:"));
        let diagnostics = crate::read(&text).expect_err(name);
        assert_eq!(diagnostics[0].message, format!("`{name}` is reserved"));
    }
    for name in ["A", "-a", "a_b", "a.b", "ä", "a/b", "\"\"", "abcdefghijklmnopqrstuvwxyz0123456"] {
        let text = in_gateway("").replace("  a:", &format!("  {name}:"));
        assert!(crate::read(&text).expect_err(name)[0].message.ends_with("is not a valid name"), "{name}");
    }
    for name in ["api", "0", "a-", "abcdefghijklmnopqrstuvwxyz012345"] {
        crate::snapshot(&in_gateway(&format!("targets: {{ {name}: {{ mcp: {{ command: x }} }} }}")));
    }
}

#[test]
fn keys_of_later_capabilities_are_told_apart_from_unknown_ones() {
    refused(
        &on_top("credential_providers: {}\npolicy_engines: {}"),
        "p.yaml:1:1: credential_providers: is not available in this version\n  help: remove the key\n\
         p.yaml:2:1: policy_engines: is not available in this version\n  help: remove the key",
    );
    let diagnostics = crate::read(&in_gateway("inbound: [{ api_keys: {} }, { iam: {} }, { mtls: {} }]"))
        .expect_err("refused");
    let later = diagnostics.iter().filter(|d| d.message == "is not available in this version").count();
    assert_eq!(later, 3);
}

#[test]
fn an_unknown_key_gets_the_known_ones() {
    refused(
        &in_gateway("sessions: { lifetime: 1h }"),
        "p.yaml:3:17: gateways.a.sessions.lifetime: is not a known key\n  help: the keys here are timeout, idle",
    );
    refused(
        &in_gateway("allowedOrigins: []"),
        "p.yaml:3:5: gateways.a.allowedOrigins: is not a known key\n  help: did you mean `allowed_origins`?",
    );
    let diagnostics = crate::read("mcpServers: {}\n").expect_err("refused");
    assert_eq!(
        diagnostics[1].help,
        "this is a client's configuration: `portcullis import` turns it into one of ours"
    );
}

#[test]
fn session_times_are_bounded() {
    refused(
        &in_gateway("sessions: { timeout: 9h }"),
        "p.yaml:3:26: gateways.a.sessions.timeout: must be between 15m and 8h, is 9h",
    );
    refused(
        &in_gateway("sessions: { timeout: 15m, idle: 16m }"),
        "p.yaml:3:37: gateways.a.sessions.idle: must not be longer than `timeout`, which is 15m",
    );
    refused(
        &in_gateway("sessions: { idle: 59s }"),
        "p.yaml:3:23: gateways.a.sessions.idle: must be between 1m and 8h, is 59s",
    );
    refused(
        &in_gateway("sessions: maybe"),
        "p.yaml:3:15: gateways.a.sessions: must be `off` or `false` or a map, is `maybe`\n  \
         help: write `sessions: { timeout: 1h }`, or `sessions: {}` for the defaults",
    );
    refused(
        &in_gateway("sessions: [1h]"),
        "p.yaml:3:15: gateways.a.sessions: must be `off` or `false` or a map, is a list",
    );
}

#[test]
fn numbers_have_bounds() {
    for (key, written, message) in [
        ("json_depth", "129", "must be between 8 and 128, is 129"),
        ("json_depth", "-1", "must be a whole number from 8 to 128, is `-1`"),
        ("json_depth", "1.5", "must be a whole number from 8 to 128, is `1.5`"),
        (
            "batch",
            "99999999999999999999999",
            "must be a whole number from 1 to 1000, is `99999999999999999999999`",
        ),
        ("batch", "[1]", "must be a whole number from 1 to 1000, is a list"),
        ("request_body", "2GiB", "must be between 1KiB and 1GiB, is 2GiB"),
        ("request_body", "99999999999999999999GiB", "must be a size, is `99999999999999999999GiB`"),
        ("read_timeout", "99999999999999999999h", "must be a duration, is `99999999999999999999h`"),
        ("read_timeout", "1 h", "must be a duration, is `1 h`"),
        ("read_timeout", "500ms", "must be between 1s and 10m, is 500ms"),
    ] {
        let diagnostics =
            crate::read(&on_top(&format!("limits: {{ {key}: {written} }}"))).expect_err(written);
        assert_eq!(diagnostics[0].message, message);
        assert_eq!(diagnostics[0].path, format!("limits.{key}"));
    }
}

#[test]
fn urls_are_http_without_credentials_or_fragments() {
    for (url, message) in [
        ("ftp://x.example/", "must be an http or https URL, is `ftp://x.example/`"),
        (
            "legal.internal/mcp",
            "must be an http or https URL, is `legal.internal/mcp` (relative URL without a base)",
        ),
        ("https://", "must be an http or https URL, is `https://` (empty host)"),
        ("https://u:p@x.example/", "must not carry a user name or password"),
        ("https://x.example/#a", "must not have a fragment (`#…`), is `https://x.example/#a`"),
        ("", "must not be empty"),
    ] {
        let diagnostics = crate::read(&in_target(&format!("mcp: {{ url: '{url}' }}"))).expect_err(url);
        assert_eq!(diagnostics[0].message, message);
    }
}

#[test]
fn link_local_and_metadata_addresses_are_refused_in_every_spelling() {
    for host in [
        "169.254.169.254",
        "169.254.0.1",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "METADATA.google.internal",
        "metadata.google.internal.",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "[::]",
    ] {
        let diagnostics =
            crate::read(&in_target(&format!("mcp: {{ url: 'http://{host}/mcp' }}"))).expect_err(host);
        assert!(diagnostics[0].message.starts_with("link-local and metadata addresses"), "{host}");
    }
    for rule in ["169.254.169.254/32", "169.254.0.0/16", "fe80::/10", "metadata.google.internal"] {
        let diagnostics = crate::read(&on_top(&format!("egress: {{ allow: ['{rule}'] }}"))).expect_err(rule);
        assert!(diagnostics[0].message.starts_with("link-local and metadata addresses"), "{rule}");
        assert_eq!(diagnostics[0].path, "egress.allow[0]");
    }
    for rule in ["10.0.0.0/33", "fd00::/129", "10.0.0/8", "https://x.example", "*", "a b", "x.example:443"] {
        let diagnostics = crate::read(&on_top(&format!("egress: {{ allow: ['{rule}'] }}"))).expect_err(rule);
        assert!(diagnostics[0].message.starts_with("must be a host name or an address block"), "{rule}");
    }
}

#[test]
fn public_url_is_an_origin() {
    refused(
        &on_top("public_url: https://x.example/portcullis"),
        "p.yaml:1:13: public_url: must end after host and port, is `https://x.example/portcullis`\n  \
         help: gateways are at `{public_url}/{name}/mcp`; a path in front of that is not supported",
    );
}

#[test]
fn the_two_listeners_need_two_addresses() {
    refused(
        &on_top("listen: 127.0.0.1:8643"),
        "p.yaml:1:1: is the same address as `listen`: 127.0.0.1:8643\n  help: give the admin listener a port of its own",
    );
}

#[test]
fn the_development_issuer_stays_on_loopback() {
    let dev = "\n    inbound: { jwt: { issuer: dev } }";
    let text = in_gateway("").replace("\n    inbound: none", dev);
    let line = "the embedded development issuer serves loopback addresses only\n  help: use your identity \
                provider's `discovery_url`, or keep `listen` and `public_url` on 127.0.0.1";
    refused(
        &format!("public_url: https://mcp.example\n{text}"),
        &format!("p.yaml:6:31: gateways.a.inbound.jwt.issuer: {line}"),
    );
    refused(
        &format!("public_url: http://127.0.0.1:8642\nlisten: 0.0.0.0:8642\n{text}"),
        &format!("p.yaml:7:31: gateways.a.inbound.jwt.issuer: {line}"),
    );
    let text = in_target(
        "mcp: { url: https://x.example, listing: dynamic }\noutbound: { assertion: { audience: x } }",
    );
    refused(
        &format!("public_url: https://mcp.example\n{text}"),
        &format!("p.yaml:7:32: gateways.a.targets.t.outbound.assertion: {line}"),
    );
}

#[test]
fn an_issuer_has_exactly_one_spelling() {
    for (jwt, path, message) in [
        ("{}", "", "names no issuer"),
        ("{ issuer: https://i.example }", ".issuer", "needs `jwks_uri` beside it"),
        ("{ jwks_uri: https://i.example/k }", ".jwks_uri", "needs `issuer` beside it"),
        ("{ issuer: dev, jwks_uri: https://i.example/k }", ".jwks_uri", "cannot stand beside `issuer: dev`"),
        (
            "{ discovery_url: https://i.example/.well-known/openid-configuration, issuer: https://i.example }",
            ".issuer",
            "cannot stand beside `discovery_url`, whose document names it",
        ),
        (
            "{ discovery_url: https://i.example }",
            ".discovery_url",
            "must be the URL of a discovery document, is `https://i.example`",
        ),
        ("{ issuer: dev, audiences: [] }", ".audiences", "must not be empty"),
        ("{ issuer: dev, clients: [] }", ".clients", "must not be empty"),
        (
            "{ issuer: dev, audiences: unchecked }",
            ".audiences",
            "`unchecked` accepts tokens meant for other services",
        ),
        ("{ issuer: dev, audiences: all }", ".audiences", "must be `unchecked` or a list, is `all`"),
        (
            "{ issuer: dev, scopes: ['a b'] }",
            ".scopes[0]",
            "must be one scope, without blanks or quotes, is `a b`",
        ),
    ] {
        let diagnostics = crate::read(&in_gateway(&format!("inbound: {{ jwt: {jwt} }}"))).expect_err(jwt);
        assert_eq!(diagnostics.len(), 1, "{}", crate::shown(&diagnostics));
        assert_eq!(diagnostics[0].message, message);
        assert_eq!(diagnostics[0].path, format!("gateways.a.inbound.jwt{path}"));
    }
    refused(
        &in_gateway("inbound: [{ jwt: { issuer: dev } }, { jwt: { issuer: dev } }]"),
        "p.yaml:3:14: gateways.a.inbound: authorizer 2 repeats the issuer of an earlier one\n  \
         help: the exact `iss` selects the authorizer: merge the two",
    );
}

#[test]
fn versions_are_the_five() {
    refused(
        &in_gateway("versions: [2025-11-26]"),
        "p.yaml:3:16: gateways.a.versions[0]: must be `2024-11-05`, `2025-03-26`, `2025-06-18`, `2025-11-25` or \
         `2026-07-28`, is `2025-11-26`",
    );
    refused(
        &in_gateway("versions: []"),
        "p.yaml:3:15: gateways.a.versions: must not be empty\n  help: remove the key to offer every revision",
    );
}

#[test]
fn separators_fit_into_tool_names() {
    for written in ["''", "'.'", "'/'", "'a b'", "_________", "ä"] {
        let diagnostics = crate::read(&in_gateway(&format!("separator: {written}"))).expect_err(written);
        assert!(diagnostics[0].message.starts_with("must be 1 to 8 letters"), "{written}");
    }
}

#[test]
fn origins_and_hosts_are_exact() {
    for origin in
        ["'*'", "https://*.example", "https://x.example/path", "x.example", "'null'", "https://u@x.example"]
    {
        let diagnostics =
            crate::read(&in_gateway(&format!("allowed_origins: [{origin}]"))).expect_err(origin);
        assert_eq!(diagnostics[0].path, "gateways.a.allowed_origins[0]", "{origin}");
    }
    for host in ["'*'", "x.example:99999", "x.example:+1", "'[::1'", "https://x.example", "'a..b'", "'-a'"] {
        let diagnostics = crate::read(&in_gateway(&format!("allowed_hosts: [{host}]"))).expect_err(host);
        assert_eq!(diagnostics[0].path, "gateways.a.allowed_hosts[0]", "{host}");
    }
}

#[test]
fn a_target_has_one_server_and_one_credential() {
    refused(
        &in_target("mcp: { url: https://x.example, command: y }"),
        "p.yaml:5:49: gateways.a.targets.t.mcp.command: cannot stand beside `url`\n  help: keep one of the two",
    );
    refused(
        &in_target("prefix: none"),
        "p.yaml:4:7: gateways.a.targets.t.mcp: is missing\n  help: write `mcp: { url: … }` or `mcp: { command: … }`",
    );
    refused(
        &in_target(
            "mcp: { url: https://x.example, listing: dynamic }\noutbound: { headers: { a: ${TOKEN} }, assertion: { audience: b } }",
        ),
        "p.yaml:6:58: gateways.a.targets.t.outbound.assertion: cannot stand beside `headers`\n  help: write one of the two",
    );
    refused(
        &in_target("mcp: { url: https://x.example }\noutbound: {}"),
        "p.yaml:6:9: gateways.a.targets.t.outbound: names no credential\n  \
         help: write `headers` or `assertion`, or remove the key",
    );
    refused(
        &in_target("mcp: { command: x }\noutbound: { headers: { a: ${TOKEN} } }"),
        "p.yaml:6:19: gateways.a.targets.t.outbound: a child process takes no HTTP credentials\n  \
         help: pass them through `mcp.env`",
    );
}

#[test]
fn headers_are_valid_and_not_the_gateways_own() {
    let header = |name: &str, value: &str| {
        in_target(&format!(
            "mcp: {{ url: https://x.example }}\noutbound: {{ headers: {{ {name}: {value} }} }}"
        ))
    };
    for name in ["Host", "content-length", "Mcp-Session-Id", "Transfer-Encoding", "Proxy-Authorization"] {
        let diagnostics = crate::read(&header(name, "x")).expect_err(name);
        assert_eq!(diagnostics[0].message, format!("`{name}` is set by the gateway itself"));
    }
    assert_eq!(
        crate::read(&header("'a b'", "x")).expect_err("refused")[0].message,
        "`a b` is not a header name"
    );
    for value in ["\"s3cr3t\\nX: y\"", "'s3cr3t '", "s3crét"] {
        let shown = crate::shown(&crate::read(&header("x", value)).expect_err(value));
        assert!(shown.contains("must be visible ASCII on one line") && !shown.contains("s3cr"), "{shown}");
    }
    refused(
        &header("X-A: 1, x-a", "2"),
        "p.yaml:6:40: gateways.a.targets.t.outbound.headers.x-a: means the same as another key: `x-a`",
    );
}

#[test]
fn the_number_of_diagnostics_is_bounded() {
    let keys: String = (0..1000).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(crate::read(&keys).expect_err("refused").len(), 200);
}
