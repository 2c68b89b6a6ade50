//! The schema and the loader know the same keys and the same values.

use std::fs;
use std::path::Path;

use portcullis_config::{parse, schema};
use serde_json::{Map, Value, json};

use crate::{env, read, shown};

/// Values that stand for themselves where a schema alone does not say enough.
fn sample(path: &str, schema: &Value) -> Value {
    let key = path.rsplit('.').next().unwrap_or_default();
    match key {
        "listen" => json!(if path.starts_with("admin") { "127.0.0.1:2" } else { "127.0.0.1:1" }),
        "public_url" => json!("http://localhost:1"),
        "url" | "jwks_uri" => json!("https://x.example/mcp"),
        "discovery_url" => json!("https://x.example/.well-known/openid-configuration"),
        "separator" => json!("__"),
        "audiences" => json!(["x"]),
        "roots" => json!(["file:///x"]),
        "allow" => json!(["x.example"]),
        "allowed_hosts" => json!(["x.example"]),
        "allowed_origins" => json!(["https://x.example"]),
        "resource_priority" | "page_size" | "batch" => json!(1),
        "json_depth" => json!(64),
        "timeout" | "idle" => json!("30m"),
        "list_budget" | "connect_timeout" => json!("1s"),
        _ => match &schema["type"] {
            Value::String(name) if name == "array" => json!([sample("", &schema["items"])]),
            _ if schema["enum"].is_array() => schema["enum"][0].clone(),
            _ if schema["anyOf"][0]["enum"].is_array() => schema["anyOf"][0]["enum"][0].clone(),
            _ if schema.get("default").is_some() => schema["default"].clone(),
            _ if schema.to_string().contains("pattern") => json!("30s"),
            _ => json!("x"),
        },
    }
}

/// A document with every key of `schema` except those in `without`; free names are `t`.
fn document(schema: &Value, path: &str, without: &[&str]) -> Value {
    if let Some(object) = alternatives(schema).into_iter().find(|schema| schema["type"] == "object") {
        return document(object, path, without);
    }
    if schema["type"] != "object" {
        return sample(path, schema);
    }
    let mut map = Map::new();
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if !without.iter().any(|suffix| path.ends_with(suffix)) {
            map.insert(key.clone(), document(schema, &path, without));
        }
    }
    if schema["additionalProperties"].is_object() {
        let name = "t";
        let path = format!("{path}.{name}");
        map.insert(name.to_owned(), document(&schema["additionalProperties"], &path, without));
    }
    Value::Object(map)
}

/// The alternatives of `schema`, however deep they are nested.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let direct = schema["anyOf"].as_array().into_iter().flatten();
    direct.flat_map(|schema| std::iter::once(schema).chain(alternatives(schema))).collect()
}

/// Choices that exclude each other: what one document leaves out, another has.
fn documents() -> Vec<Value> {
    let child =
        ["mcp.args", "mcp.env", "mcp.cwd", "mcp.isolation", "mcp.instances_max", "mcp.idle", "mcp.command"];
    let by_url: Vec<&str> =
        child.into_iter().chain(["jwt.issuer", "jwt.jwks_uri", "outbound.assertion"]).collect();
    let by_command = ["mcp.url", "t.outbound", "jwt.discovery_url"];
    let asserted: Vec<&str> = child.into_iter().chain(["jwt.discovery_url", "outbound.headers"]).collect();
    [by_url.as_slice(), by_command.as_slice(), asserted.as_slice()]
        .into_iter()
        .map(|without| document(&schema(), "", without))
        .collect()
}

#[test]
fn every_key_of_the_schema_is_read() {
    for document in documents() {
        let text = document.to_string();
        if let Err(diagnostics) = read(&text) {
            let errors: Vec<_> =
                diagnostics.into_iter().filter(|d| format!("{d}").contains("known key")).collect();
            assert!(errors.is_empty(), "{}\n{text}", shown(&errors));
            panic!("{}\n{text}", shown(&read(&text).expect_err("refused")));
        }
    }
}

