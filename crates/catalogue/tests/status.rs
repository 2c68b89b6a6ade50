//! What clients are told about missing targets.

use mcp::{Object, Raw};
use portcullis_catalogue::TargetStatus;
use portcullis_catalogue::status::{State, Trouble, meta, read_result};

fn status(target: &str, state: State, trouble: Option<Trouble>, since: u64) -> TargetStatus {
    TargetStatus { target: target.into(), state, trouble, since }
}

#[test]
fn nothing_is_said_while_all_is_well() {
    assert_eq!(meta(&[]), None);
    assert_eq!(meta(&[status("legal", State::Fresh, None, 0)]), None);
}

#[test]
fn the_missing_are_named_with_reason_and_time() {
    let statuses = [
        status("legal", State::Fresh, None, 1),
        status("finance", State::Stale, Some(Trouble::TooSlow), 1_790_000_000),
        status("files", State::Missing, Some(Trouble::Unreachable), 951_782_399),
    ];
    assert_eq!(
        meta(&statuses).unwrap().to_value(),
        serde_json::json!({ "targets": [
            {
                "target": "finance", "state": "stale", "since": "2026-09-21T14:13:20Z",
                "reason": "The server `finance` did not answer in time; list again later. Its last known lists are shown."
            },
            {
                "target": "files", "state": "missing", "since": "2000-02-28T23:59:59Z",
                "reason": "The server `files` cannot be reached; ask the operator of the server. Nothing of it is shown."
            },
        ]})
    );
}

#[test]
fn the_resource_holds_all_targets() {
    let result = read_result(&[status("legal", State::Fresh, None, 951_868_800)]);
    let contents = mcp::object::elements(&Object::of(&result).unwrap().get("contents").unwrap());
    let content = Object::of(&contents[0]).unwrap();
    assert_eq!(content.string("uri").unwrap(), "portcullis://status");
    assert_eq!(content.string("mimeType").unwrap(), "application/json");
    let text = Raw::parse(&content.string("text").unwrap()).unwrap();
    assert_eq!(
        text.to_value(),
        serde_json::json!({ "targets": [
            { "target": "legal", "state": "fresh", "since": "2000-03-01T00:00:00Z" },
        ]})
    );
}
