//! A map with known keys: each key is named, described, bounded and read in one place.
//!
//! The same function runs against a written map and against nothing, to describe it.
//! INVARIANT: it reads every key before it looks at any value, so that all mistakes are found and all keys described.

use serde_json::{Map, Value, json};

use super::{Form, Written, mismatch};
use crate::diagnostic::Problem;
use crate::node::{Entry, Kind};
use crate::place::Place;
use crate::similar::closest;

/// A map with known keys, while it is read or described.
pub(crate) struct Section<'a> {
    source: Source<'a>,
    /// Keys asked for so far.
    known: Vec<&'static str>,
    /// Keys nothing more is said about.
    excused: Vec<&'static str>,
}

enum Source<'a> {
    Written(Place<'a>),
    Described { properties: Map<String, Value>, required: Vec<&'static str> },
}

impl<'a> Section<'a> {
    /// Reads the map at `place` with `read`, then reports every key `read` did not ask for.
    pub(crate) fn read<T>(place: &Place<'a>, read: impl Fn(&mut Self) -> Option<T>) -> Option<T> {
        let Kind::Map(_) = &place.node.kind else {
            mismatch(place, "a map");
            return None;
        };
        let mut section =
            Self { source: Source::Written(place.clone()), known: Vec::new(), excused: Vec::new() };
        let value = read(&mut section);
        section.report_unknown();
        value
    }

    /// The JSON Schema of what `read` asks for.
    pub(crate) fn describe<T>(read: impl Fn(&mut Self) -> Option<T>) -> Value {
        let source = Source::Described { properties: Map::new(), required: Vec::new() };
        let mut section = Self { source, known: Vec::new(), excused: Vec::new() };
        read(&mut section);
        let Source::Described { properties, required } = section.source else { return Value::Null };
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    /// A key that may be absent.
    pub(crate) fn optional<F: Form>(&mut self, key: &'static str, doc: &str, form: &F) -> Option<F::Out> {
        self.known.push(key);
        match &mut self.source {
            Source::Described { properties, .. } => {
                properties.insert(key.to_owned(), described(doc, form.schema()));
                None
            }
            Source::Written(place) => {
                let entry = find(place, key)?;
                let place = place.entry(entry);
                if place.node.is_null() {
                    let problem = Problem::new(format!("has no value; must be {}", form.expects()));
                    place.at_key().error(problem.help("write a value, or remove the key"));
                    return None;
                }
                form.read(&place)
            }
        }
    }

    /// A key with a default. A bad value gives the default too, after its error was noted.
    pub(crate) fn or<F: Written>(
        &mut self,
        key: &'static str,
        doc: &str,
        form: &F,
        default: F::Out,
    ) -> F::Out {
        let value = self.optional(key, doc, form);
        if let Source::Described { properties, .. } = &mut self.source
            && let Some(property) = properties.get_mut(key)
        {
            property["default"] = form.write(&default);
        }
        value.unwrap_or(default)
    }

    /// A key that must be written; `help` says how.
    pub(crate) fn required<F: Form>(
        &mut self,
        key: &'static str,
        doc: &str,
        form: &F,
        help: &str,
    ) -> Option<F::Out> {
        match &mut self.source {
            Source::Described { required, .. } => required.push(key),
            Source::Written(place) => {
                if find(place, key).is_none() && !self.excused.contains(&key) {
                    place.error_at_missing(key, Problem::new("is missing").help(help));
                }
            }
        }
        self.optional(key, doc, form)
    }

    /// A key of a capability that this version does not have.
    pub(crate) fn later(&mut self, key: &'static str) {
        if let Source::Written(place) = &self.source
            && let Some(entry) = find(place, key)
        {
            self.known.push(key);
            place
                .entry(entry)
                .at_key()
                .error(Problem::new("is not available in this version").help("remove the key"));
        }
    }

    /// Reports `keys`, which belong one level deeper under `key`, once for all that are written here.
    pub(crate) fn misplaced(&mut self, keys: &[&'static str], key: &'static str) {
        let Source::Written(place) = &self.source else { return };
        let mut entries = place.entries().iter().filter(|entry| keys.contains(&entry.key.as_str()));
        let names: Vec<String> = entries.clone().map(|entry| format!("`{}`", entry.key)).collect();
        let Some(first) = entries.next() else { return };
        let verb = if names.len() == 1 { "belongs" } else { "belong" };
        let help = format!("{} {verb} under `{key}:`", names.join(", "));
        place.entry(first).at_key().error(Problem::new("is not a known key").help(help));
        self.excused.extend(keys);
        self.excused.push(key);
    }

    /// Whether a key is written that nobody knows and that looks like `key`. To be asked after every key was read.
    pub(crate) fn has_like(&self, key: &str) -> bool {
        let Source::Written(place) = &self.source else { return false };
        let mut unknown = place.entries().iter().filter(|entry| !self.known.contains(&entry.key.as_str()));
        unknown.any(|entry| closest(&entry.key, &self.known) == Some(key))
    }

    /// Whether `key` is written, well or badly.
    pub(crate) fn has(&self, key: &str) -> bool {
        matches!(&self.source, Source::Written(place) if find(place, key).is_some())
    }

    /// Notes an error at the value of `key`, or at the section when the key is absent.
    pub(crate) fn error(&self, key: &str, problem: Problem) {
        if let Some(place) = self.place(key) {
            place.error(problem);
        }
    }

    /// Notes a warning at the value of `key`, or at the section when the key is absent.
    pub(crate) fn warn(&self, key: &str, problem: Problem) {
        if let Some(place) = self.place(key) {
            place.warn(problem);
        }
    }

    /// The value of `key`, or the section itself; nothing while the section is only described.
    fn place(&self, key: &str) -> Option<Place<'a>> {
        match &self.source {
            Source::Written(place) => {
                Some(find(place, key).map_or_else(|| place.at_key(), |entry| place.entry(entry)))
            }
            Source::Described { .. } => None,
        }
    }

    fn report_unknown(&self) {
        let Source::Written(place) = &self.source else { return };
        for entry in place.entries() {
            let key = entry.key.as_str();
            if self.known.contains(&key) || self.excused.contains(&key) {
                continue;
            }
            let help = match closest(&entry.key, &self.known) {
                Some(name) => format!("did you mean `{name}`?"),
                None if matches!(entry.key.as_str(), "mcpServers" | "servers") => {
                    "this is a client's configuration: `portcullis import` turns it into one of ours"
                        .to_owned()
                }
                None => format!("the keys here are {}", self.known.join(", ")),
            };
            place.entry(entry).at_key().error(Problem::new("is not a known key").help(help));
        }
    }
}

fn find<'a>(place: &Place<'a>, key: &str) -> Option<&'a Entry> {
    place.entries().iter().find(|entry| entry.key == key)
}

/// `doc` in front of what the form says about itself.
fn described(doc: &str, mut schema: Value) -> Value {
    let description = match schema.get("description").and_then(Value::as_str) {
        Some(bounds) => format!("{doc} {bounds}"),
        None => doc.to_owned(),
    };
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), Value::String(description));
    }
    schema
}
