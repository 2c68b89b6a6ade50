//! What a sound file becomes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp::Version;
use portcullis_config::{
    Audiences, Era, Inbound, Isolation, Issuer, Listing, Outbound, Prefix, Sessions, Streaming, Transport,
    load, restart_needed,
};

use crate::{SOUND, env, in_gateway, in_target, on_top, read, shown, snapshot};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn defaults_are_the_documented_ones() {
    let snapshot =
        snapshot("gateways:\n  a:\n    inbound: none\n    targets: { t: { mcp: { command: server } } }\n");
    assert_eq!(snapshot.listen.to_string(), "127.0.0.1:8642");
    assert_eq!(snapshot.admin_listen.to_string(), "127.0.0.1:8643");
    assert_eq!(snapshot.public_url.as_str(), "http://127.0.0.1:8642/");
    assert_eq!(snapshot.data_dir, PathBuf::from("./portcullis-data"));
    assert_eq!(snapshot.limits.request_body, 4 << 20);
    assert_eq!(snapshot.limits.upstream_event, 32 << 20);
    assert_eq!(snapshot.limits.json_depth, 64);
    assert_eq!(snapshot.limits.drain, Duration::from_secs(30));
    assert!(snapshot.egress.allow.is_empty());
    let gateway = &snapshot.gateways[0];
    assert_eq!(gateway.streaming, Streaming::Off);
    assert_eq!(gateway.sessions, None);
    assert_eq!(gateway.versions, Version::ALL);
    assert_eq!(gateway.inbound, Inbound::None);
    assert_eq!(gateway.separator, "___");
    assert_eq!((gateway.page_size, gateway.list_budget), (200, Duration::from_secs(2)));
    let target = &gateway.targets[0];
    assert_eq!((target.listing, target.prefix), (Listing::Default, Prefix::Target));
    assert_eq!((target.resource_priority, &target.outbound), (1000, &Outbound::None));
    assert_eq!((target.refresh, target.call_timeout), (MINUTE * 5, MINUTE * 10));
    assert_eq!((target.idle_timeout, target.connect_timeout), (MINUTE * 2, MINUTE));
    let Transport::Stdio(child) = &target.transport else { panic!("not a child process") };
    assert_eq!((child.isolation, child.era), (Isolation::Principal, Era::Auto));
    assert_eq!((child.instances_max, child.idle), (32, MINUTE * 10));
    assert!(child.env.is_empty() && child.args.is_empty() && child.cwd.is_none());
}

#[test]
fn a_server_by_url_has_ten_seconds_to_connect() {
    assert_eq!(snapshot(SOUND).gateways[0].targets[0].connect_timeout, Duration::from_secs(10));
}

