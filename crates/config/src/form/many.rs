//! Lists, maps with free names, and maps with known keys.

use serde_json::{Value, json};

use super::section::Section;
use super::{Form, mismatch};
use crate::diagnostic::{Problem, quoted};
use crate::node::{Kind, Node};
use crate::place::Place;

/// A list of values of one form.
pub(crate) struct List<F> {
    form: F,
    max: usize,
    hint: fn(&str) -> String,
}

/// A list of up to `max` values.
pub(crate) fn list<F: Form>(form: F, max: usize) -> List<F> {
    List { form, max, hint: |_| String::new() }
}

impl<F> List<F> {
    /// Adds what to write instead of a single text. `hint` takes the text as it stands in the file.
    pub(crate) fn hint(self, hint: fn(&str) -> String) -> Self {
        Self { hint, ..self }
    }
}

impl<F: Form> Form for List<F> {
    type Out = Vec<F::Out>;

    fn read(&self, place: &Place<'_>) -> Option<Self::Out> {
        let Kind::List(items) = &place.node.kind else {
            let message =
                format!("must be a list, each item {}, is {}", self.form.expects(), place.node.describe());
            let help = match &place.node.kind {
                Kind::Scalar(words) => (self.hint)(&words.text),
                _ => String::new(),
            };
            place.error(Problem::new(message).help(help));
            return None;
        };
        if items.len() > self.max {
            place.error(Problem::new(format!(
                "must not have more than {} items, has {}",
                self.max,
                items.len()
            )));
            return None;
        }
        let read = items.iter().enumerate().map(|(index, node)| self.form.read(&place.item(index, node)));
        // Every item is read before the first bad one ends it, so that each gets its message.
        read.collect::<Vec<_>>().into_iter().collect()
    }

    fn schema(&self) -> Value {
        json!({ "type": "array", "items": self.form.schema(), "maxItems": self.max })
    }

    fn fits(&self, node: &Node) -> bool {
        matches!(node.kind, Kind::List(_))
    }

    fn expects(&self) -> String {
        "a list".to_owned()
    }
}

/// The rule that free names of a map follow.
pub(crate) struct Names {
    /// What an entry is called: "a gateway name".
    pub(crate) what: &'static str,
    /// For the schema.
    pub(crate) pattern: &'static str,
    /// Takes the name as written, gives it as kept.
    pub(crate) check: fn(&str) -> Result<String, Problem>,
    /// Entries at most.
    pub(crate) max: usize,
}

/// A map with free names, in the order written.
pub(crate) struct Named<F> {
    names: Names,
    read: F,
}

/// A map with free names whose values are of one form.
pub(crate) struct Pairs<F> {
    names: Names,
    form: F,
}

/// A map from a free name to what `read` makes of the section under it.
pub(crate) fn named<T, F>(names: Names, read: F) -> Named<F>
where
    F: Fn(&str, &mut Section<'_>) -> Option<T>,
{
    Named { names, read }
}

/// A map from a free name to a value.
pub(crate) fn pairs<F: Form>(names: Names, form: F) -> Pairs<F> {
    Pairs { names, form }
}

impl<T, F: Fn(&str, &mut Section<'_>) -> Option<T>> Form for Named<F> {
    type Out = Vec<T>;

    fn read(&self, place: &Place<'_>) -> Option<Vec<T>> {
        let read = |name: &str, place: &Place<'_>| Section::read(place, |section| (self.read)(name, section));
        Some(each(place, &self.names, read)?.into_iter().map(|(_, value)| value).collect())
    }

    fn schema(&self) -> Value {
        map_schema(&self.names, &Section::describe(|section| (self.read)("", section)))
    }

    fn fits(&self, node: &Node) -> bool {
        matches!(node.kind, Kind::Map(_))
    }

    fn expects(&self) -> String {
        format!("a map from {}", self.names.what)
    }
}

impl<F: Form> Form for Pairs<F> {
    type Out = Vec<(String, F::Out)>;

    fn read(&self, place: &Place<'_>) -> Option<Self::Out> {
        each(place, &self.names, |_, place| self.form.read(place))
    }

    fn schema(&self) -> Value {
        map_schema(&self.names, &self.form.schema())
    }

    fn fits(&self, node: &Node) -> bool {
        matches!(node.kind, Kind::Map(_))
    }

    fn expects(&self) -> String {
        format!("a map from {}", self.names.what)
    }
}

/// A map with known keys, read by one function.
pub(crate) struct Block<F>(F);

/// A map with known keys, read by `read`.
pub(crate) fn block<T, F: Fn(&mut Section<'_>) -> Option<T>>(read: F) -> Block<F> {
    Block(read)
}

impl<T, F: Fn(&mut Section<'_>) -> Option<T>> Form for Block<F> {
    type Out = T;

    fn read(&self, place: &Place<'_>) -> Option<T> {
        Section::read(place, &self.0)
    }

    fn schema(&self) -> Value {
        Section::describe(&self.0)
    }

    fn fits(&self, node: &Node) -> bool {
        matches!(node.kind, Kind::Map(_))
    }

    fn expects(&self) -> String {
        "a map".to_owned()
    }
}

/// Reads every entry of the map at `place`, even after a bad one; `None` when one was bad.
fn each<T>(
    place: &Place<'_>,
    names: &Names,
    read: impl Fn(&str, &Place<'_>) -> Option<T>,
) -> Option<Vec<(String, T)>> {
    let Kind::Map(entries) = &place.node.kind else {
        mismatch(place, &format!("a map from {}", names.what));
        return None;
    };
    if entries.len() > names.max {
        let message = format!("must not have more than {} entries, has {}", names.max, entries.len());
        place.error(Problem::new(message));
        return None;
    }
    let mut values: Vec<Option<(String, T)>> = Vec::with_capacity(entries.len());
    for entry in entries {
        let name =
            (names.check)(&entry.key).map_err(|problem| place.entry(entry).at_key().error(problem)).ok();
        let value = read(name.as_deref().unwrap_or(&entry.key), &place.entry(entry));
        if let Some(name) = &name
            && values.iter().flatten().any(|(known, _)| known == name)
        {
            let problem = Problem::new(format!("means the same as another key: {}", quoted(name)));
            place.entry(entry).at_key().error(problem);
            values.push(None);
            continue;
        }
        values.push(name.zip(value));
    }
    values.into_iter().collect()
}

fn map_schema(names: &Names, value: &Value) -> Value {
    json!({
        "type": "object",
        "propertyNames": { "pattern": names.pattern },
        "additionalProperties": value,
        "maxProperties": names.max,
    })
}
