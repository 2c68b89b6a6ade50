use mcp::{Body, Message};
use serde_json::{Value, json};

use super::*;

fn answer(member: &str, value: Value) -> Response {
    let text = json!({ "jsonrpc": "2.0", "id": 1, member: value }).to_string();
    match Body::from_server(text.into(), 16) {
        Ok(Body::Single(Message::Response(response))) => response,
        other => panic!("{other:?}"),
    }
}

fn refusal(code: i64, data: Value) -> Response {
    answer("error", json!({ "code": code, "message": "no", "data": data }))
}

#[test]
fn discover_result_with_our_revision_is_modern() {
    let modern =
        answer("result", json!({ "supportedVersions": ["2025-11-25", "2026-07-28"], "capabilities": {} }));
    assert!(matches!(verdict(&modern), Ok(Verdict::Modern(_))));
}

#[test]
fn anything_a_legacy_server_may_say_is_legacy() {
    for other in [
        json!({}),
        json!([]),
        json!({ "supportedVersions": ["2031-01-01"] }),
        json!({ "supportedVersions": 7 }),
    ] {
        assert!(matches!(verdict(&answer("result", other.clone())), Ok(Verdict::Legacy)), "{other}");
    }
    for code in [-32601, -32600, -32602, -32000, 0, 17] {
        assert!(matches!(verdict(&refusal(code, json!({}))), Ok(Verdict::Legacy)), "{code}");
    }
}

#[test]
fn unsupported_version_means_legacy_where_one_is_offered() {
    let offered = refusal(UNSUPPORTED_VERSION, json!({ "supported": ["2025-06-18"] }));
    assert!(matches!(verdict(&offered), Ok(Verdict::Legacy)));
    let newer = refusal(UNSUPPORTED_VERSION, json!({ "supported": ["2031-01-01"] }));
    assert!(matches!(verdict(&newer), Err(UpstreamError::BrokeProtocol(_))));
    assert!(matches!(verdict(&refusal(MISSING_CAPABILITY, json!({}))), Err(UpstreamError::BrokeProtocol(_))));
}

#[test]
fn refused_initialize_says_so_in_the_servers_words() {
    let refused = initialized(&refusal(-32600, json!({})));
    assert!(matches!(refused, Err(UpstreamError::BrokeProtocol(why)) if why.ends_with("no")));
}
