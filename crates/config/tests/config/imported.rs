//! Client configurations turned into ours.

use portcullis_config::{
    Era, ImportError, Imported, Inbound, Issuer, Outbound, Streaming, Transport, import, parse,
};

use crate::shown;

/// Imports `json`, asserts that the result loads without a warning, and that none of `secrets` is in it.
#[track_caller]
fn imported(json: &str, secrets: &[&str]) -> Imported {
    imported_with_warnings(json, secrets, "")
}

#[track_caller]
fn imported_with_warnings(json: &str, secrets: &[&str], warnings: &str) -> Imported {
    let imported = import(json).expect("imported");
    for secret in secrets {
        assert!(!imported.yaml.contains(secret), "{secret} in:\n{}", imported.yaml);
        assert!(!imported.notes.concat().contains(secret));
    }
    match parse(&imported.yaml, "p.yaml", &|_| Some("value".to_owned())) {
        Ok(loaded) => assert_eq!(shown(&loaded.warnings), warnings, "\n{}", imported.yaml),
        Err(diagnostics) => panic!("{}\n{}", shown(&diagnostics), imported.yaml),
    }
    imported
}

#[test]
fn a_claude_configuration_becomes_a_gateway() {
    let json = r#"{
      "mcpServers": {
        "GitHub": {
          "command": "npx",
          "args": ["-y", "@modelcontextprotocol/server-github", "--port", 8080],
          "env": { "GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_abcdefghijklmnop", "LOG_LEVEL": "debug" }
        },
        "linear": { "type": "sse", "url": "https://mcp.linear.app/sse" },
        "search": { "type": "http", "url": "https://s.example/mcp", "headers": { "Authorization": "Bearer abc123", "X-Team": "a" } }
      }
    }"#;
    let imported = imported(json, &["ghp_abcdefghijklmnop", "abc123"]);
    assert_eq!(
        imported.yaml,
        r#"# Written by `portcullis import`. Check it with `portcullis check`.
#
# Set these environment variables before you start; their values are not repeated here:
#   GITHUB_PERSONAL_ACCESS_TOKEN: env `GITHUB_PERSONAL_ACCESS_TOKEN` of `github`
#   SEARCH_TOKEN: header `authorization` of `search`
#
# Notes:
#   `GitHub` became `github`

gateways:
  main:
    streaming: true
    sessions: {}
    inbound: { jwt: { issuer: dev } } # `portcullis token` prints a token
    targets:
      github:
        mcp:
          command: npx
          args:
            - "-y"
            - "@modelcontextprotocol/server-github"
            - "--port"
            - "8080"
          env:
            GITHUB_PERSONAL_ACCESS_TOKEN: "${GITHUB_PERSONAL_ACCESS_TOKEN}"
            LOG_LEVEL: debug
      linear:
        mcp:
          url: "https://mcp.linear.app/sse"
          era: legacy
      search:
        mcp:
          url: "https://s.example/mcp"
        outbound:
          headers:
            authorization: "Bearer ${SEARCH_TOKEN}"
            x-team: a
"#
    );
    assert_eq!(imported.variables, ["GITHUB_PERSONAL_ACCESS_TOKEN", "SEARCH_TOKEN"]);
    let snapshot = parse(&imported.yaml, "p.yaml", &|_| Some("value".to_owned())).expect("loads").snapshot;
    let gateway = &snapshot.gateways[0];
    assert_eq!(gateway.streaming, Streaming::On);
    assert!(matches!(&gateway.inbound, Inbound::Jwt(all) if all[0].issuer == Issuer::Dev));
    assert!(matches!(gateway.targets[1].transport, Transport::Http { era: Era::Legacy, .. }));
    assert!(matches!(&gateway.targets[2].outbound, Outbound::Headers(headers) if headers.len() == 2));
}

