use std::collections::HashMap;

use bytes::Bytes;
use serde_json::json;

use super::*;

fn found(schema: &serde_json::Value) -> Result<Vec<(String, String)>, InvalidAnnotation> {
    let params = find(&Raw::value(schema))?;
    Ok(params.iter().map(|param| (param.header.clone(), param.path.join("."))).collect())
}

/// A schema whose only property is `p`.
fn with_property(property: serde_json::Value) -> serde_json::Value {
    json!({ "type": "object", "properties": { "p": property } })
}

#[test]
fn finds_annotations_along_properties() {
    let schema = json!({
        "type": "object",
        "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "query": { "type": "string" },
            "options": { "type": "object", "properties": {
                "limit": { "type": "integer", "x-mcp-header": "Limit" },
                "deep": { "properties": { "dry": { "type": ["boolean", "null"], "x-mcp-header": "X.Dry-Run" } } },
            } },
        },
    });
    let mut found = found(&schema).unwrap();
    found.sort();
    let expected = [("limit", "options.limit"), ("region", "region"), ("x.dry-run", "options.deep.dry")];
    assert_eq!(found, expected.map(|(name, path)| (format!("mcp-param-{name}"), path.to_owned())));
}

#[test]
fn finds_nothing_in_a_schema_without_annotations() {
    for schema in [json!({}), json!(true), json!({ "properties": { "a\"b": { "type": "string" } } })] {
        assert_eq!(found(&schema), Ok(vec![]));
    }
}

#[test]
fn a_property_or_data_of_that_name_is_no_annotation() {
    let schema = json!({ "properties": {
        "x-mcp-header": { "type": "string" },
        "p": { "type": "object", "default": { "x-mcp-header": "" }, "enum": [{ "x-mcp-header": 1 }] },
    } });
    assert_eq!(found(&schema), Ok(vec![]));
}

#[test]
fn finds_an_annotation_whose_name_is_escaped() {
    let schema = br#"{"properties":{"p":{"type":"string","x-mcp\u002dheader":"A"}}}"#;
    assert_eq!(find(&Raw::trusted(Bytes::from_static(schema))).unwrap()[0].header, "mcp-param-a");
}

#[test]
fn refuses_names_that_are_no_token() {
    let at = || "p".to_owned();
    for (name, error) in [
        (json!(""), InvalidAnnotation::Empty { at: at() }),
        (json!(null), InvalidAnnotation::NotAString { at: at() }),
        (json!(7), InvalidAnnotation::NotAString { at: at() }),
        (json!("My Region"), InvalidAnnotation::NotAToken { at: at() }),
        (json!("Region:Primary"), InvalidAnnotation::NotAToken { at: at() }),
        (json!("Région"), InvalidAnnotation::NotAToken { at: at() }),
        (json!("Region\r\n"), InvalidAnnotation::NotAToken { at: at() }),
        (json!("Region\t1"), InvalidAnnotation::NotAToken { at: at() }),
    ] {
        assert_eq!(
            found(&with_property(json!({ "type": "string", "x-mcp-header": name }))),
            Err(error),
            "{name}"
        );
    }
}

#[test]
fn refuses_a_name_used_twice_in_any_case() {
    for second in ["Region", "REGION"] {
        let schema = json!({ "properties": {
            "a": { "type": "string", "x-mcp-header": "Region" },
            "b": { "properties": { "c": { "type": "string", "x-mcp-header": second } } },
        } });
        let error = InvalidAnnotation::Duplicate { at: "b.c".into(), header: "mcp-param-region".into() };
        assert_eq!(found(&schema), Err(error));
    }
}

#[test]
fn refuses_types_that_are_not_primitive() {
    for kind in [
        json!("number"),
        json!("object"),
        json!("array"),
        json!("null"),
        json!(["string", "integer"]),
        json!([]),
        json!(1),
    ] {
        let schema = with_property(json!({ "type": kind, "x-mcp-header": "A" }));
        assert_eq!(found(&schema), Err(InvalidAnnotation::NotPrimitive { at: "p".into() }), "{kind}");
    }
    let untyped = with_property(json!({ "$ref": "#/$defs/x", "x-mcp-header": "A" }));
    assert_eq!(found(&untyped), Err(InvalidAnnotation::NotPrimitive { at: "p".into() }));
}

#[test]
fn refuses_annotations_off_the_chain_of_properties() {
    let inner = json!({ "properties": { "q": { "type": "string", "x-mcp-header": "A" } } });
    for (schema, at) in [
        (json!({ "type": "string", "x-mcp-header": "A" }), "$"),
        (json!({ "oneOf": [inner] }), "oneOf.q"),
        (json!({ "allOf": [{}, inner] }), "allOf.q"),
        (json!({ "if": inner }), "if.q"),
        (json!({ "not": inner }), "not.q"),
        (json!({ "$defs": { "d": inner } }), "$defs.d.q"),
        (json!({ "$defs": { "default": inner } }), "$defs.default.q"),
        (json!({ "patternProperties": { "^x": inner } }), "patternProperties.^x.q"),
        (json!({ "additionalProperties": inner }), "additionalProperties.q"),
        (json!({ "vendorKeyword": [[inner]] }), "vendorKeyword.q"),
        (with_property(json!({ "type": "array", "items": inner })), "p.items.q"),
        (with_property(json!({ "anyOf": [{ "type": "string", "x-mcp-header": "A" }] })), "p.anyOf"),
    ] {
        assert_eq!(found(&schema), Err(InvalidAnnotation::Unreachable { at: at.into() }), "{schema}");
    }
}

#[test]
fn refuses_more_annotations_than_the_bound() {
    let property = |index: usize| {
        (format!("p{index}"), json!({ "type": "string", "x-mcp-header": format!("H{index}") }))
    };
    let schema = |count: usize| json!({ "properties": (0..count).map(property).collect::<HashMap<_, _>>() });
    assert_eq!(found(&schema(ParamHeaders::MAX)).unwrap().len(), ParamHeaders::MAX);
    assert_eq!(found(&schema(ParamHeaders::MAX + 1)), Err(InvalidAnnotation::TooMany));
}

#[test]
fn refuses_a_schema_too_deep_to_walk() {
    for (open, close) in [("{\"not\":", "}"), ("[", "]")] {
        let nested = |levels: usize| {
            let text = format!(
                r#"{{"x":{}0{},"description":"x-mcp-header"}}"#,
                open.repeat(levels),
                close.repeat(levels)
            );
            find(&Raw::parse(&text).unwrap())
        };
        assert_eq!(nested(DEPTH_MAX - 1), Ok(vec![]));
        assert_eq!(nested(DEPTH_MAX), Err(InvalidAnnotation::TooDeep));
        assert_eq!(nested(100_000), Err(InvalidAnnotation::TooDeep));
    }
}
