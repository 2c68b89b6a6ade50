//! `gateways.<name>.targets.<name>`: one backend.

use std::time::Duration;

use crate::diagnostic::Problem;
use crate::form::many::{block, list};
use crate::form::scalar::{choice, count, duration};
use crate::form::section::Section;
use crate::model::{Isolation, Listing, Outbound, Prefix, Sessions, Target, Transport};
use crate::section::{Front, outbound, questions, transport};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn read(
    name: &str,
    section: &mut Section<'_>,
    front: &Front,
    sessions: Option<Sessions>,
) -> Option<Target> {
    section.misplaced(&transport::KEYS, "mcp");
    let mcp = section.required(
        "mcp",
        "An MCP server, by URL or as a child process.",
        &block(transport::read),
        "write `mcp: { url: … }` or `mcp: { command: … }`",
    );
    let outbound = section.optional(
        "outbound",
        "The credential shown to the server. The client's own token never goes there.",
        &outbound::form(front),
    );
    let prefix = section.or(
        "prefix",
        "`target`: tools appear as `target___tool`. `none`: they keep their own names.",
        &choice(&[("target", Prefix::Target), ("none", Prefix::None)]),
        Prefix::Target,
    );
    let resource_priority = section.or(
        "resource_priority",
        "Which target answers a resource URI that several list: the lowest number, then the first written.",
        &count(0..=1000),
        1000,
    );
    let sampling = section
        .optional(
            "sampling",
            "Whether the server may have the client's model generate; `{}` allows it within the default bounds, `off` is the \
             default.",
            &questions::sampling(),
        )
        .flatten();
    let roots = section.optional(
        "roots",
        "Roots told to the server, as `file:///…` URIs; without, it is told the client's, and some servers, such as \
         `server-filesystem`, take the client's word for where they may look, whatever their arguments say.",
        &list(questions::root(), questions::ROOTS_MAX),
    );
    let refresh = section.or(
        "refresh",
        "How often lists captured by `listing: default` are captured anew.",
        &duration(SECOND..=DAY * 7),
        SECOND * 300,
    );
    let call_timeout = section.or(
        "call_timeout",
        "Time until a call must have ended, whatever progress it reports.",
        &duration(SECOND..=DAY),
        SECOND * 600,
    );
    let idle_timeout = section.or(
        "idle_timeout",
        "Time a call may go without a byte from the server.",
        &duration(SECOND..=DAY),
        SECOND * 120,
    );
    // `npx` and `uvx` may download the server before they start it.
    let is_child = matches!(mcp, Some((Transport::Stdio(_), _)));
    let connect_timeout = section.or(
        "connect_timeout",
        "Time to connect, to answer a probe, or to start a child; 60s by default where `command` is used.",
        &duration(SECOND / 10..=SECOND * 300),
        if is_child { SECOND * 60 } else { SECOND * 10 },
    );
    let wants_outbound = section.has("outbound");
    let wants_roots = section.has("roots");
    let (transport, listing) = mcp?;
    let outbound = if wants_outbound { outbound? } else { Outbound::None };
    let roots = if wants_roots { roots? } else { Vec::new() };
    check(section, (&transport, listing, &outbound), sessions);
    Some(Target {
        name: name.to_owned(),
        transport,
        listing,
        prefix,
        resource_priority: u16::try_from(resource_priority).ok()?,
        outbound,
        sampling,
        roots,
        refresh,
        call_timeout,
        idle_timeout,
        connect_timeout,
    })
}

/// What only shows when the keys are seen together.
fn check(
    section: &Section<'_>,
    (transport, listing, outbound): (&Transport, Listing, &Outbound),
    sessions: Option<Sessions>,
) {
    match transport {
        Transport::Stdio(child) => {
            if *outbound != Outbound::None {
                let problem = Problem::new("a child process takes no HTTP credentials");
                section.error("outbound", problem.help("pass them through `mcp.env`"));
            }
            if child.isolation == Isolation::Session && sessions.is_none() {
                let problem =
                    Problem::new("`isolation: session` means one child per caller while sessions are off");
                section.warn("mcp", problem.help("write `sessions: {}` for the gateway"));
            }
        }
        Transport::Http { url, .. } => {
            let in_clear = url.scheme() == "http" && !crate::address::is_loopback(url);
            if in_clear && *outbound != Outbound::None {
                let problem = Problem::new("the credential travels unencrypted to an http URL");
                section.warn("outbound", problem.help("use https, or make sure that the network is trusted"));
            }
        }
    }
    if matches!(outbound, Outbound::Assertion { .. }) && listing == Listing::Default {
        let problem =
            Problem::new("lists are captured without a caller, so the server sees no assertion then");
        section.warn(
            "outbound",
            problem.help("write `mcp: { listing: dynamic, … }` when lists depend on the caller"),
        );
    }
}
