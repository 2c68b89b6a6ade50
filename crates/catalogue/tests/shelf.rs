//! What of a server's list is offered, and how it looks.

mod support;

use mcp::Kind;
use portcullis_catalogue::{Capture, Reason, Shelf};
use support::{ITEMS_MAX, bare, gateway, raw, resources, shelf, target, templates, tools};

fn one_tool(text: &str) -> Capture {
    Capture { tools: vec![raw(text)], ..Capture::default() }
}

/// The only report about the only entry, which must not be offered.
fn refused(capture: &Capture) -> Reason {
    let gateway = gateway(vec![target("legal")]);
    let shelf = shelf(&gateway, 0, capture);
    assert!(Kind::ALL.into_iter().all(|kind| shelf.items(kind).is_empty()));
    assert_eq!(shelf.reports().len(), 1);
    shelf.reports()[0].reason.clone()
}

#[test]
fn only_the_name_of_a_tool_changes() {
    let text = "{ \"x-unknown\":1.50, \"inputSchema\": {\"name\":\"review\"},\n\"name\" : \"review\", \"title\":\"Re\\u0076iew\", \"annotations\":{\"b\":1,\"a\":2}}";
    let gateway = gateway(vec![target("legal")]);
    let shelf = shelf(&gateway, 0, &one_tool(text));
    let item = &shelf.items(Kind::Tool)[0];
    assert_eq!(item.text.as_str(), text.replace("\"name\" : \"review\"", "\"name\" : \"legal___review\""));
    assert_eq!(item.original.as_str(), text);
    assert_eq!((&*item.upstream, &*item.exposed), ("review", "legal___review"));
    assert_eq!(item.title.as_deref(), Some("Review"));
}

