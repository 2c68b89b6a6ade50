use serde_json::json;

use super::*;

fn field(name: &str, field: Value) -> Value {
    json!({ "type": "object", "properties": { name: field } })
}

#[test]
fn fields_that_name_a_secret_are_found() {
    for name in [
        "password",
        "apiKey",
        "api_key",
        "API key",
        "X-Api-Key",
        "githubToken",
        "access_token",
        "key",
        "privateKey",
        "client_secret",
        "PASSPHRASE",
        "otp",
        "PINCode",
        "userPIN",
        "user-password2",
        "newpassword",
        "my.api.key",
        "APIKEY",
        "auth-token",
        "recoveryCode",
        "one_time_code",
        "credit card number",
        "pass\u{200b}word",
        "awsSecretAccessKey",
    ] {
        let schema = field(name, json!({ "type": "string" }));
        assert_eq!(asks_for_secret(&schema), Some(name));
    }
    let titled = field("x", json!({ "type": "string", "title": "Your password" }));
    assert_eq!(asks_for_secret(&titled), Some("x"));
    let described =
        field("x", json!({ "type": "string", "description": "The token from your settings page" }));
    assert_eq!(asks_for_secret(&described), Some("x"));
    let hidden = field("x", json!({ "type": "string", "format": "password" }));
    assert_eq!(asks_for_secret(&hidden), Some("x"));
}

#[test]
fn secrets_are_found_however_the_schema_is_built() {
    let text = || json!({ "type": "string" });
    for schema in [
        field("password", json!({})),
        field("password", json!({ "type": ["string", "null"] })),
        field("password", json!({ "type": "string", "enum": [] })),
        field("password", json!({ "type": "string", "oneOf": [{ "type": "string" }] })),
        field("password", json!({ "type": "array", "items": { "type": "string" } })),
        field("a", json!({ "type": "object", "properties": { "password": text() } })),
        json!({ "allOf": [{ "properties": { "password": text() } }] }),
        json!({ "$defs": { "x": { "properties": { "password": text() } } } }),
    ] {
        assert_eq!(asks_for_secret(&schema), Some("password"), "{schema}");
    }
    for name in ["pin", "otp", "cvv", "PIN code", "securityCode", "verification_code"] {
        for kind in ["integer", "number"] {
            assert_eq!(asks_for_secret(&field(name, json!({ "type": kind }))), Some(name), "{kind}");
        }
    }
}

#[test]
fn other_fields_are_not() {
    for name in [
        "name",
        "email",
        "keyword",
        "keyboard",
        "monkey",
        "max_tokens",
        "tokens",
        "author",
        "primaryKey",
        "secretary",
        "pinned",
        "spin",
        "shipping code",
        "encode",
    ] {
        assert_eq!(asks_for_secret(&field(name, json!({ "type": "string" }))), None, "{name}");
    }
    assert_eq!(asks_for_secret(&field("token", json!({ "type": "integer" }))), None);
    assert_eq!(asks_for_secret(&field("token", json!({ "type": "string", "enum": ["a"] }))), None);
    assert_eq!(asks_for_secret(&field("pin", json!({ "type": "boolean" }))), None);
    let listed = json!({ "type": "array", "items": { "type": "string", "enum": ["a", "b"] } });
    assert_eq!(asks_for_secret(&field("token", listed)), None);
    assert_eq!(asks_for_secret(&json!({})), None);
}

#[test]
fn content_has_to_fit() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "minLength": 2, "maxLength": 4 },
            "age": { "type": "integer", "minimum": 0, "maximum": 150 },
            "score": { "type": "number" },
            "sure": { "type": "boolean" },
            "colour": { "type": "string", "enum": ["red", "blue"] },
            "titled": { "type": "string", "oneOf": [{ "const": "a", "title": "A" }] },
            "many": { "type": "array", "maxItems": 2, "items": { "type": "string", "anyOf": [{ "const": "x" }, { "const": "y" }] } },
        },
        "required": ["name"],
    });
    for fits in [
        json!({ "name": "Ann" }),
        json!({ "name": "Ann", "age": 7, "score": 1.5, "sure": true, "colour": "red", "titled": "a", "many": ["x", "y"] }),
        json!({ "name": "Ann", "age": 7.0, "more": null }),
        json!({ "name": "äöüß" }),
    ] {
        assert_eq!(check(&schema, &fits), Ok(()), "{fits}");
    }
    for wrong in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "name": 7 }),
        json!({ "name": "A" }),
        json!({ "name": "Annabel" }),
        json!({ "name": "Ann", "age": 7.5 }),
        json!({ "name": "Ann", "age": -1 }),
        json!({ "name": "Ann", "age": 151 }),
        json!({ "name": "Ann", "sure": "yes" }),
        json!({ "name": "Ann", "colour": "green" }),
        json!({ "name": "Ann", "titled": "b" }),
        json!({ "name": "Ann", "many": ["z"] }),
        json!({ "name": "Ann", "many": ["x", "x", "x"] }),
        json!({ "name": null }),
    ] {
        assert!(check(&schema, &wrong).is_err(), "{wrong}");
    }
    let closed = json!({ "properties": {}, "additionalProperties": false });
    assert!(check(&closed, &json!({ "x": 1 })).is_err());
}