#[test]
fn every_key_arrives() {
    let snapshot = snapshot(
        "
listen: '[::1]:1'
admin: { listen: 127.0.0.1:2 }
public_url: https://mcp.example/
data_dir: /d
limits:
  request_body: 1KiB
  upstream_event: 65536
  json_depth: 128
  batch: 1
  sessions_per_principal: 2
  sessions: 3
  in_flight: 4
  streams: 7
  streams_per_principal: 8
  subscriptions_per_session: 9
  subscriptions_per_principal: 10
  notifications: 16
  notification_bytes: 4KiB
  resume_bytes: 8KiB
  resume_bytes_per_principal: 16KiB
  resume_bytes_total: 1MiB
  connections: 5
  read_timeout: 1m30s
  catalogue_items: 6
  drain: 0s
egress: { allow: [IDP.internal, 10.0.0.0/8, 'fd00::/8'] }
gateways:
  a:
    instructions: |
      Two
      lines
    streaming: on
    sessions: { timeout: 15m, idle: 1m }
    versions: [2026-07-28, '2024-11-05', 2026-07-28]
    inbound:
      - jwt: { discovery_url: https://idp.example/.well-known/openid-configuration, audiences: [x, y] }
      - jwt: { issuer: https://other.example, jwks_uri: http://10.0.0.1/jwks, scopes: [a, 'b:c'], clients: [web] }
    separator: '-'
    page_size: 1
    list_budget: 50ms
    allowed_origins: [HTTPS://App.example:443, http://localhost:3000/, vscode-webview://ABC]
    allowed_hosts: [Mcp.Example, '[::1]:80', x.example:1]
    targets:
      z:
        mcp:
          command: npx
          args: [-y, 8080, true, 1.10, '']
          env: { PORT: 8080, TOKEN: ${TOKEN} }
          cwd: /w
          era: legacy
          listing: dynamic
          isolation: shared
          instances_max: 7
          idle: 1h
      y:
        mcp: { url: https://y.example/mcp, era: modern }
        outbound: { headers: { X-Api-Key: ${TOKEN} } }
        prefix: none
        resource_priority: 0
        refresh: 1s
        call_timeout: 24h
        idle_timeout: 1s
        connect_timeout: 100ms
",
    );
    assert_eq!(snapshot.listen.to_string(), "[::1]:1");
    assert_eq!(snapshot.public_url.as_str(), "https://mcp.example/");
    assert_eq!(snapshot.limits.request_body, 1024);
    assert_eq!(snapshot.limits.read_timeout, Duration::from_secs(90));
    assert_eq!(snapshot.limits.drain, Duration::ZERO);
    assert_eq!(snapshot.egress.allow, ["idp.internal", "10.0.0.0/8", "fd00::/8"]);
    let gateway = &snapshot.gateways[0];
    assert_eq!(gateway.url(&snapshot.public_url), "https://mcp.example/a/mcp");
    assert_eq!(gateway.instructions.as_deref(), Some("Two\nlines\n"));
    assert_eq!(gateway.sessions, Some(Sessions { timeout: MINUTE * 15, idle: MINUTE }));
    assert_eq!(gateway.versions, [Version::V2024_11_05, Version::V2026_07_28]);
    let Inbound::Jwt(authorizers) = &gateway.inbound else { panic!("not JWT") };
    assert!(
        matches!(&authorizers[0].issuer, Issuer::Discovery(url) if url.host_str() == Some("idp.example"))
    );
    assert_eq!(authorizers[0].audiences, Audiences::Listed(vec!["x".into(), "y".into()]));
    assert!(
        matches!(&authorizers[1].issuer, Issuer::Jwks { issuer, .. } if issuer == "https://other.example")
    );
    assert_eq!(authorizers[1].audiences, Audiences::Own);
    assert_eq!(authorizers[1].scopes, ["a", "b:c"]);
    assert_eq!(
        gateway.allowed_origins,
        ["https://app.example", "http://localhost:3000", "vscode-webview://abc"]
    );
    assert_eq!(gateway.allowed_hosts, ["mcp.example", "[::1]:80", "x.example:1"]);
    let names: Vec<_> = gateway.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["z", "y"], "targets keep the order written");
    let Transport::Stdio(child) = &gateway.targets[0].transport else { panic!("not a child process") };
    assert_eq!(child.args, ["-y", "8080", "true", "1.10", ""]);
    assert_eq!(child.env.keys().collect::<Vec<_>>(), ["PORT", "TOKEN"]);
    assert_eq!((child.isolation, child.era, child.instances_max), (Isolation::Shared, Era::Legacy, 7));
    assert_eq!(gateway.targets[0].listing, Listing::Dynamic);
    let Outbound::Headers(headers) = &gateway.targets[1].outbound else { panic!("no headers") };
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-api-key"]);
    assert_eq!(gateway.targets[1].prefix, Prefix::None);
}

#[test]
fn sessions_have_three_spellings_of_off_and_one_of_an_hour() {
    let sessions =
        |written: &str| snapshot(&in_gateway(&format!("sessions: {written}"))).gateways[0].sessions;
    assert_eq!(sessions("off"), None);
    assert_eq!(sessions("false"), None);
    assert_eq!(sessions("{}"), Some(Sessions { timeout: MINUTE * 60, idle: MINUTE * 30 }));
    assert_eq!(
        sessions("{ timeout: 15m }"),
        Some(Sessions { timeout: MINUTE * 15, idle: MINUTE * 15 }),
        "idle is never longer than the session"
    );
}

#[test]
fn the_development_issuer_and_its_assertion_work_on_loopback() {
    let text = "
public_url: http://localhost:8642
gateways:
  a:
    streaming: true
    sessions: {}
    inbound: { jwt: { issuer: dev } }
    targets:
      t:
        mcp: { url: http://127.0.0.1:9/mcp, listing: dynamic }
        outbound: { assertion: { audience: finance } }
";
    let loaded = read(text).expect("accepted");
    assert_eq!(shown(&loaded.warnings), "");
    let gateway = &loaded.snapshot.gateways[0];
    assert!(matches!(&gateway.inbound, Inbound::Jwt(all) if all[0].issuer == Issuer::Dev));
    assert_eq!(gateway.targets[0].outbound, Outbound::Assertion { audience: "finance".into() });
}

#[test]
fn unchecked_audiences_with_clients_are_accepted() {
    let text = in_gateway("inbound: { jwt: { issuer: dev, audiences: unchecked, clients: [cli] } }");
    let Inbound::Jwt(all) = snapshot(&text).gateways[0].inbound.clone() else { panic!("not JWT") };
    assert_eq!((&all[0].audiences, &all[0].clients), (&Audiences::Unchecked, &vec!["cli".to_owned()]));
}

#[test]
fn private_addresses_are_for_the_operator_to_write() {
    for url in [
        "http://10.0.0.1/mcp",
        "http://[fd00::1]:80/",
        "http://127.0.0.1:1/x?y=z",
        "https://legal.internal/mcp",
    ] {
        snapshot(&in_target(&format!("mcp: {{ url: '{url}' }}")));
    }
}

#[test]
fn json_is_yaml() {
    let text = r#"{ "gateways": { "a": { "inbound": "none", "streaming": true, "sessions": {}, "targets": {
        "t": { "mcp": { "url": "http:\/\/127.0.0.1:9\/mcp" } } } } } }"#;
    assert_eq!(snapshot(text).gateways[0].targets[0].name, "t");
}

