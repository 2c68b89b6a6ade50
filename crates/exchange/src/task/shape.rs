//! How the two generations write a task, and each in the words of the other.
//!
//! Pure. Values stay as the server wrote them; only the members' names differ.

use std::time::Duration;

use mcp::{Edit, Object, Outcome, Payload, Raw, Response, meta};

use crate::bridge::{self, Unfit};

/// A way to speak of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// MCP 2025-11-25, where the client asks for a task.
    Core,
    /// The extension for 2026-07-28, where the server decides.
    Extension,
}

/// The members of a task that both generations have, by both names: here, then in 2026-07-28.
const MEMBERS: [(&str, &str); 6] = [
    ("status", "status"),
    ("statusMessage", "statusMessage"),
    ("createdAt", "createdAt"),
    ("lastUpdatedAt", "lastUpdatedAt"),
    ("ttl", "ttlMs"),
    ("pollInterval", "pollIntervalMs"),
];

/// Between two questions how a task is, whatever its server says.
pub(super) const POLL_MIN: Duration = Duration::from_millis(100);
const POLL_MAX: Duration = Duration::from_secs(10);
/// Where its server says nothing.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// Whether nothing comes after this status.
#[must_use]
pub fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "cancelled")
}

/// How long its server wants a task to be left alone, in its words, within bounds.
#[must_use]
pub fn interval(task: &Object, words: Generation) -> Duration {
    let key = match words {
        Generation::Core => "pollInterval",
        Generation::Extension => "pollIntervalMs",
    };
    let said = task.get(key).and_then(|interval| interval.to_u64()).map(Duration::from_millis);
    said.unwrap_or(POLL).clamp(POLL_MIN, POLL_MAX)
}

/// The task that a result of `tools/call` speaks of, and in which words; `None`: it is no such result.
pub(crate) fn created(result: &Object) -> Option<(Generation, Object)> {
    if result.text_of("resultType").as_deref() == Some("task") {
        return result.has("taskId").then(|| (Generation::Extension, result.clone()));
    }
    let task = result.object("task").filter(|task| task.text_of("taskId").is_some())?;
    Some((Generation::Core, task))
}

/// A task of the extension, as 2025-11-25 writes it.
#[must_use]
pub fn to_core(task: &Object, id: &str) -> Raw {
    let mut members = vec![("taskId", Raw::string(id))];
    members.extend(MEMBERS.iter().filter_map(|(core, extension)| Some((*core, task.get(extension)?))));
    with_ttl(members, "ttl")
}

/// A task of 2025-11-25, as the extension writes it; `resultType` is the result's.
pub(crate) fn to_extension(task: &Object, id: &str, result_type: &str) -> Raw {
    extension(task, id, result_type, &[])
}

/// A finished task of 2025-11-25 with what came of it, as the extension writes it. Whether it failed is for the response to
/// say: a tool that reports a failure of its own has answered.
///
/// # Errors
/// What came of it must not reach the client.
pub fn inlined(task: &Object, id: &str, response: Option<&Response>) -> Result<Raw, Unfit> {
    let Some(response) = response else { return Ok(extension(task, id, "complete", &[])) };
    let came = bridge::ended(&response.outcome)?;
    let (status, member) = match response.outcome {
        Outcome::Result(_) => ("completed", ("result", complete(&came))),
        Outcome::Error(_) => ("failed", ("error", came)),
    };
    Ok(extension(task, id, "complete", &[("status", Raw::string(status)), member]))
}

/// The answer to what a task of the extension is told.
#[must_use]
pub fn acknowledged() -> Raw {
    object([("resultType", Raw::string("complete"))])
}

fn extension(task: &Object, id: &str, result_type: &str, more: &[(&'static str, Raw)]) -> Raw {
    let mut members = vec![("resultType", Raw::string(result_type)), ("taskId", Raw::string(id))];
    let own = MEMBERS.iter().filter(|(_, extension)| !more.iter().any(|(name, _)| name == extension));
    members.extend(own.filter_map(|(core, extension)| Some((*extension, task.get(core)?))));
    members.extend(more.iter().cloned());
    with_ttl(members, "ttlMs")
}

/// The result of a call within a task: it is related to no task of the old kind.
fn complete(result: &Raw) -> Raw {
    let Some(object) = Object::of(result) else { return result.clone() };
    let mut edit = Edit::of(&object).set("resultType", Raw::string("complete"));
    if let Some(own) = object.meta() {
        let forged = |key: &str| key == meta::RELATED_TASK || key.starts_with("dev.portcullis/");
        edit = edit.set("_meta", Edit::of(own).remove_where(forged).finish());
    }
    edit.finish().into_raw()
}

/// Both generations demand it; null is a task that is kept without end.
fn with_ttl(mut members: Vec<(&'static str, Raw)>, name: &'static str) -> Raw {
    if !members.iter().any(|(member, _)| *member == name) {
        members.push((name, Raw::value(&serde_json::Value::Null)));
    }
    object(members)
}

/// An object with these members; keys need no escaping.
pub(crate) fn object(members: impl IntoIterator<Item = (&'static str, Raw)>) -> Raw {
    let mut whole = Payload::default();
    whole.push(&b"{"[..]);
    for (index, (key, value)) in members.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        whole.push(format!("{comma}\"{key}\":"));
        whole.push(value);
    }
    whole.push(&b"}"[..]);
    whole.into_raw()
}
