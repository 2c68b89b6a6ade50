use serde_json::json;

use super::*;

fn secret_field(schema: &Value) -> Option<&str> {
    asks_for_secret(schema).map(|secret| secret.field)
}

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
        assert_eq!(secret_field(&schema), Some(name));
    }
    let titled = field("x", json!({ "type": "string", "title": "Your password" }));
    assert_eq!(secret_field(&titled), Some("x"));
    let described =
        field("x", json!({ "type": "string", "description": "The token from your settings page" }));
    assert_eq!(secret_field(&described), Some("x"));
    let hidden = field("x", json!({ "type": "string", "format": "password" }));
    assert_eq!(secret_field(&hidden), Some("x"));
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
        assert_eq!(secret_field(&schema), Some("password"), "{schema}");
    }
    for name in ["pin", "otp", "cvv", "PIN code", "securityCode", "verification_code"] {
        for kind in ["integer", "number"] {
            assert_eq!(secret_field(&field(name, json!({ "type": kind }))), Some(name), "{kind}");
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
        assert_eq!(secret_field(&field(name, json!({ "type": "string" }))), None, "{name}");
    }
    assert_eq!(secret_field(&field("token", json!({ "type": "integer" }))), None);
    assert_eq!(secret_field(&field("token", json!({ "type": "string", "enum": ["a"] }))), None);
    assert_eq!(secret_field(&field("pin", json!({ "type": "boolean" }))), None);
    let listed = json!({ "type": "array", "items": { "type": "string", "enum": ["a", "b"] } });
    assert_eq!(secret_field(&field("token", listed)), None);
    assert_eq!(secret_field(&json!({})), None);
}

/// The form of `trigger-elicitation-request` of server-everything 2026.8.31, where it says anything; its number has another default.
#[test]
fn a_field_that_asks_not_to_be_told_a_secret_is_none() {
    let everything = json!({ "type": "object", "properties": {
        "name": { "title": "String", "type": "string", "description": "Your full, legal name" },
        "check": { "title": "Boolean", "type": "boolean", "description": "Agree to the terms and conditions" },
        "firstLine": { "title": "String with default", "type": "string", "description": "Favorite first line of a story",
            "default": "It was a dark and stormy night." },
        "email": { "title": "String with email format", "type": "string", "format": "email",
            "description": "Your email address (will be verified, and never shared with anyone else)" },
        "homepage": { "type": "string", "format": "uri", "title": "String with uri format",
            "description": "Portfolio / personal website" },
        "integer": { "title": "Integer", "type": "integer", "minimum": 1, "maximum": 100, "default": 42,
            "description": "Your favorite integer (do not give us your phone number, pin, or other sensitive info)" },
        "number": { "title": "Number in range 1-1000", "type": "number",
            "description": "Favorite number (there are no wrong answers)", "minimum": 0, "maximum": 1000, "default": 3.5 },
    } });
    assert_eq!(asks_for_secret(&everything), None);
    for warning in [
        "Never enter a password here.",
        "A name; don't use your PIN",
        "A name. Don’t share tokens or a token",
    ] {
        let schema = field("x", json!({ "type": "string", "description": warning }));
        assert_eq!(asks_for_secret(&schema), None, "{warning}");
    }
}

#[test]
fn a_word_of_warning_does_not_hide_a_secret() {
    for (asks, word) in [
        ("Do not worry: we keep your password safe", "password"),
        ("Do not worry about your password", "password"),
        ("Do not give us your name. Give us your PIN", "pin"),
        ("The password, which you must never share with others", "password"),
        ("Do not give us anything but your password", "password"),
        ("Never share it, only type your password", "password"),
    ] {
        let schema = field("x", json!({ "type": "string", "description": asks }));
        assert_eq!(asks_for_secret(&schema), Some(Secret { field: "x", word }), "{asks}");
    }
    // What a field is called is what it is.
    for named in
        [field("do not enter password", json!({})), field("x", json!({ "title": "Never give your PIN" }))]
    {
        assert!(asks_for_secret(&named).is_some(), "{named}");
    }
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
