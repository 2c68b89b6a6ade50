use serde_json::json;

use super::*;

#[test]
fn what_the_gateway_does_not_carry_is_not_presented() {
    let declared = json!({
        "sampling": {}, "elicitation": { "url": {} }, "roots": { "listChanged": true }, "tasks": {}, "experimental": { "a": 1 },
        "extensions": { "io.modelcontextprotocol/tasks": {}, "io.modelcontextprotocol/ui": { "mimeTypes": [] } }
    });
    let mut expected = json!({
        "sampling": {}, "elicitation": { "url": {} }, "roots": {}, "experimental": { "a": 1 }, "extensions": { "io.modelcontextprotocol/ui": { "mimeTypes": [] } } });
    let presented =
        |declared: &serde_json::Value, tasks| presentable(&Raw::value(declared), tasks).to_value();
    assert_eq!(presented(&declared, Tasks::Withheld), expected);
    assert_eq!(presented(&expected, Tasks::Withheld), expected);
    expected["extensions"]["io.modelcontextprotocol/tasks"] = json!({});
    assert_eq!(presented(&declared, Tasks::AsDeclared), expected);
    assert_eq!(presented(&declared, Tasks::Awaited), expected);
    assert_eq!(presented(&json!([]), Tasks::AsDeclared), json!({}));
}

#[test]
fn tasks_that_the_gateway_looks_after_are_presented_of_whoever_calls() {
    let expected = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    for declared in [json!({}), json!({ "extensions": {} }), json!({ "tasks": {} })] {
        assert_eq!(presentable(&Raw::value(&declared), Tasks::Awaited).to_value(), expected);
    }
}
