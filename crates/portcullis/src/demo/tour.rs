//! The steps of the tour: what each asks, and what has to come of it.
//!
//! Most are written in 2026-07-28, where a request stands for itself: each can be pasted alone, in any order. Those of a
//! client of 2025-11-25 need the session that one of them opens.

mod questions;

use std::time::Duration;

use super::client::Reply;
use super::message::{Message, Meta};
use super::people::Who;
use super::step::{Act, Exchange, Shows, Step};

/// Progress notifications a runbook of five seconds has to send before its result.
const PROGRESS_MIN: usize = 3;
/// Of the five seconds, those between the first notification and the result at least: fewer, and somebody held them back.
const SPREAD_MIN: Duration = Duration::from_secs(2);

/// The tour.
pub fn steps() -> Vec<Step> {
    let mut steps = vec![
        nobody(),
        everything_alice_sees(),
        what_bob_sees(),
        bob_approves(),
        alice_approves(),
        runbook(),
        contract(),
    ];
    steps.extend(questions::steps());
    steps
}

/// The names of the tools in an answer to `tools/list`.
pub fn tools(reply: &Reply) -> Vec<&str> {
    let tools = reply.answer()["result"]["tools"].as_array();
    tools.into_iter().flatten().filter_map(|tool| tool["name"].as_str()).collect()
}

/// The request for a list.
pub fn list(who: Who) -> Message {
    Message::modern(who, "tools/list", "", Meta::PLAIN)
}

fn everything_alice_sees() -> Step {
    Step::one(
        "Alice is a manager. She sees the tools of three servers as one list.",
        Exchange {
            look_for: "finance___approve_expense is among them",
            act: Act::Post(list(Who::Alice)),
            shows: Shows::Names,
            keeps: &[],
            expect: |reply| {
                has(reply, "legal___review_contract")?;
                has(reply, "operations___run_runbook")?;
                has(reply, "finance___approve_expense")
            },
        },
    )
}

fn nobody() -> Step {
    Step::one(
        "Without a token nobody comes in.",
        Exchange {
            look_for: "401, and in www-authenticate where a client finds out how to get a token",
            act: Act::Post(list(Who::Nobody)),
            shows: Shows::Head,
            keeps: &[],
            expect: |reply| match (reply.status, &reply.challenge) {
                (401, Some(challenge)) if challenge.contains("resource_metadata=") => Ok(()),
                (status, challenge) => Err(format!("status {status}, challenge {challenge:?}")),
            },
        },
    )
}

fn what_bob_sees() -> Step {
    Step::one(
        "Bob is not. The finance server lists less for him: it learns from the gateway who asks.",
        Exchange {
            look_for: "finance___list_expenses is there, finance___approve_expense is not",
            act: Act::Post(list(Who::Bob)),
            shows: Shows::Names,
            keeps: &[],
            expect: |reply| {
                has(reply, "finance___list_expenses")?;
                match has(reply, "finance___approve_expense") {
                    Ok(()) => Err("finance___approve_expense is in the list".to_owned()),
                    Err(_) => Ok(()),
                }
            },
        },
    )
}

fn bob_approves() -> Step {
    Step::one(
        "What bob cannot see he cannot call either.",
        Exchange {
            look_for: "Unknown tool, as for a tool that does not exist",
            expect: |reply| {
                let error = &reply.answer()["error"];
                match error["message"].as_str() {
                    Some("Unknown tool: finance___approve_expense") if error["code"] == -32602 => Ok(()),
                    _ => Err(reply.summary()),
                }
            },
            ..approve(Who::Bob)
        },
    )
}

fn alice_approves() -> Step {
    Step::one(
        "Alice can. The finance server never sees her token, but one of its own, good for minutes.",
        Exchange {
            look_for: "approved by alice",
            expect: |reply| match &reply.answer()["result"]["structuredContent"]["approved_by"] {
                who if who == "alice" => Ok(()),
                _ => Err(reply.summary()),
            },
            ..approve(Who::Alice)
        },
    )
}

fn runbook() -> Step {
    let tool = "operations___run_runbook";
    let params =
        r#""name":"operations___run_runbook","arguments":{"runbook":"restart-checkout","seconds":5},"#;
    Step::one(
        "A runbook takes five seconds, and tells how far it is while it runs.",
        Exchange {
            look_for: "one event a second, then the result",
            act: Act::Post(Message::modern(Who::Alice, "tools/call", params, Meta::PROGRESS).about(tool)),
            shows: Shows::Body,
            keeps: &[],
            expect: |reply| {
                let before = &reply.messages[..reply.messages.len().saturating_sub(1)];
                let progress = before.iter().filter(|one| one["method"] == "notifications/progress").count();
                match &reply.answer()["result"]["structuredContent"]["runbook"] {
                    name if name != "restart-checkout" || progress < PROGRESS_MIN => {
                        Err(format!("{progress} progress events, then {}", reply.summary()))
                    }
                    _ if reply.spread < SPREAD_MIN => {
                        Err(format!("all events came at once, within {:?}", reply.spread))
                    }
                    _ => Ok(()),
                }
            },
        },
    )
}

fn contract() -> Step {
    let (uri, params) = ("contract://msa-2026", r#""uri":"contract://msa-2026","#);
    Step::one(
        "A contract of the legal server, which speaks 2025-11-25 only. The gateway translates.",
        Exchange {
            look_for: "the text of the agreement",
            act: Act::Post(Message::modern(Who::Bob, "resources/read", params, Meta::PLAIN).about(uri)),
            shows: Shows::Body,
            keeps: &[],
            expect: |reply| match reply.answer()["result"]["contents"][0]["text"].as_str() {
                Some(text) if text.starts_with("MASTER SERVICES AGREEMENT") => Ok(()),
                _ => Err(reply.summary()),
            },
        },
    )
}

fn approve(who: Who) -> Exchange {
    let tool = "finance___approve_expense";
    let params = r#""name":"finance___approve_expense","arguments":{"expense_id":"E-1001"},"#;
    Exchange {
        look_for: "",
        act: Act::Post(Message::modern(who, "tools/call", params, Meta::PLAIN).about(tool)),
        shows: Shows::Body,
        keeps: &[],
        expect: |_| Ok(()),
    }
}

fn has(reply: &Reply, tool: &str) -> Result<(), String> {
    let names = tools(reply);
    if names.contains(&tool) { Ok(()) } else { Err(format!("{tool} is not among {}", names.join(", "))) }
}
