//! What is accepted, and said.

use crate::{in_gateway, in_target, on_top, warned};

#[test]
fn what_is_off_and_not_written_is_said_in_one_line() {
    warned(
        "gateways:\n  a:\n    inbound: none\n    targets: { t: { mcp: { url: http://127.0.0.1:9 } } }\n",
        "p.yaml:2:3: warning: gateways.a: streaming is off: clients hear of no progress, no log messages and no changes; \
         those up to 2025-11-25 cannot be asked anything; those of 2024-11-05 cannot connect\n  \
         help: write `streaming: true`, or `streaming: false` to leave it off\n\
         p.yaml:2:3: warning: gateways.a: sessions are off: clients up to 2025-11-25 cannot be asked anything, hear of no \
         changes, and cannot set a log level; servers keep nothing between two calls of a client\n  \
         help: write `sessions: {}`, or `sessions: off` to leave them off",
    );
    warned(&in_gateway("streaming: false\nsessions: off"), "");
}

#[test]
fn a_literal_secret_is_not_shown() {
    let text =
        in_target("mcp: { command: x, env: { API_TOKEN: hunter2hunter2, LEVEL: debug, MAX_TOKENS: 4096 } }");
    warned(
        &text,
        "p.yaml:5:33: warning: gateways.a.targets.t.mcp.env: a secret stands in the file: `API_TOKEN`\n  \
         help: write `${NAME}` and set the environment variable, or `${file:/path}`",
    );
    warned(
        &in_target(
            "mcp: { url: https://x.example }\noutbound: { headers: { Authorization: Bearer abc, X-Team: legal } }",
        ),
        "p.yaml:6:30: warning: gateways.a.targets.t.outbound.headers: a secret stands in the file: `authorization`\n  \
         help: write `${NAME}` and set the environment variable, or `${file:/path}`",
    );
    warned(
        &in_target("mcp: { command: x, args: [--key, sk-abcdefghijklmnop] }"),
        "p.yaml:5:34: warning: gateways.a.targets.t.mcp.args: a secret stands in the arguments, where every user of \
         the machine sees it\n  help: pass it through `env`, as `${NAME}` or `${file:/path}`",
    );
    warned(
        &in_target("mcp: { url: 'https://x.example/mcp?api_key=abcdefgh' }"),
        "p.yaml:5:21: warning: gateways.a.targets.t.mcp.url: a secret in a URL ends up in logs\n  \
         help: use `outbound: { headers: … }` where the server allows it",
    );
    warned(
        &in_target(
            "mcp: { command: x, env: { API_TOKEN: ${TOKEN}, TOKEN_FILE: /run/t, TOKEN_URL: 'https://a/' } }",
        ),
        "",
    );
}

#[test]
fn an_open_door_is_said() {
    warned(
        &on_top("listen: 0.0.0.0:8642\npublic_url: https://mcp.example\nadmin: { listen: 0.0.0.0:8643 }"),
        "p.yaml:3:8: warning: admin: the admin listener asks for no credentials and is not on a loopback address\n  \
         help: listen on 127.0.0.1, or let nobody but operators reach it\n\
         p.yaml:8:14: warning: gateways.a.inbound: anyone who reaches 0.0.0.0:8642 may use every target\n  \
         help: configure `jwt`, or listen on 127.0.0.1",
    );
}

#[test]
fn a_public_url_that_does_not_work_or_is_not_encrypted_is_said() {
    let jwt = in_gateway("inbound: { jwt: { issuer: https://i.example, jwks_uri: https://i.example/k } }");
    warned(
        &format!("listen: 0.0.0.0:8642\n{jwt}"),
        "p.yaml:1:9: warning: listen: clients cannot connect to http://0.0.0.0:8642/\n  \
         help: write `public_url`, the origin clients use",
    );
    warned(
        &format!("public_url: http://mcp.example\n{jwt}"),
        "p.yaml:1:13: warning: public_url: tokens travel unencrypted to an http URL\n  \
         help: put TLS in front and write an https URL",
    );
}

#[test]
fn arguments_behind_the_program_are_said() {
    warned(
        &in_target("mcp: { command: npx -y server }"),
        "p.yaml:5:25: warning: gateways.a.targets.t.mcp.command: contains spaces, and all of it is taken for the name \
         of the program\n  help: put the arguments into `args`",
    );
    warned(&in_target("mcp: { command: npx, args: [-y, server] }"), "");
}

#[test]
fn names_that_can_meet_are_said() {
    let targets = |separator: &str| {
        in_gateway(&format!(
            "separator: {separator}\ntargets: {{ a: {{ mcp: {{ command: x }} }}, a-b: {{ mcp: {{ command: x }} }} }}"
        ))
    };
    warned(
        &targets("'-'"),
        "p.yaml:4:14: warning: gateways.a.targets: tools of `a` and `a-b` may get the same name with separator `-`\n  \
         help: the target written first keeps the name; choose other names or another separator",
    );
    warned(&targets("___"), "");
    warned(
        &in_gateway(
            "targets: { x: { mcp: { url: https://x.example/ }, prefix: none }, y: { mcp: { url: https://x.example }, prefix: none } }",
        ),
        "p.yaml:3:14: warning: gateways.a.targets: `x` and `y` have the same URL and no prefix: every name of the \
         second is hidden\n  help: remove one, or its `prefix: none`",
    );
}

#[test]
fn combinations_that_do_less_than_they_seem_are_said() {
    warned(
        &in_target("mcp: { url: https://x.example }\noutbound: { assertion: { audience: x } }"),
        "p.yaml:6:19: warning: gateways.a.targets.t.outbound: lists are captured without a caller, so the server sees \
         no assertion then\n  help: write `mcp: { listing: dynamic, … }` when lists depend on the caller",
    );
    warned(
        &in_target("mcp: { url: http://x.example }\noutbound: { headers: { a: ${TOKEN} } }"),
        "p.yaml:6:19: warning: gateways.a.targets.t.outbound: the credential travels unencrypted to an http URL\n  \
         help: use https, or make sure that the network is trusted",
    );
    let text = in_gateway("sessions: off\ntargets: { t: { mcp: { command: x, isolation: session } } }");
    warned(
        &text,
        "p.yaml:4:26: warning: gateways.a.targets.t.mcp: `isolation: session` means one child per caller while \
         sessions are off\n  help: write `sessions: {}` for the gateway",
    );
}

#[test]
fn a_share_above_the_whole_is_said() {
    let limits = "limits: { streams: 500, resume_bytes: 4MiB, resume_bytes_total: 2MiB }";
    let of_sessions = "p.yaml:1:9: warning: limits: `resume_bytes` (4194304) is above `resume_bytes_total` (2097152), which is \
                       reached first\n  help: write a lower `resume_bytes`, or a higher `resume_bytes_total`";
    warned(&on_top(limits), of_sessions);
    let jwt = "inbound: { jwt: { issuer: https://idp.example, jwks_uri: https://idp.example/jwks, audiences: [a] } }";
    let known = format!("{limits}\n{}", in_gateway(jwt));
    assert!(!known.contains("inbound: none"), "{known}");
    warned(
        &known,
        &format!(
            "{of_sessions}\n\
             p.yaml:1:9: warning: limits: `streams_per_principal` (1000) is above `streams` (500), which is reached first\n  \
             help: write a lower `streams_per_principal`, or a higher `streams`\n\
             p.yaml:1:9: warning: limits: `resume_bytes_per_principal` (33554432) is above `resume_bytes_total` (2097152), \
             which is reached first\n  help: write a lower `resume_bytes_per_principal`, or a higher `resume_bytes_total`"
        ),
    );
}
