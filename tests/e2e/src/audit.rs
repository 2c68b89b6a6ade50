//! The audit events in a log. What they say is asserted field by field: a bare word could come from anywhere.

use serde_json::Value;

/// All of them, in the order of the log.
pub fn events(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|event| event["target"] == "portcullis::audit").collect()
}

/// How the operations of one method ended.
pub fn outcomes(log: &str, method: &str) -> Vec<String> {
    of(log, method, "outcome")
}

/// What became of the questions in the calls of one method.
pub fn reactions(log: &str, method: &str) -> Vec<String> {
    of(log, method, "reaction")
}

fn of(log: &str, method: &str, field: &str) -> Vec<String> {
    let events = events(log).into_iter().filter(|event| event["method"] == method);
    events.filter_map(|event| event[field].as_str().map(str::to_owned)).collect()
}
