//! Forms that a server asks a person to fill in: what they ask for, and whether what came back fits.
//!
//! The schema of a form is flat (MCP 2025-11-25, Elicitation): an object whose properties are text, numbers, yes or no, or a
//! choice. What this room does not know of a schema it does not check, and never fetches.

use serde_json::{Map, Value};

#[cfg(test)]
mod tests;

/// What names a secret wherever it stands.
const SECRET_PARTS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "apikey",
    "secretkey",
    "privatekey",
    "credential",
    "mnemonic",
];
/// Words that name a secret, alone or several together.
const SECRET_WORDS: [&str; 21] = [
    "pwd",
    "secret",
    "secrets",
    "token",
    "bearer",
    "passkey",
    "seedphrase",
    "recoverycode",
    "backupcode",
    "verificationcode",
    "authenticationcode",
    "authcode",
    "onetimecode",
    "creditcard",
    "cardnumber",
    "ssn",
    "pin",
    "pincode",
    "otp",
    "totp",
    "mfacode",
];
/// Of these, and with these, what may be asked for as a number.
const NUMBERS: [&str; 13] = [
    "passcode",
    "password",
    "pin",
    "pincode",
    "otp",
    "totp",
    "mfacode",
    "cvv",
    "cvc",
    "securitycode",
    "verificationcode",
    "onetimecode",
    "cardnumber",
];
/// What makes a key of a lock out of a key of a keyboard.
const KEY_WORDS: [&str; 9] =
    ["api", "access", "private", "secret", "ssh", "signing", "encryption", "license", "auth"];

/// What a sentence says not to do with a secret; what follows "do not" is not always a warning ("do not worry: …").
const GIVING: [&str; 17] = [
    "add", "disclose", "enter", "give", "include", "insert", "paste", "provide", "put", "reveal", "send",
    "share", "submit", "tell", "type", "use", "write",
];
/// What turns such a sentence round: "do not give us anything but …".
const TURNS: [&str; 8] = ["but", "except", "instead", "just", "only", "than", "unless", "without"];

/// A field that asks for a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Secret<'a> {
    pub(crate) field: &'a str,
    /// What gave it away.
    pub(crate) word: &'static str,
}

/// The first field of a form, at any depth, that asks for a secret. A choice or a yes is none.
pub(crate) fn asks_for_secret(schema: &Value) -> Option<Secret<'_>> {
    fields(schema).into_iter().find_map(|(field, said)| Some(Secret { field, word: secret(field, said)? }))
}

/// Whether a person can write into a form what they like.
pub(crate) fn takes_text(schema: &Value) -> bool {
    fields(schema).into_iter().any(|(_, field)| takes(field) == Takes::Text)
}

/// Every field that a schema names, at any depth.
fn fields(schema: &Value) -> Vec<(&str, &Value)> {
    let mut found = Vec::new();
    let mut open = vec![schema];
    while let Some(schema) = open.pop() {
        match schema {
            Value::Object(members) => {
                if let Some(Value::Object(named)) = members.get("properties") {
                    found.extend(named.iter().map(|(name, field)| (name.as_str(), field)));
                }
                open.extend(members.values());
            }
            Value::Array(elements) => open.extend(elements),
            _ => {}
        }
    }
    found
}

/// What a person can put into a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Text,
    Number,
    /// One of a few things that the server knows already.
    Choice,
}

fn takes(field: &Value) -> Takes {
    let element = field.get("items").filter(|_| field.get("type").is_some_and(|kind| kind == "array"));
    let field = element.unwrap_or(field);
    if choices(field).is_some_and(|choices| !choices.is_empty()) {
        return Takes::Choice;
    }
    match field.get("type").and_then(Value::as_str) {
        Some("boolean") => Takes::Choice,
        Some("number" | "integer") => Takes::Number,
        _ => Takes::Text,
    }
}

/// The word by which a field asks for a secret.
fn secret(name: &str, field: &Value) -> Option<&'static str> {
    let text = |key| field.get(key).and_then(Value::as_str).unwrap_or_default();
    let says = |names: fn(&[String]) -> Option<&'static str>| {
        // A name says what the field is. A description may also say what it is not.
        [words(name), words(text("title")), wanted(text("description"))].iter().find_map(|words| names(words))
    };
    match takes(field) {
        Takes::Text if text("format") == "password" => Some("password"),
        Takes::Text => says(secret_among),
        Takes::Number => says(number_among),
        Takes::Choice => None,
    }
}

/// The secret that a text names.
pub(crate) fn names_secret(text: &str) -> Option<&'static str> {
    secret_among(&words(text))
}

fn secret_among(words: &[String]) -> Option<&'static str> {
    let is_key = |index: usize| {
        words[index] == "key"
            && (words.len() == 1 || index > 0 && KEY_WORDS.contains(&words[index - 1].as_str()))
    };
    if (0..words.len()).any(is_key) {
        return Some("key");
    }
    let whole = SECRET_WORDS.iter().chain(&NUMBERS);
    runs(words).find_map(|run| {
        let part = || SECRET_PARTS.iter().find(|part| run.contains(**part));
        whole.clone().find(|word| **word == run).or_else(part).copied()
    })
}

/// The secret among these words that may be a number.
fn number_among(words: &[String]) -> Option<&'static str> {
    runs(words).find_map(|run| NUMBERS.into_iter().find(|word| *word == run))
}

/// The words of a description without what it asks people not to give: from "do not give" to the end of the sentence.
fn wanted(description: &str) -> Vec<String> {
    let mut wanted = Vec::new();
    for sentence in description.split(['.', '!', '?', ';', ':', '\n']) {
        let words = words(sentence);
        let warns = |index: usize| {
            let before = index.checked_sub(1).map_or("", |before| words[before].as_str());
            matches!((before, words[index].as_str()), (_, "not" | "never" | "dont") | ("don", "t"))
                && words.get(index + 1).is_some_and(|next| GIVING.contains(&next.as_str()))
        };
        let turned = words.iter().any(|word| TURNS.contains(&word.as_str()));
        let end = (0..words.len()).find(|index| !turned && warns(*index)).unwrap_or(words.len());
        wanted.extend(words.into_iter().take(end));
    }
    wanted
}

/// One, two and three words that follow each other, together.
fn runs(words: &[String]) -> impl Iterator<Item = String> {
    (1..=3).flat_map(|length| words.windows(length)).map(<[String]>::concat)
}

/// The words of a text, however it is written: `apiKey`, `api_key`, `API key`, `password2`.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in text.chars().filter(|letter| !is_invisible(*letter)) {
        let begins = letter.is_uppercase() && before.is_lowercase();
        if !letter.is_alphabetic() || begins {
            words.push(String::new());
        }
        if letter.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What would part a word for a program, and not for a person.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
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