#[test]
fn every_object_of_the_schema_refuses_other_keys() {
    fn insert_everywhere(value: &Value, found: &mut Vec<Value>, rebuild: &dyn Fn(Value) -> Value) {
        let Value::Object(map) = value else { return };
        let mut extended = map.clone();
        extended.insert("not-a-key".to_owned(), json!("x"));
        found.push(rebuild(Value::Object(extended)));
        for (key, inner) in map {
            insert_everywhere(inner, found, &|changed| {
                let mut map = map.clone();
                map.insert(key.clone(), changed);
                rebuild(Value::Object(map))
            });
        }
    }
    for document in documents() {
        let mut extended = Vec::new();
        insert_everywhere(&document, &mut extended, &|value| value);
        for changed in extended {
            let accepts = validate(&changed, &schema());
            let loads = read(&changed.to_string()).is_ok();
            // Header names are free, with hyphens too.
            assert_eq!(accepts, loads, "schema {accepts}, loader {loads}: {changed}");
        }
    }
}

#[test]
fn the_examples_fit_the_schema() {
    for document in documents() {
        assert!(validate(&document, &schema()), "{document}");
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for name in ["minimal.yaml", "portcullis.yaml", "jwt.yaml"] {
        let text = fs::read_to_string(examples.join(name)).expect("read");
        assert!(parse(&text, name, &|_| Some("x".to_owned())).is_ok());
    }
    assert!(env("NONE").is_none());
}

#[test]
fn every_key_is_described_and_defaults_are_shown() {
    fn walk(schema: &Value, path: &str, missing: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            if property["description"].as_str().is_none_or(str::is_empty) {
                missing.push(format!("{path}.{key}"));
            }
        }
        let inner = ["properties", "anyOf", "items", "additionalProperties"];
        for part in inner.iter().filter_map(|part| schema.get(part)) {
            match part {
                Value::Object(map) if map.contains_key("type") => walk(part, path, missing),
                Value::Object(map) => {
                    map.iter().for_each(|(key, inner)| walk(inner, &format!("{path}.{key}"), missing))
                }
                Value::Array(items) => items.iter().for_each(|inner| walk(inner, path, missing)),
                _ => {}
            }
        }
    }
    let schema = schema();
    let mut missing = Vec::new();
    walk(&schema, "", &mut missing);
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(schema["properties"]["listen"]["default"], "127.0.0.1:8642");
    assert_eq!(schema["properties"]["limits"]["properties"]["request_body"]["default"], "4MiB");
    assert_eq!(schema["required"], json!(["gateways"]));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

/// The part of JSON Schema that ours uses, but for string patterns of values.
fn validate(value: &Value, schema: &Value) -> bool {
    if schema.get("$ref").is_some() {
        return value.as_str().is_some_and(|text| text.contains("${"));
    }
    if let Some(all) = schema["anyOf"].as_array()
        && !all.iter().any(|schema| validate(value, schema))
    {
        return false;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return false;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let has_kind = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    };
    if !kinds.is_empty() && !kinds.iter().any(has_kind) {
        return false;
    }
    match value {
        Value::Array(items) => items.iter().all(|item| validate(item, &schema["items"])),
        Value::Object(map) => {
            let required = schema["required"].as_array().into_iter().flatten();
            required.filter_map(Value::as_str).all(|key| map.contains_key(key))
                && map.iter().all(|(key, value)| member(key, value, schema))
        }
        _ => true,
    }
}

fn member(key: &str, value: &Value, schema: &Value) -> bool {
    if let Some(property) = schema["properties"].get(key) {
        return validate(value, property);
    }
    match &schema["additionalProperties"] {
        Value::Bool(false) => false,
        free if free.is_object() => {
            let hyphens_allowed =
                schema["propertyNames"]["pattern"].as_str().is_some_and(|p| p.contains("-]"));
            (hyphens_allowed || !key.contains('-')) && validate(value, free)
        }
        _ => true,
    }
}