#[test]
fn an_entry_whose_name_stays_is_the_very_bytes_of_the_server() {
    let gateway = gateway(vec![bare("legal")]);
    let capture = one_tool(r#"{"name":"re\u0076iew"}"#);
    let shelf = shelf(&gateway, 0, &capture);
    let item = &shelf.items(Kind::Tool)[0];
    assert_eq!(&*item.exposed, "review");
    assert_eq!(item.text.as_bytes().as_ptr(), capture.tools[0].as_bytes().as_ptr());
}

#[test]
fn prompts_are_renamed_and_resources_are_not() {
    let gateway = gateway(vec![target("legal")]);
    let capture = Capture {
        prompts: vec![raw(r#"{"name":"brief"}"#)],
        resources: vec![raw(r#"{"uri":"file:///a","name":"brief"}"#)],
        templates: vec![raw(r#"{"uriTemplate":"file:///{a}","name":"brief"}"#)],
        ..Capture::default()
    };
    let shelf = shelf(&gateway, 0, &capture);
    assert_eq!(shelf.items(Kind::Prompt)[0].text.as_str(), r#"{"name":"legal___brief"}"#);
    assert_eq!(shelf.items(Kind::Resource)[0].text, capture.resources[0]);
    assert_eq!(shelf.items(Kind::Template)[0].text, capture.templates[0]);
}

#[test]
fn the_output_schema_is_kept_at_hand() {
    let gateway = gateway(vec![target("legal")]);
    let shelf = shelf(&gateway, 0, &one_tool(r#"{"name":"a","outputSchema":{"type":"object"}}"#));
    assert_eq!(shelf.items(Kind::Tool)[0].output_schema.as_ref().unwrap().as_str(), r#"{"type":"object"}"#);
}

#[test]
fn the_parameters_that_travel_in_headers_are_known() {
    let gateway = gateway(vec![target("legal")]);
    let tool = r#"{"name":"a","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}"#;
    let shelf = shelf(&gateway, 0, &one_tool(tool));
    let headers: Vec<_> =
        shelf.items(Kind::Tool)[0].param_headers.iter().map(|param| param.header.clone()).collect();
    assert_eq!(headers, ["mcp-param-region"]);
}

#[test]
fn an_invalid_header_annotation_costs_that_tool_only() {
    let bad = r#"{"name":"bad","inputSchema":{"type":"object","properties":{"o":{"type":"object","x-mcp-header":"O"}}}}"#;
    let gateway = gateway(vec![target("legal")]);
    let capture = Capture { tools: vec![raw(bad), raw(r#"{"name":"good"}"#)], ..Capture::default() };
    let shelf = shelf(&gateway, 0, &capture);
    assert_eq!(shelf.items(Kind::Tool).len(), 1);
    assert!(matches!(shelf.reports()[0].reason, Reason::BadParamHeader(_)));
    assert_eq!(shelf.reports()[0].subject, "bad");
}

#[test]
fn an_entry_without_a_name_is_refused() {
    for text in ["{}", r#"{"name":7}"#, r#"{"name":null}"#, r#"{"name":""}"#, r#"{"title":"x"}"#] {
        assert_eq!(refused(&one_tool(text)), Reason::NoKey, "{text}");
    }
    for text in ["[]", "7", "null", r#""name""#] {
        assert_eq!(refused(&one_tool(text)), Reason::NotAnObject, "{text}");
        let said = shelf(&gateway(vec![target("legal")]), 0, &one_tool(text)).reports()[0].to_string();
        assert!(said.starts_with("target `legal`: a tool is not offered: the list entry"), "{said}");
    }
}

#[test]
fn a_name_written_twice_is_refused() {
    let reason = refused(&one_tool(r#"{"name":"a","n\u0061me":"legal___delete"}"#));
    assert_eq!(reason, Reason::AmbiguousMember("name".to_owned()));
}

#[test]
fn a_name_with_hidden_characters_is_refused_and_reported_visibly() {
    let gateway = gateway(vec![target("legal")]);
    let shelf = shelf(&gateway, 0, &one_tool("{\"name\":\"re\u{200B}view\\n\"}"));
    assert!(shelf.items(Kind::Tool).is_empty());
    assert_eq!(shelf.reports()[0].reason, Reason::HiddenCharacters);
    assert_eq!(shelf.reports()[0].subject, "re\\u{200b}view\\n");
}

#[test]
fn a_name_of_more_than_8_kib_is_refused() {
    let of = |bytes: usize| format!("file:///{}", "a".repeat(bytes - 8));
    for long in [of(8 * 1024 + 1), of(20_000)] {
        let reason = Reason::NameTooLong { bytes: long.len() };
        assert_eq!(refused(&tools(&[&long])), reason);
        assert_eq!(refused(&resources(&[&long])), reason);
        assert_eq!(refused(&templates(&[&long])), reason);
    }
    let gateway = gateway(vec![target("legal")]);
    assert_eq!(shelf(&gateway, 0, &resources(&[&of(8 * 1024)])).reports(), []);
}

#[test]
fn the_gateways_own_scheme_is_refused() {
    for uri in ["portcullis://status", "PortCullis:x"] {
        assert_eq!(refused(&resources(&[uri])), Reason::ReservedUri);
        assert_eq!(refused(&templates(&[uri])), Reason::ReservedUri);
    }
}

#[test]
fn a_template_that_is_none_is_refused() {
    assert!(matches!(refused(&templates(&["file:///{unclosed"])), Reason::BadTemplate(_)));
}

#[test]
fn of_two_equal_names_in_one_target_the_first_stays() {
    let gateway = gateway(vec![target("legal")]);
    let capture = Capture {
        tools: vec![raw(r#"{"name":"a","n":1}"#), raw(r#"{"name":"a","n":2}"#)],
        resources: vec![raw(r#"{"uri":"file:///a","n":1}"#), raw(r#"{"uri":"file:///a","n":2}"#)],
        ..Capture::default()
    };
    let shelf = shelf(&gateway, 0, &capture);
    assert_eq!(shelf.items(Kind::Tool)[0].text.as_str(), r#"{"name":"legal___a","n":1}"#);
    assert_eq!(shelf.items(Kind::Resource).len(), 1);
    assert!(shelf.reports().iter().all(|report| report.reason == Reason::Duplicate));
}

#[test]
fn what_exceeds_the_bound_is_cut_and_counted() {
    let gateway = gateway(vec![target("legal")]);
    let names: Vec<String> = (0..7).map(|n| format!("t{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let shelf = Shelf::read(&gateway, &gateway.targets[0], &tools(&names), 5);
    assert_eq!(shelf.items(Kind::Tool).len(), 5);
    assert_eq!(shelf.reports()[0].reason, Reason::TooMany { listed: 7, limit: 5 });
    let said = "target `legal`: the rest of its tools is not offered: it lists 7 or more, and 5 are kept; raise `limits.catalogue_items`";
    assert_eq!(shelf.reports()[0].to_string(), said);
    assert_eq!(Shelf::read(&gateway, &gateway.targets[0], &tools(&names), ITEMS_MAX).reports(), []);
}

#[test]
fn a_list_that_was_cut_for_its_length_is_reported() {
    let gateway = gateway(vec![target("legal")]);
    let cut = Capture { cut: vec![Kind::Tool], ..tools(&["a"]) };
    let shelf = shelf(&gateway, 0, &cut);
    assert_eq!(shelf.items(Kind::Tool).len(), 1);
    assert!(matches!(shelf.reports()[0].reason, Reason::TooLarge { .. }));
    let said = shelf.reports()[0].to_string();
    assert!(said.starts_with("target `legal`: the rest of its tools is not offered: its lists"), "{said}");
    assert!(!cut.lists_the_same(&tools(&["a"])));
}

#[test]
fn a_capture_knows_whether_another_lists_the_same() {
    assert!(tools(&["a", "b"]).lists_the_same(&tools(&["a", "b"])));
    assert!(!tools(&["a", "b"]).lists_the_same(&tools(&["b", "a"])));
    assert!(!tools(&["a"]).lists_the_same(&resources(&["a"])));
}
