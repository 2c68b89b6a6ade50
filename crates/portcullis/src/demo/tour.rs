//! The steps of the tour: what each asks, and what has to come of it.
//!
//! All are written in 2026-07-28, where a request stands for itself: each can be pasted alone, in any order.

use std::time::Duration;

use serde_json::Value;

use super::client::Reply;
use super::people::Who;

/// One request, and what it shows.
pub struct Step {
    /// What it shows, in one line without quotes or parentheses: shells read it.
    pub title: &'static str,
    /// What to look for in the answer.
    pub look_for: &'static str,
    /// Who asks.
    pub who: Who,
    /// The method.
    pub method: &'static str,
    /// What `Mcp-Name` repeats: the tool's name or the resource's URI, where there is one.
    pub name: Option<&'static str>,
    /// The members of `params` before `_meta`, as JSON text.
    pub params: &'static str,
    /// Whether progress is asked for.
    pub progress: Progress,
    /// What the shell shows of the answer.
    pub shows: Shows,
    /// Whether the answer is what the tour promises; the error says what it is instead.
    pub expect: fn(&Reply) -> Result<(), String>,
}

/// Whether a step asks for progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It does.
    Wanted,
    /// It does not.
    No,
}

/// What the shell shows of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Status and headers.
    Head,
    /// The names of tools.
    Names,
    /// The body.
    Body,
}

/// Progress notifications a runbook of five seconds has to send before its result.
const PROGRESS_MIN: usize = 3;
/// Of the five seconds, those between the first notification and the result at least: fewer, and somebody held them back.
const SPREAD_MIN: Duration = Duration::from_secs(2);

/// The tour.
pub fn steps() -> [Step; 7] {
    [
        nobody(),
        everything_alice_sees(),
        what_bob_sees(),
        bob_approves(),
        alice_approves(),
        runbook(),
        contract(),
    ]
}

/// The names of the tools in an answer to `tools/list`.
pub fn tools(reply: &Reply) -> Vec<&str> {
    let tools = reply.answer()["result"]["tools"].as_array();
    tools.into_iter().flatten().filter_map(|tool| tool["name"].as_str()).collect()
}

/// Alice's list, with tools of all three servers.
pub fn everything_alice_sees() -> Step {
    Step {
        title: "Alice is a manager. She sees the tools of three servers as one list.",
        look_for: "finance___approve_expense is among them",
        who: Who::Alice,
        shows: Shows::Names,
        expect: |reply| {
            has(reply, "legal___review_contract")?;
            has(reply, "operations___run_runbook")?;
            has(reply, "finance___approve_expense")
        },
        ..list()
    }
}

fn nobody() -> Step {
    Step {
        title: "Without a token nobody comes in.",
        look_for: "401, and in www-authenticate where a client finds out how to get a token",
        who: Who::Nobody,
        shows: Shows::Head,
        expect: |reply| match (reply.status, &reply.challenge) {
            (401, Some(challenge)) if challenge.contains("resource_metadata=") => Ok(()),
            (status, challenge) => Err(format!("status {status}, challenge {challenge:?}")),
        },
        ..list()
    }
}

fn what_bob_sees() -> Step {
    Step {
        title: "Bob is not. The finance server lists less for him: it learns from the gateway who asks.",
        look_for: "finance___list_expenses is there, finance___approve_expense is not",
        who: Who::Bob,
        shows: Shows::Names,
        expect: |reply| {
            has(reply, "finance___list_expenses")?;
            match has(reply, "finance___approve_expense") {
                Ok(()) => Err("finance___approve_expense is in the list".to_owned()),
                Err(_) => Ok(()),
            }
        },
        ..list()
    }
}

fn bob_approves() -> Step {
    Step {
        title: "What bob cannot see he cannot call either.",
        look_for: "Unknown tool, as for a tool that does not exist",
        who: Who::Bob,
        expect: |reply| match (&reply.answer()["error"]["code"], reply.answer()["error"]["message"].as_str())
        {
            (code, Some("Unknown tool: finance___approve_expense")) if code == -32602 => Ok(()),
            _ => Err(other(reply)),
        },
        ..approve()
    }
}

fn alice_approves() -> Step {
    Step {
        title: "Alice can. The finance server never sees her token, but one of its own, good for minutes.",
        look_for: "approved by alice",
        who: Who::Alice,
        expect: |reply| match &reply.answer()["result"]["structuredContent"]["approved_by"] {
            who if who == "alice" => Ok(()),
            _ => Err(other(reply)),
        },
        ..approve()
    }
}

fn runbook() -> Step {
    Step {
        title: "A runbook takes five seconds, and tells how far it is while it runs.",
        look_for: "one event a second, then the result",
        who: Who::Alice,
        method: "tools/call",
        name: Some("operations___run_runbook"),
        params: r#""name":"operations___run_runbook","arguments":{"runbook":"restart-checkout","seconds":5},"#,
        progress: Progress::Wanted,
        shows: Shows::Body,
        expect: |reply| {
            let before = &reply.messages[..reply.messages.len().saturating_sub(1)];
            let progress = before.iter().filter(|one| one["method"] == "notifications/progress").count();
            match &reply.answer()["result"]["structuredContent"]["runbook"] {
                name if name != "restart-checkout" || progress < PROGRESS_MIN => {
                    Err(format!("{progress} progress events, then {}", other(reply)))
                }
                _ if reply.spread < SPREAD_MIN => {
                    Err(format!("all events came at once, within {:?}", reply.spread))
                }
                _ => Ok(()),
            }
        },
    }
}

fn contract() -> Step {
    Step {
        title: "A contract of the legal server, which speaks 2025-11-25 only. The gateway translates.",
        look_for: "the text of the agreement",
        who: Who::Bob,
        method: "resources/read",
        name: Some("contract://msa-2026"),
        params: r#""uri":"contract://msa-2026","#,
        progress: Progress::No,
        shows: Shows::Body,
        expect: |reply| match reply.answer()["result"]["contents"][0]["text"].as_str() {
            Some(text) if text.starts_with("MASTER SERVICES AGREEMENT") => Ok(()),
            _ => Err(other(reply)),
        },
    }
}

fn list() -> Step {
    Step {
        title: "",
        look_for: "",
        who: Who::Nobody,
        method: "tools/list",
        name: None,
        params: "",
        progress: Progress::No,
        shows: Shows::Body,
        expect: |_| Ok(()),
    }
}

fn approve() -> Step {
    Step {
        method: "tools/call",
        name: Some("finance___approve_expense"),
        params: r#""name":"finance___approve_expense","arguments":{"expense_id":"E-1001"},"#,
        ..list()
    }
}

fn has(reply: &Reply, tool: &str) -> Result<(), String> {
    let names = tools(reply);
    if names.contains(&tool) { Ok(()) } else { Err(format!("{tool} is not among {}", names.join(", "))) }
}

/// What came instead, cut to what fits a line.
fn other(reply: &Reply) -> String {
    let text: String =
        reply.messages.last().map(Value::to_string).unwrap_or_default().chars().take(300).collect();
    format!("status {}: {text}", reply.status)
}
