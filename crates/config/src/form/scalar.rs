//! Single values: texts, numbers, durations, sizes, choices.
//!
//! A message shows what stands in the file, never what a reference resolved to.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use super::units::{parse_duration, parse_size, write_duration, write_size};
use super::{Form, Written, mismatch};
use crate::diagnostic::Problem;
use crate::interpolate::{Resolved, Source};
use crate::node::{Kind, Node, Scalar as Words};
use crate::place::Place;

type Parse<T> = Box<dyn Fn(&Resolved) -> Result<T, Problem>>;
type Write<T> = Box<dyn Fn(&T) -> Value>;

/// A single value, parsed from the text it was written with.
pub(crate) struct Scalar<T> {
    expects: String,
    schema: Value,
    accepts: Accepts,
    parse: Parse<T>,
    write: Write<T>,
}

/// Which spellings are taken for a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepts {
    /// Numbers and booleans too, as they were written: `args: [--port, 8080]`.
    Anything,
    /// Only what YAML itself takes for a text.
    Text,
}

impl<T> Form for Scalar<T> {
    type Out = T;

    fn read(&self, place: &Place<'_>) -> Option<T> {
        let Kind::Scalar(words) = &place.node.kind else {
            mismatch(place, &self.expects);
            return None;
        };
        let is_other = |words: &Words| words.is_null() || words.is_bool() || words.is_number();
        if words.is_null() || (self.accepts == Accepts::Text && is_other(words)) {
            mismatch(place, &self.expects);
            return None;
        }
        let resolved = place.resolve(&words.text)?;
        (self.parse)(&resolved).map_err(|problem| place.error(problem)).ok()
    }

    fn schema(&self) -> Value {
        self.schema.clone()
    }

    fn fits(&self, node: &Node) -> bool {
        matches!(node.kind, Kind::Scalar(_))
    }

    fn expects(&self) -> String {
        self.expects.clone()
    }
}

impl<T> Written for Scalar<T> {
    fn write(&self, value: &T) -> Value {
        (self.write)(value)
    }
}

impl<T: 'static> Scalar<T> {
    /// Adds what to write instead of a text that is refused without a help of its own. `hint` takes the text as it
    /// stands in the file; one that holds a reference is not looked at.
    pub(crate) fn hint(mut self, hint: fn(&str) -> Option<String>) -> Self {
        let parse = self.parse;
        self.parse = Box::new(move |from| {
            parse(from).map_err(|problem| match (from.source, hint(&from.written)) {
                (Source::Literal, Some(help)) if problem.help.is_empty() => problem.help(help),
                _ => problem,
            })
        });
        self
    }
}

/// A text that `parse` turns into a value; `expects` says in words what it must be.
pub(crate) fn text<T: ToString>(
    expects: &str,
    parse: impl Fn(&Resolved) -> Result<T, Problem> + 'static,
) -> Scalar<T> {
    Scalar {
        expects: expects.to_owned(),
        schema: json!({ "type": "string" }),
        accepts: Accepts::Text,
        parse: Box::new(parse),
        write: Box::new(|value| Value::String(value.to_string())),
    }
}

/// A text of 1 to `bytes_max` bytes.
pub(crate) fn plain_text(bytes_max: usize) -> Scalar<String> {
    let mut form = text("a text", move |from: &Resolved| {
        check_length(from, bytes_max)?;
        Ok(from.value.clone())
    });
    form.schema = json!({ "type": "string", "minLength": 1, "maxLength": bytes_max });
    form
}

/// A text of up to `bytes_max` bytes that may also be written as a number or a boolean; parsed by `parse`.
pub(crate) fn loose_text<T: 'static>(
    bytes_max: usize,
    parse: impl Fn(&Resolved) -> Result<T, Problem> + 'static,
) -> Scalar<T> {
    Scalar {
        expects: "a text".to_owned(),
        schema: json!({ "type": ["string", "number", "boolean"] }),
        accepts: Accepts::Anything,
        parse: Box::new(move |from| {
            if from.value.len() > bytes_max {
                return Err(Problem::new(format!("must not be longer than {bytes_max} bytes")));
            }
            parse(from)
        }),
        write: Box::new(|_| Value::Null),
    }
}

/// A duration within `range`.
pub(crate) fn duration(range: RangeInclusive<Duration>) -> Scalar<Duration> {
    let (min, max) = (write_duration(*range.start()), write_duration(*range.end()));
    Scalar {
        expects: "a duration such as `30s`, `15m` or `1h`".to_owned(),
        schema: json!({
            "type": "string",
            "description": format!("A duration from {min} to {max}."),
            "anyOf": [{ "pattern": "^([0-9]+(ms|s|m|h|d))+$" }, { "$ref": "#/$defs/reference" }],
        }),
        accepts: Accepts::Anything,
        parse: Box::new(move |from| {
            let Some(value) = parse_duration(&from.value) else {
                return Err(Problem::new(format!("must be a duration, is {}", from.shown()))
                    .help("write a number and a unit: `500ms`, `45s`, `15m`, `1h`"));
            };
            if range.contains(&value) { Ok(value) } else { Err(outside(&min, &max, &from.written)) }
        }),
        write: Box::new(|value| Value::String(write_duration(*value))),
    }
}

