//! `gateways.<name>`: one virtual MCP server.

use std::time::Duration;

use mcp::Version;

use crate::address::{host_name, origin};
use crate::diagnostic::{Problem, quoted};
use crate::form::many::{list, named};
use crate::form::scalar::{Scalar, choice, count, duration, plain_text, text};
use crate::form::section::Section;
use crate::interpolate::Resolved;
use crate::model::{FormSecrets, Gateway, Inbound, Prefix, Rule, Streaming, Target, Transport};
use crate::section::{Front, inbound, sessions, target};

const INSTRUCTIONS_BYTES_MAX: usize = 64 * 1024;
/// Allowed origins or hosts.
const NAMES_MAX: usize = 200;

const FORM_SECRETS: [(&str, FormSecrets); 3] = [
    ("refuse", FormSecrets::Refuse),
    ("refuse_in_text", FormSecrets::RefuseInText),
    ("allow", FormSecrets::Allow),
];
const RULES: [(&str, Rule); 2] = [("refuse", Rule::Refuse), ("allow", Rule::Allow)];

const VERSIONS: [(&str, Version); 5] = [
    (Version::V2024_11_05.as_str(), Version::V2024_11_05),
    (Version::V2025_03_26.as_str(), Version::V2025_03_26),
    (Version::V2025_06_18.as_str(), Version::V2025_06_18),
    (Version::V2025_11_25.as_str(), Version::V2025_11_25),
    (Version::V2026_07_28.as_str(), Version::V2026_07_28),
];

pub(crate) fn read(name: &str, section: &mut Section<'_>, front: &Front) -> Option<Gateway> {
    section.later("policy");
    let instructions = section.optional(
        "instructions",
        "What this gateway is for; given to clients when they connect.",
        &plain_text(INSTRUCTIONS_BYTES_MAX),
    );
    let streaming = section.or(
        "streaming",
        "Whether answers may be event streams. Without: no progress, no log messages, no questions to clients with sessions, \
         no 2024-11-05 clients.",
        &choice(&[
            ("true", Streaming::On),
            ("false", Streaming::Off),
            ("on", Streaming::On),
            ("off", Streaming::Off),
        ]),
        Streaming::Off,
    );
    let sessions = section
        .optional(
            "sessions",
            "Sessions for clients up to 2025-11-25; `{}` is one hour, `off` is none.",
            &sessions::form(),
        )
        .flatten();
    let versions = section.optional(
        "versions",
        "Protocol revisions offered to clients; all by default.",
        &list(choice(&VERSIONS), VERSIONS.len()),
    );
    let inbound = section.required("inbound", "Who may come in.", &inbound::form(front), inbound::HELP);
    let separator = section.or("separator", "Between target and tool name.", &separator(), "___".to_owned());
    let page_size = section.or("page_size", "Items on one page of a list.", &count(1..=1000), 200);
    let list_budget = section.or(
        "list_budget",
        "How long a list waits for slow targets before it answers with what it has.",
        &duration(Duration::from_millis(50)..=Duration::from_secs(60)),
        Duration::from_secs(2),
    );
    let allowed_origins = section.optional(
        "allowed_origins",
        "Origins from which a browser may call, besides the gateway's own.",
        &list(origin(), NAMES_MAX),
    );
    let allowed_hosts = section.optional(
        "allowed_hosts",
        "Host names accepted in `Host`, besides that of `public_url` and loopback addresses; with a port, only that port.",
        &list(host_name(), NAMES_MAX),
    );
    let form_secrets = section.or(
        "form_secrets",
        "Whether a server may ask for passwords, keys or tokens in a form; it should send the person to a page instead. \
         `refuse` looks at the form's fields, `refuse_in_text` also at the message above one that takes text.",
        &choice(&FORM_SECRETS),
        FormSecrets::Refuse,
    );
    let private_urls = section.or(
        "private_urls",
        "Whether a server may send a person to a loopback or private address.",
        &choice(&RULES),
        Rule::Refuse,
    );
    let targets = section.required(
        "targets",
        "The backends, by name.",
        &named(crate::name::targets(), |name, section| target::read(name, section, front, sessions)),
        "write at least one target",
    );

    let versions = order(section, versions);
    warn_about_absent(section);
    let problem = inbound.as_ref().and_then(inbound::contradiction);
    if let Some(problem) = problem {
        section.error("inbound", problem);
    }
    if inbound == Some(Inbound::None) && !front.listen.ip().is_loopback() {
        let problem = Problem::new(format!("anyone who reaches {} may use every target", front.listen));
        section.warn("inbound", problem.help("configure `jwt`, or listen on 127.0.0.1"));
    }
    let targets = targets?;
    check_targets(section, &targets, &separator);
    Some(Gateway {
        name: name.to_owned(),
        instructions,
        streaming,
        sessions,
        versions,
        inbound: inbound?,
        separator,
        page_size,
        list_budget,
        allowed_origins: allowed_origins.unwrap_or_default(),
        allowed_hosts: allowed_hosts.unwrap_or_default(),
        form_secrets,
        private_urls,
        targets,
    })
}

