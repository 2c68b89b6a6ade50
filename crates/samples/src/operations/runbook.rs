//! The runbook tool: work that takes a while and says how far it is.

use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{Call, Done, Failed};

/// How long a runbook takes when nobody says otherwise, in seconds.
const SECONDS_DEFAULT: u64 = 45;
/// The longest, in seconds.
const SECONDS_MAX: u64 = 600;

/// Each runbook's steps.
const RUNBOOKS: [(&str, [&str; 4]); 2] = [
    (
        "restart-checkout",
        ["drain the old instances", "start the new ones", "wait until they are healthy", "move the traffic"],
    ),
    (
        "fail-over-search",
        ["stop the indexer", "promote the replica", "warm its cache", "point the clients to it"],
    ),
];

/// The entry in `tools/list`.
pub(super) fn entry() -> Value {
    json!({
        "name": "run_runbook",
        "title": "Run a runbook",
        "description": "Runs a runbook to its end and reports progress once a second. It can be cancelled at any time.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "runbook": { "enum": RUNBOOKS.map(|(name, _)| name) },
                "seconds": {
                    "type": "integer", "minimum": 1, "maximum": SECONDS_MAX, "default": SECONDS_DEFAULT,
                    "description": "How long it takes",
                },
            },
            "required": ["runbook"],
            "additionalProperties": false,
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "runbook": { "type": "string" },
                "seconds": { "type": "integer" },
                "steps": { "type": "array", "items": { "type": "string" } },
            },
            "required": ["runbook", "seconds", "steps"],
        },
        "annotations": { "readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": false },
    })
}

/// Runs one. Dropped half-way when the client cancels.
pub(super) async fn run(call: Call) -> Result<Done, Failed> {
    let wanted = call.required_text("runbook")?;
    let (name, steps) = RUNBOOKS.iter().find(|(name, _)| *name == wanted).ok_or_else(|| unknown(&wanted))?;
    let seconds = call.whole_number("seconds")?.unwrap_or(SECONDS_DEFAULT);
    if !(1..=SECONDS_MAX).contains(&seconds) {
        return Err(Failed(format!("`seconds` must be between 1 and {SECONDS_MAX}.")));
    }
    call.log(&format!("{name} begins, for {seconds} seconds")).await;
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    let mut last_step = "";
    for second in 0..=seconds {
        // The first tick comes at once.
        every_second.tick().await;
        let step = step_at(steps, second, seconds);
        if step != last_step {
            call.log(&format!("{name}: {step}")).await;
            last_step = step;
        }
        call.progress(second, seconds, step).await;
    }
    let text = format!("{name} has run: {}.", steps.join(", "));
    Ok(Done::text(text).with(json!({ "runbook": name, "seconds": seconds, "steps": steps })))
}

/// The steps take equally long.
fn step_at(steps: &[&'static str; 4], second: u64, seconds: u64) -> &'static str {
    let step = usize::try_from(second * steps.len() as u64 / seconds).unwrap_or(usize::MAX);
    steps[step.min(steps.len() - 1)]
}

fn unknown(name: &str) -> Failed {
    let known = RUNBOOKS.map(|(name, _)| name).join(", ");
    Failed(format!("There is no runbook `{name}`; there are {known}."))
}