#[test]
fn aliases_stand_for_what_they_name() {
    let text = in_target(
        "mcp: { url: http://127.0.0.1:9/mcp, era: &era modern }\ncall_timeout: &long 5m\nidle_timeout: *long",
    );
    let target = &snapshot(&text).gateways[0].targets[0];
    assert_eq!((target.call_timeout, target.idle_timeout), (MINUTE * 5, MINUTE * 5));
}

#[test]
fn a_secret_is_never_printed() {
    let text = in_target("mcp: { command: x, env: { A: ${TOKEN} } }");
    let printed = format!("{:?}", snapshot(&text));
    assert!(!printed.contains("s3cr3t"), "{printed}");
    let text = in_target("mcp: { url: https://x.example }\noutbound: { headers: { a: ${TOKEN} } }");
    let printed = format!("{:?}", snapshot(&text));
    assert!(printed.contains("***") && !printed.contains("s3cr3t"), "{printed}");
}

#[test]
fn the_examples_are_sound() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for name in ["minimal.yaml", "portcullis.yaml", "jwt.yaml"] {
        let any = |_: &str| Some("value".to_owned());
        match load(&examples.join(name), &any) {
            Ok(loaded) => assert_eq!(shown(&loaded.warnings), "", "{name}"),
            Err(diagnostics) => panic!("{name}:\n{}", shown(&diagnostics)),
        }
    }
}

#[test]
fn a_reload_may_change_everything_but_what_was_made_at_the_start() {
    let at_start = on_top("public_url: http://localhost:1");
    let needed = |lines: &str| restart_needed(&snapshot(&at_start), &snapshot(&format!("{lines}\n{SOUND}")));
    for (lines, key) in [
        ("public_url: http://localhost:1\nlisten: 127.0.0.1:1", "listen"),
        ("public_url: http://localhost:1\nadmin: { listen: 127.0.0.1:2 }", "admin.listen"),
        ("public_url: http://localhost:2", "public_url"),
        ("public_url: http://localhost:1\ndata_dir: /elsewhere", "data_dir"),
        ("public_url: http://localhost:1\negress: { allow: [idp.internal] }", "egress.allow"),
    ] {
        assert_eq!(needed(lines), [key]);
    }
    for (key, written) in [
        ("in_flight", "7"),
        ("in_flight_per_principal", "7"),
        ("streams", "7"),
        ("streams_per_principal", "7"),
        ("connections", "7"),
        ("read_timeout", "7s"),
        ("drain", "7s"),
    ] {
        let lines = format!("public_url: http://localhost:1\nlimits: {{ {key}: {written} }}");
        assert_eq!(needed(&lines), [format!("limits.{key}")]);
    }
    let free = "public_url: http://localhost:1\nlimits: { request_body: 1MiB, upstream_event: 1MiB, json_depth: 9, \
                batch: 7, sessions: 7, sessions_per_principal: 7, catalogue_items: 7, subscriptions_per_session: 7, \
                subscriptions_per_principal: 7, notifications: 17, notification_bytes: 5KiB, resume_bytes: 5KiB, resume_bytes_per_principal: 6KiB, resume_bytes_total: 2MiB }";
    assert!(needed(free).is_empty());
    let other = in_gateway("instructions: other\nstreaming: false").replace("  a:", "  b:");
    assert!(restart_needed(&snapshot(SOUND), &snapshot(&other)).is_empty());
    let moved = on_top("listen: 127.0.0.1:1\nadmin: { listen: 127.0.0.1:2 }\ndata_dir: /elsewhere");
    let all = ["listen", "admin.listen", "data_dir"];
    assert_eq!(
        restart_needed(&snapshot(SOUND), &snapshot(&moved)),
        all,
        "`public_url` only follows `listen`"
    );
    let named = on_top("listen: 127.0.0.1:1\npublic_url: http://localhost:1");
    assert_eq!(restart_needed(&snapshot(SOUND), &snapshot(&named)), ["listen", "public_url"]);
}

#[test]
fn the_digest_follows_the_text() {
    let digest = |text: &str| read(text).expect("accepted").digest;
    assert_eq!(digest(SOUND).len(), 64);
    assert_eq!(digest(SOUND), digest(SOUND));
    assert_ne!(digest(SOUND), digest(&on_top("# another")));
    assert!(env("TOKEN").is_some());
}