/// Oldest first; each at most once, at least one.
fn order(section: &Section<'_>, versions: Option<Vec<Version>>) -> Vec<Version> {
    let Some(written) = versions else { return Version::ALL.to_vec() };
    if written.is_empty() {
        section.error(
            "versions",
            Problem::new("must not be empty").help("remove the key to offer every revision"),
        );
    }
    Version::ALL.into_iter().filter(|version| written.contains(version)).collect()
}

/// One line each about what does not work without the two capabilities that are opt-in.
fn warn_about_absent(section: &Section<'_>) {
    if !section.has("streaming") && !section.has_like("streaming") {
        let problem = Problem::new(
            "streaming is off: clients hear of no progress, no log messages and no changes; those up to 2025-11-25 cannot be \
             asked anything; those of 2024-11-05 cannot connect",
        );
        section.warn(
            "streaming",
            problem.help("write `streaming: true`, or `streaming: false` to leave it off"),
        );
    }
    if !section.has("sessions") && !section.has_like("sessions") {
        let problem = Problem::new(
            "sessions are off: clients up to 2025-11-25 cannot be asked anything, hear of no changes, and cannot set a log \
             level; servers keep nothing between two calls of a client",
        );
        section.warn("sessions", problem.help("write `sessions: {}`, or `sessions: off` to leave them off"));
    }
}

/// Names that could meet in the catalogue.
fn check_targets(section: &Section<'_>, targets: &[Target], separator: &str) {
    if targets.is_empty() {
        section.error("targets", Problem::new("must not be empty").help("write at least one target"));
    }
    for (index, target) in targets.iter().enumerate() {
        for earlier in &targets[..index] {
            if let Some(problem) = overlap(earlier, target, separator) {
                section.warn("targets", problem);
            }
        }
    }
}

fn overlap(a: &Target, b: &Target, separator: &str) -> Option<Problem> {
    let names = format!("{} and {}", quoted(&a.name), quoted(&b.name));
    match (a.prefix, b.prefix) {
        (Prefix::None, Prefix::None) => {
            let (Transport::Http { url: left, .. }, Transport::Http { url: right, .. }) =
                (&a.transport, &b.transport)
            else {
                return None;
            };
            (left == right).then(|| {
                Problem::new(format!(
                    "{names} have the same URL and no prefix: every name of the second is hidden"
                ))
                .help("remove one, or its `prefix: none`")
            })
        }
        (Prefix::Target, Prefix::Target) => {
            let (left, right) = (format!("{}{separator}", a.name), format!("{}{separator}", b.name));
            (left.starts_with(&right) || right.starts_with(&left)).then(|| {
                Problem::new(format!(
                    "tools of {names} may get the same name with separator {}",
                    quoted(separator)
                ))
                .help("the target written first keeps the name; choose other names or another separator")
            })
        }
        _ => None,
    }
}

fn separator() -> Scalar<String> {
    text("a text", |from: &Resolved| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if matches!(from.value.len(), 1..=8) && from.value.bytes().all(fits) {
            return Ok(from.value.clone());
        }
        Err(Problem::new(format!(
            "must be 1 to 8 letters, digits, underscores or hyphens, is {}",
            from.shown()
        )))
    })
}
