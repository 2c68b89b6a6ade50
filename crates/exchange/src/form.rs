//! Forms that a server asks a person to fill in: what they ask for, and whether what came back fits.
//!
//! The schema of a form is flat (MCP 2025-11-25, Elicitation): an object whose properties are text, numbers, yes or no, or a
//! choice. What this room does not know of a schema it does not check, and never fetches.

use serde_json::{Map, Value};

#[cfg(test)]
mod tests;

/// Words that name a secret, alone or together.
const SECRET_WORDS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
    "otp",
    "cvv",
];
/// What makes a key of a lock out of a key of a keyboard.
const KEY_WORDS: [&str; 9] =
    ["api", "access", "private", "secret", "ssh", "signing", "encryption", "license", "auth"];

/// The first field of a form that asks for a secret. A number, a choice or a yes is none.
pub(crate) fn asks_for_secret(schema: &Value) -> Option<&str> {
    let fields = schema.get("properties").and_then(Value::as_object)?;
    let secret = |(name, field): &(&String, &Value)| {
        let is_text = field.get("type").is_none_or(|kind| kind == "string");
        let is_choice = field.get("enum").is_some() || field.get("oneOf").is_some();
        let says = |key: &str| field.get(key).and_then(Value::as_str).is_some_and(names_secret);
        let hidden = field.get("format").is_some_and(|format| format == "password");
        is_text && !is_choice && (hidden || names_secret(name) || says("title"))
    };
    fields.iter().find(secret).map(|(name, _)| name.as_str())
}

fn names_secret(name: &str) -> bool {
    let words = words(name);
    let is_key = |index: usize| {
        words[index] == "key"
            && (words.len() == 1 || index > 0 && KEY_WORDS.contains(&words[index - 1].as_str()))
    };
    let paired = |pair: &[String]| SECRET_WORDS.contains(&pair.concat().as_str());
    words.iter().any(|word| SECRET_WORDS.contains(&word.as_str()))
        || (0..words.len()).any(is_key)
        || words.windows(2).any(paired)
}

/// The words of a name, however it is written: `apiKey`, `api_key`, `API key`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        let begins = letter.is_uppercase() && before.is_lowercase();
        if !letter.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether `content` is what the form asks for.
///
/// # Errors
/// The field that does not fit, and how.
pub(crate) fn check(schema: &Value, content: &Value) -> Result<(), String> {
    let Some(given) = content.as_object() else { return Err("the content is not an object".to_owned()) };
    let nothing = Map::new();
    let fields = schema.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if let Some(name) = required.as_str()
            && !given.contains_key(name)
        {
            return Err(format!("`{name}` is missing"));
        }
    }
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (name, value) in given {
        match fields.get(name) {
            Some(field) => field_fits(field, value).map_err(|why| format!("`{name}` {why}"))?,
            None if closed => return Err(format!("`{name}` was not asked for")),
            None => {}
        }
    }
    Ok(())
}

fn field_fits(field: &Value, value: &Value) -> Result<(), String> {
    let kind = field.get("type").and_then(Value::as_str);
    let fits = match kind {
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        _ => true,
    };
    if !fits {
        return Err(format!("must be of type {}", kind.unwrap_or_default()));
    }
    if let Some(choices) = choices(field)
        && !choices.contains(&value)
    {
        return Err("is none of the choices".to_owned());
    }
    match value {
        Value::String(text) => within(field, ("minLength", "maxLength"), text.chars().count()),
        Value::Array(items) => {
            within(field, ("minItems", "maxItems"), items.len())?;
            let element = field.get("items").unwrap_or(&Value::Null);
            items.iter().try_for_each(|item| field_fits(element, item))
        }
        Value::Number(number) => {
            let bound = |key: &str| field.get(key).and_then(Value::as_f64);
            let number = number.as_f64().unwrap_or_default();
            let low = bound("minimum").is_some_and(|minimum| number < minimum);
            let high = bound("maximum").is_some_and(|maximum| number > maximum);
            if low || high { Err("is out of range".to_owned()) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// The values that a field may have, where it names them (SEP-1330).
fn choices(field: &Value) -> Option<Vec<&Value>> {
    if let Some(values) = field.get("enum").and_then(Value::as_array) {
        return Some(values.iter().collect());
    }
    let titled = ["oneOf", "anyOf"].into_iter().find_map(|key| field.get(key)?.as_array())?;
    titled.iter().map(|choice| choice.get("const")).collect()
}

fn within(field: &Value, (least, most): (&str, &str), count: usize) -> Result<(), String> {
    let bound =
        |key: &str| field.get(key).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    let short = bound(least).is_some_and(|least| count < least);
    let long = bound(most).is_some_and(|most| count > most);
    if short || long { Err("is too short or too long".to_owned()) } else { Ok(()) }
}
