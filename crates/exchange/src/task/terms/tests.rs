use serde_json::json;

use super::*;

#[test]
fn client_that_knows_of_no_task_gets_no_id_of_one() {
    let said = json!({ "content": [], "_meta": { "io.modelcontextprotocol/related-task": { "taskId": "own-1" }, "a": 1 } });
    assert_eq!(unrelated(Raw::value(&said)).to_value(), json!({ "content": [], "_meta": { "a": 1 } }));
    for other in [json!({ "content": [], "_meta": { "a": 1 } }), json!({ "x": 1.5 }), json!("own")] {
        assert_eq!(unrelated(Raw::value(&other)).to_value(), other);
    }
}