/// A number of bytes within `range`.
pub(crate) fn size(range: RangeInclusive<usize>) -> Scalar<usize> {
    let (min, max) = (write_size(*range.start()), write_size(*range.end()));
    Scalar {
        expects: "a size such as `64KiB` or `4MiB`".to_owned(),
        schema: json!({
            "description": format!("A size from {min} to {max}; a plain number counts bytes."),
            "anyOf": [
                { "type": "integer", "minimum": range.start(), "maximum": range.end() },
                { "type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB)$" },
                { "$ref": "#/$defs/reference" },
            ],
        }),
        accepts: Accepts::Anything,
        parse: Box::new(move |from| {
            let Some(value) = parse_size(&from.value) else {
                return Err(Problem::new(format!("must be a size, is {}", from.shown()))
                    .help("write `64KiB`, `4MiB`, `1GiB`, or a number of bytes"));
            };
            if range.contains(&value) { Ok(value) } else { Err(outside(&min, &max, &from.written)) }
        }),
        write: Box::new(|value| Value::String(write_size(*value))),
    }
}

/// A whole number within `range`.
pub(crate) fn count(range: RangeInclusive<usize>) -> Scalar<usize> {
    let (min, max) = (range.start().to_string(), range.end().to_string());
    Scalar {
        expects: format!("a whole number from {min} to {max}"),
        schema: json!({ "anyOf": [
            { "type": "integer", "minimum": range.start(), "maximum": range.end() },
            { "$ref": "#/$defs/reference" },
        ]}),
        accepts: Accepts::Anything,
        parse: Box::new(move |from| match from.value.parse() {
            Ok(value) if range.contains(&value) => Ok(value),
            Ok(_) => Err(outside(&min, &max, &from.written)),
            Err(_) => {
                Err(Problem::new(format!("must be a whole number from {min} to {max}, is {}", from.shown())))
            }
        }),
        write: Box::new(|value| json!(value)),
    }
}

/// One of a few words. A word that YAML reads as a boolean is written as one in the schema.
pub(crate) fn choice<T: Copy + PartialEq + 'static>(words: &'static [(&'static str, T)]) -> Scalar<T> {
    let expected = alternatives(words);
    choice_among(words, expected)
}

/// One of a few words where `other`, which is no word, may stand instead.
pub(crate) fn choice_or<T: Copy + PartialEq + 'static>(
    words: &'static [(&'static str, T)],
    other: &str,
) -> Scalar<T> {
    let expected = format!("{} or {other}", alternatives(words));
    choice_among(words, expected)
}

fn choice_among<T: Copy + PartialEq + 'static>(
    words: &'static [(&'static str, T)],
    expected: String,
) -> Scalar<T> {
    let names: Vec<Value> = words.iter().map(|(word, _)| written_word(word)).collect();
    Scalar {
        expects: alternatives(words),
        schema: json!({ "anyOf": [{ "enum": names }, { "$ref": "#/$defs/reference" }] }),
        accepts: Accepts::Anything,
        parse: Box::new(move |from| {
            let found = words.iter().find(|(word, _)| *word == from.value);
            found
                .map(|(_, value)| *value)
                .ok_or_else(|| Problem::new(format!("must be {expected}, is {}", from.shown())))
        }),
        write: Box::new(|value| {
            let word = words.iter().find(|(_, known)| known == value);
            word.map_or(Value::Null, |(word, _)| written_word(word))
        }),
    }
}

/// `a`, `b` or `c`.
fn alternatives<T>(words: &[(&'static str, T)]) -> String {
    let listed = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match listed.rsplit_once(", ") {
        Some((first, last)) => format!("{first} or {last}"),
        None => listed,
    }
}

/// Refuses an empty text and one that is too long.
pub(crate) fn check_length(from: &Resolved, bytes_max: usize) -> Result<(), Problem> {
    if from.value.trim().is_empty() {
        return Err(Problem::new("must not be empty"));
    }
    if from.value.len() > bytes_max {
        return Err(Problem::new(format!("must not be longer than {bytes_max} bytes")));
    }
    Ok(())
}

fn written_word(word: &str) -> Value {
    match word {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => Value::String(word.to_owned()),
    }
}

fn outside(min: &str, max: &str, written: &str) -> Problem {
    Problem::new(format!("must be between {min} and {max}, is {written}"))
}
