//! Ids of tasks, and how the two generations write one.
#![allow(clippy::allow_attributes, clippy::unwrap_used, clippy::panic, reason = "tests")]

use identity::{Principal, Verified};
use mcp::{Message, Object, Raw, Response};
use portcullis_exchange::Unfit;
use portcullis_exchange::task::{Generation, Owner, Task, TaskIds, inlined, to_core, unknown};
use serde_json::{Value, json};
use upstream::Mark;

fn ids() -> (TaskIds, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let keyring = seal::Keyring::open(folder.path()).unwrap();
    (TaskIds::new(seal::Sealer::new(keyring)), folder)
}

fn owner(subject: &str, gateway: &str) -> Owner {
    let principal = Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() });
    Owner { principal: principal.key(), gateway: gateway.into() }
}

fn task(id: &str) -> Task {
    let (target, tool) = ("files".to_owned(), "read".to_owned());
    Task { target, tool, id: id.to_owned(), generation: Generation::Core, mark: Some(Mark(u64::MAX)) }
}

fn object(value: &Value) -> Object {
    Object::of(&Raw::value(value)).unwrap()
}

fn response(value: &Value) -> Response {
    response_of(&value.to_string())
}

fn response_of(text: &str) -> Response {
    match Message::of(&Raw::parse(text).unwrap()) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn id_opens_for_its_owner_at_its_gateway_and_for_nobody_else() {
    let (ids, _folder) = ids();
    let alice = owner("alice", "corp");
    let made = Task { mark: None, generation: Generation::Extension, ..task("own \"1\" ä") };
    for task in [task("own-1"), made, task("")] {
        let id = ids.seal(&alice, &task).unwrap();
        assert_eq!(ids.open(&alice, &id), Some(task));
        for other in [owner("bob", "corp"), owner("alice", "lab")] {
            assert_eq!(ids.open(&other, &id), None);
        }
    }
}

#[test]
fn tampered_and_invented_ids_do_not_open() {
    let (ids, _folder) = ids();
    let alice = owner("alice", "corp");
    let id = ids.seal(&alice, &task("own-1")).unwrap();
    for at in 0..id.len() {
        let mut tampered = id.clone();
        let other = if &id[at..=at] == "A" { "B" } else { "A" };
        tampered.replace_range(at..=at, other);
        assert_eq!(ids.open(&alice, &tampered), None, "{at}");
    }
    for invented in ["", "own-1", &id[1..], &format!("{id}A"), &"A".repeat(100_000)] {
        assert_eq!(ids.open(&alice, invented), None);
    }
    assert_eq!(unknown().code, -32602);
}

#[test]
fn id_is_bounded() {
    let (ids, _folder) = ids();
    let alice = owner("alice", "corp");
    let longest = ids.seal(&alice, &task(&"x".repeat(1900))).unwrap();
    assert!(longest.len() < 4 * 1024, "{}", longest.len());
    assert!(ids.open(&alice, &longest).is_some());
    assert_eq!(ids.seal(&alice, &task(&"x".repeat(4096))), None);
}

#[test]
fn task_of_the_extension_reads_like_one_of_2025() {
    let written = object(&json!({
        "resultType": "complete", "taskId": "own", "status": "completed", "statusMessage": "done", "createdAt": "a",
        "lastUpdatedAt": "b", "ttlMs": 5, "pollIntervalMs": 7, "result": { "content": [] }
    }));
    assert_eq!(
        to_core(&written, "shown").to_value(),
        json!({ "taskId": "shown", "status": "completed", "statusMessage": "done", "createdAt": "a",
                "lastUpdatedAt": "b", "ttl": 5, "pollInterval": 7 })
    );
    let kept = object(&json!({ "taskId": "own", "status": "working" }));
    assert_eq!(
        to_core(&kept, "shown").to_value(),
        json!({ "taskId": "shown", "status": "working", "ttl": null })
    );
}

#[test]
fn what_came_of_a_task_of_2025_is_in_the_task() {
    let written = object(&json!({ "taskId": "own", "status": "failed", "ttl": 5, "pollInterval": 7 }));
    let working = inlined(&written, "shown", None).unwrap().to_value();
    let expected = json!({
        "resultType": "complete", "taskId": "shown", "status": "failed", "ttlMs": 5, "pollIntervalMs": 7
    });
    assert_eq!(working, expected);
    let said = response(&json!({ "jsonrpc": "2.0", "id": 1, "result": {
        "content": [], "isError": true,
        "_meta": { "io.modelcontextprotocol/related-task": { "taskId": "own" }, "dev.portcullis/x": 1, "a": 1 }
    } }));
    let done = inlined(&written, "shown", Some(&said)).unwrap().to_value();
    assert_eq!(done["status"], "completed", "a tool that reports a failure has answered");
    let result = json!({ "content": [], "isError": true, "_meta": { "a": 1 }, "resultType": "complete" });
    assert_eq!(done["result"], result);
    let said = response(&json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32603, "message": "no" } }));
    let failed = inlined(&written, "shown", Some(&said)).unwrap().to_value();
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!(-32603)));
    assert!(failed.get("result").is_none());
}

#[test]
fn what_came_of_a_task_asks_nothing_any_more() {
    let written = object(&json!({ "taskId": "own", "status": "completed" }));
    let unfit = |member: &str, text: &str| {
        let said = response_of(&format!(r#"{{"jsonrpc":"2.0","id":1,"{member}":{text}}}"#));
        inlined(&written, "shown", Some(&said)).unwrap_err()
    };
    let data = r#""data":{"elicitations":[{"mode":"url","url":"javascript:x","message":"m"}]}"#;
    for code in ["-32042", "-32042.0", "-3.2042e4", r#""-32042""#] {
        assert_eq!(unfit("error", &format!(r#"{{"code":{code},{data}}}"#)), Unfit::Question, "{code}");
    }
    assert_eq!(unfit("error", &format!(r#"{{"code":1,"code":-32042,{data}}}"#)), Unfit::Ambiguous);
    let asks = r#"{"resultType":"input_required","inputRequests":{}}"#;
    assert_eq!(unfit("result", asks), Unfit::Question);
}