#[test]
fn a_vs_code_configuration_keeps_its_placeholders_and_loses_its_comments() {
    let json = r#"{
      // Servers of this workspace
      "inputs": [{ "id": "perplexity-key", "type": "promptString", "password": true },],
      "servers": {
        "perplexity": {
          "type": "stdio",
          "command": "npx",
          "args": ["-y", "server-perplexity-ask", "--root=${workspaceFolder}/docs", "// not a comment"],
          "env": {
            "PERPLEXITY_API_KEY": "${input:perplexity-key}", /* asked for */
            "HOME_DIR": "${userHome}${/}x",
            "OTHER": "${env:OTHER_VAR}",
            "LITERAL": "a ${ b",
          },
        },
      }
    }"#;
    let imported = imported(json, &[]);
    assert_eq!(imported.variables, ["WORKSPACE_FOLDER", "HOME", "OTHER_VAR", "PERPLEXITY_KEY"]);
    for line in [
        "            PERPLEXITY_API_KEY: \"${PERPLEXITY_KEY}\"\n",
        "            HOME_DIR: \"${HOME}/x\"\n",
        "            OTHER: \"${OTHER_VAR}\"\n",
        "            LITERAL: \"a $${ b\"\n",
        "            - \"--root=${WORKSPACE_FOLDER}/docs\"\n",
        "            - \"// not a comment\"\n",
    ] {
        assert!(imported.yaml.contains(line), "{line} not in\n{}", imported.yaml);
    }
}

#[test]
fn a_file_server_keeps_to_its_directories() {
    let json = r#"{ "mcpServers": {
      "files": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/srv/50% of #1", "/tmp"] },
      "other": { "command": "npx", "args": ["-y", "server-memory", "/tmp"] },
      "here": { "command": "mcp-server-filesystem", "args": [".", "/tmp"] }
    } }"#;
    let imported = imported(json, &[]);
    let snapshot = parse(&imported.yaml, "p.yaml", &|_| None).expect("loads").snapshot;
    let roots: Vec<_> = snapshot.gateways[0].targets.iter().map(|target| target.roots.clone()).collect();
    assert_eq!(
        roots,
        [vec!["file:///srv/50%25%20of%20%231", "file:///tmp"], vec![], vec!["file:///tmp"]],
        "{}",
        imported.yaml
    );
    assert!(imported.yaml.contains("        roots: # without them"), "{}", imported.yaml);
    let note =
        "`here`: no absolute path, so name it in `roots`, or clients say where the server may look: `.`";
    assert_eq!(imported.notes, [note]);
}

#[test]
fn the_roots_of_a_file_server_follow_its_variables() {
    let json = r#"{ "servers": { "files": { "command": "npx", "args": ["@modelcontextprotocol/server-filesystem", "${workspaceFolder}/docs"] } } }"#;
    let imported = import(json).expect("imported");
    let snapshot =
        parse(&imported.yaml, "p.yaml", &|_| Some("/home/ann".to_owned())).expect("loads").snapshot;
    assert_eq!(snapshot.gateways[0].targets[0].roots, ["file:///home/ann/docs"]);
}

#[test]
fn settings_of_vs_code_are_understood() {
    let imported =
        imported(r#"{ "editor.tabSize": 2, "mcp": { "servers": { "a": { "command": "x" } } } }"#, &[]);
    assert!(imported.yaml.contains("      a:\n        mcp:\n          command: x\n"));
}

#[test]
fn secrets_in_arguments_and_urls_become_references() {
    let json = r#"{ "mcpServers": {
      "one": { "command": "srv", "args": [
        "--api-key", "s3cr3t-1", "--token=s3cr3t-2", "-e", "SLACK_TOKEN=xoxb-s3cr3t-3", "--header", "X-Api-Key: s3cr3t-4",
        "postgres://me:s3cr3t-5@db.example/x", "sk-s3cr3t-s3cr3t-6", "--level", "info", "localhost:8080", "--api-key", "${API_KEY}",
        "--header", "Authorization:Bearer s3cr3t-7", "https://x.example/?key=s3cr3t-8&a=b"
      ] },
      "two": { "url": "https://exa.example/mcp?exaApiKey=s3cr3t-9&tools=a" },
      "three": { "url": "https://me:s3cr3t-10@x.example/mcp" }
    } }"#;
    let warning = "p.yaml:48:16: warning: gateways.main.targets.two.mcp.url: a secret in a URL ends up in logs\n  \
                   help: use `outbound: { headers: … }` where the server allows it\n";
    let imported = imported_with_warnings(json, &["s3cr3t"], warning);
    for line in [
        "- \"--api-key\"\n            - \"${ONE_API_KEY}\"\n",
        "- \"--token=${ONE_TOKEN}\"\n",
        "- \"SLACK_TOKEN=${ONE_SLACK_TOKEN}\"\n",
        "- \"X-Api-Key: ${ONE_X_API_KEY}\"\n",
        "- \"${ONE_SECRET}\"\n            - \"${ONE_SECRET_2}\"\n",
        "- \"Authorization:Bearer ${ONE_TOKEN_2}\"\n",
        "- \"localhost:8080\"\n",
        "- \"${API_KEY}\"\n",
        "- \"https://x.example/?key=${ONE_KEY}&a=b\"\n",
        "url: \"https://exa.example/mcp?exaApiKey=${TWO_EXA_API_KEY}&tools=a\"\n",
        "authorization: \"${THREE_AUTHORIZATION}\"\n",
    ] {
        assert!(imported.yaml.contains(line), "{line} not in\n{}", imported.yaml);
    }
}

