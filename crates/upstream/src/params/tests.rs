use std::sync::Arc;

use identity::Principal;
use mcp::{Body, Message, Method, Object, Raw, Version};
use policy::{Action, Engine, Operation, Permit};

use super::*;
use crate::Level;

fn permit(action: Action, item: &str) -> Permit {
    let operation =
        Operation { gateway: "corp".into(), target: "files".into(), action, item: item.to_owned() };
    Engine::allow_all().authorize(&Principal::anonymous(), operation).unwrap()
}

fn caller(capabilities: &str) -> Caller {
    Caller {
        principal: Arc::new(Principal::anonymous()),
        session: None,
        era: Era::Legacy,
        capabilities: Raw::parse(capabilities).unwrap(),
        abilities: Abilities::of(&Raw::parse(capabilities).unwrap()),
        info: Some(Raw::parse(r#"{"name":"ide","version":"7"}"#).unwrap()),
    }
}

fn call(method: Method, params: &str) -> Call {
    Call {
        method,
        params: Object::of(&Raw::parse(params).unwrap()).unwrap(),
        progress: None,
        logs: Logs::Off,
        param_headers: Vec::new(),
        within: None,
        inbox: None,
    }
}

fn text(payload: Payload) -> String {
    let bytes = payload.into_bytes();
    assert!(matches!(Body::from_client(bytes.clone(), 64), Ok(Body::Single(Message::Request(_)))));
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn legacy_request_keeps_what_it_does_not_know() {
    let call = call(
        Method::CallTool,
        r#"{ "name" : "x", "arguments":{"n":1.50,"big":12345678901234567890}, "new":[1] }"#,
    );
    let text = text(prepare(&call, &permit(Action::CallTool, "sum"), 7, &caller("{}"), Version::V2025_11_25));
    assert_eq!(
        text,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{ "name" : "sum", "arguments":{"n":1.50,"big":12345678901234567890}, "new":[1] }}"#
    );
}

#[test]
fn hop_keys_of_the_client_never_reach_a_legacy_server() {
    let params = r#"{"name":"x","_meta":{"progressToken":"p","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{},"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"info","traceparent":"00-1"}}"#;
    let text = text(prepare(
        &call(Method::CallTool, params),
        &permit(Action::CallTool, "x"),
        1,
        &caller("{}"),
        Version::V2025_06_18,
    ));
    assert!(text.ends_with(r#""_meta":{"traceparent":"00-1"}}}"#), "{text}");
}

#[test]
fn progress_token_is_our_id() {
    let mut call = call(Method::CallTool, r#"{"name":"x","_meta":{"progressToken":"theirs"}}"#);
    call.progress = Some(crate::ProgressToken::new(Raw::string("theirs")));
    let text = text(prepare(&call, &permit(Action::CallTool, "x"), 42, &caller("{}"), Version::V2025_11_25));
    assert!(text.contains(r#""progressToken":42"#) && !text.contains("theirs"), "{text}");
}

#[test]
fn modern_request_introduces_the_client_without_what_we_do_not_carry() {
    let mut call = call(Method::CallTool, r#"{"name":"x"}"#);
    call.logs = Logs::From(Level::Warning);
    let caller = caller(r#"{"sampling":{},"tasks":{},"extensions":{"io.modelcontextprotocol/ui":{}}}"#);
    let text = text(prepare(&call, &permit(Action::CallTool, "x"), 1, &caller, Version::V2026_07_28));
    assert!(text.contains(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#), "{text}");
    assert!(text.contains(r#""io.modelcontextprotocol/clientInfo":{"name":"ide","version":"7"}"#), "{text}");
    assert!(text.contains(r#""io.modelcontextprotocol/logLevel":"warning""#), "{text}");
    let extensions = r#""extensions":{"io.modelcontextprotocol/ui":{},"io.modelcontextprotocol/tasks":{}}"#;
    assert!(text.contains(extensions), "{text}");
}

#[test]
fn tasks_are_declared_by_modern_clients_themselves_and_for_legacy_ones_where_they_are_waited_for() {
    let prompt = call(Method::GetPrompt, r#"{"name":"x"}"#);
    let prompts = permit(Action::GetPrompt, "x");
    let tool = call(Method::CallTool, r#"{"name":"x"}"#);
    let tools = permit(Action::CallTool, "x");
    let legacy = caller(r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#);
    let modern = Caller { era: Era::Modern, ..legacy.clone() };
    let undeclared = Caller { era: Era::Modern, ..caller("{}") };
    let declared = |call: &Call, permit: &Permit, caller: &Caller| {
        text(prepare(call, permit, 1, caller, Version::V2026_07_28)).contains("io.modelcontextprotocol/tasks")
    };
    assert!(declared(&tool, &tools, &legacy) && !declared(&prompt, &prompts, &legacy));
    assert!(declared(&tool, &tools, &modern) && !declared(&tool, &tools, &undeclared));
}

#[test]
fn completion_names_its_item_inside_ref() {
    let prompt =
        call(Method::Complete, r#"{"ref":{"type":"ref/prompt","name":"legal___nda"},"argument":{}}"#);
    let written =
        text(prepare(&prompt, &permit(Action::GetPrompt, "nda"), 1, &caller("{}"), Version::V2025_11_25));
    assert!(written.contains(r#""ref":{"type":"ref/prompt","name":"nda"}"#), "{written}");

    let template = call(Method::Complete, r#"{"ref":{"type":"ref/resource","uri":"alias"},"argument":{}}"#);
    let permit = permit(Action::ReadResource, "file:///{p}");
    let written = text(prepare(&template, &permit, 1, &caller("{}"), Version::V2025_11_25));
    assert!(written.contains(r#""uri":"file:///{p}""#), "{written}");
}

#[test]
fn completion_writes_the_member_that_its_type_names() {
    let stray = r#"{"ref":{"type":"ref/prompt","uri":"file:///stray","name":"legal___nda"}}"#;
    let permitted = permit(Action::GetPrompt, "nda");
    let written =
        text(prepare(&call(Method::Complete, stray), &permitted, 1, &caller("{}"), Version::V2025_11_25));
    assert!(written.contains(r#"{"type":"ref/prompt","uri":"file:///stray","name":"nda"}"#), "{written}");

    let stray = r#"{"ref":{"type":"ref/resource","name":"stray","uri":"file:///{p}"}}"#;
    let permitted = permit(Action::ReadResource, "file:///{p}");
    let written =
        text(prepare(&call(Method::Complete, stray), &permitted, 1, &caller("{}"), Version::V2025_11_25));
    assert!(written.contains(r#"{"type":"ref/resource","name":"stray","uri":"file:///{p}"}"#), "{written}");
}

#[test]
fn extension_writes_the_member_that_it_was_routed_by() {
    let written = |params: &str, item: &str| {
        let method = Method::Other("vendor/act".into());
        let permitted = permit(Action::Extension("vendor/act".into()), item);
        text(prepare(&call(method, params), &permitted, 1, &caller("{}"), Version::V2025_11_25))
    };
    for (params, item, expected) in [
        (r#"{"name":"n","uri":"file:///a"}"#, "file:///a", r#"{"name":"n","uri":"file:///a"}"#),
        (r#"{"name":"n","uri":"file:///b"}"#, "file:///a", r#"{"name":"n","uri":"file:///a"}"#),
        (r#"{"uri":7,"name":"files___n"}"#, "n", r#"{"uri":7,"name":"n"}"#),
        (r#"{"name":"files___n"}"#, "n", r#"{"name":"n"}"#),
        (r#"{"name":7}"#, "", r#"{"name":7}"#),
    ] {
        let text = written(params, item);
        assert!(text.contains(&format!(r#""params":{expected}"#)), "{text}");
    }
}

#[test]
fn permitted_name_wins_over_what_the_client_wrote() {
    let call = call(Method::ReadResource, r#"{"uri":"file:///secret"}"#);
    let text = text(prepare(
        &call,
        &permit(Action::ReadResource, "file:///a"),
        1,
        &caller("{}"),
        Version::V2025_11_25,
    ));
    assert!(text.contains(r#""uri":"file:///a""#) && !text.contains("secret"), "{text}");
}

#[test]
fn upkeep_pages_and_pings_in_both_eras() {
    let list = Upkeep::List { kind: mcp::Kind::Tool, cursor: Some("a\"b".to_owned()) };
    assert_eq!(
        text(prepare_upkeep(&list, None, 3, Version::V2025_03_26)),
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":"a\"b"}}"#
    );
    assert!(
        text(prepare_upkeep(&Upkeep::Ping, None, 3, Version::V2025_03_26)).contains(r#""method":"ping""#)
    );
    let discover = text(prepare_upkeep(&Upkeep::Ping, None, 3, Version::V2026_07_28));
    assert!(discover.contains(r#""method":"server/discover""#) && discover.contains("protocolVersion"));
}