#[test]
fn the_same_secret_is_one_variable_and_another_gets_another_name() {
    let json = r#"{ "mcpServers": {
      "a": { "command": "x", "env": { "API_KEY": "first-secret" } },
      "b": { "command": "x", "env": { "API_KEY": "first-secret" } },
      "c": { "command": "x", "env": { "API_KEY": "other-secret" } }
    } }"#;
    let imported = imported(json, &["first-secret", "other-secret"]);
    assert_eq!(imported.variables, ["API_KEY", "C_API_KEY"]);
}

#[test]
fn names_are_made_valid_and_stay_apart() {
    let json = r#"{ "mcpServers": {
      "My Server!": { "command": "x" }, "my-server": { "command": "x" }, "MY_SERVER": { "command": "x" },
      "日本": { "command": "x" }, "a-very-long-name-that-goes-on-and-on-and-on": { "command": "x" }
    } }"#;
    let imported = imported(json, &[]);
    let snapshot = parse(&imported.yaml, "p.yaml", &|_| None).expect("loads").snapshot;
    let names: Vec<_> = snapshot.gateways[0].targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(
        names,
        ["my-server", "my-server-2", "my-server-3", "server", "a-very-long-name-that-goes-on-an"]
    );
}

#[test]
fn what_cannot_be_taken_over_is_said() {
    let json = r##"{ "mcpServers": {
      "ok": { "command": "x", "alwaysAllow": ["a"], "envFile": ".env", "env": { "not-a-name": "v" } },
      "off": { "command": "x", "disabled": true },
      "socket": { "type": "ws", "url": "wss://x.example" },
      "none": {},
      "list": [],
      "web": { "url": "https://x.example", "headers": { "Content-Type": "application/json" } },
      "evil\n    inbound: none #": { "disabled": true }
    } }"##;
    let imported = imported(json, &[]);
    assert_eq!(
        imported.notes,
        [
            "`ok`: variable `not-a-name` is left out",
            "`ok`: `envFile` is not read; write its variables under `env`",
            "`ok`: ignored `alwaysAllow`",
            "`off` is left out: it is disabled",
            "`socket` is left out: WebSocket is not supported",
            "`none` is left out: it has neither `command` nor `url`",
            "`list` is left out: it is not a map",
            "`web`: header `Content-Type` is left out",
            "`evil\u{fffd}    inbound: none #` became `evil-inbound-none`",
            "`evil-inbound-none` is left out: it is disabled",
        ]
    );
}

#[test]
fn every_text_reads_as_itself() {
    let texts = [
        "true",
        "12",
        "1.5",
        "null",
        "~",
        "",
        " ",
        "- a",
        "a: b",
        "#x",
        "\"q\"",
        "tab\there",
        "line\nbreak",
        "é",
        "\u{7f}",
        "no",
    ];
    let args = serde_json::json!({ "mcpServers": { "a": { "command": "x", "args": texts } } });
    let imported = imported(&args.to_string(), &[]);
    let snapshot = parse(&imported.yaml, "p.yaml", &|_| None).expect("loads").snapshot;
    let Transport::Stdio(child) = &snapshot.gateways[0].targets[0].transport else { panic!("no child") };
    assert_eq!(child.args, texts);
}

#[test]
fn other_texts_are_refused_without_showing_them() {
    assert_eq!(import("{ \"mcpServers\": {"), Err(ImportError::NotJson { line: 1, column: 17 }));
    assert_eq!(import("{}"), Err(ImportError::NoServers));
    assert_eq!(import("{\"mcpServers\": {}}"), Err(ImportError::NoServers));
    let error = import("{\"mcpServers\": \"sk-secret\"}").expect_err("refused");
    assert!(matches!(error, ImportError::Shape { line: 1, .. }) && !error.to_string().contains("sk-secret"));
    assert_eq!(import(&" ".repeat((16 << 20) + 1)), Err(ImportError::TooLarge));
}
