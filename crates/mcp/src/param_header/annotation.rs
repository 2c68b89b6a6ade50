//! Finds the `x-mcp-header` annotations in a schema and refuses the ones that break the rules.
//!
//! Resolves no reference and evaluates no condition: an annotation that would need it is invalid by the specification.

use crate::header::MCP_PARAM_PREFIX;
use crate::object::elements;
use crate::{Object, Raw};

use super::{ParamHeader, ParamHeaders};

#[cfg(test)]
mod tests;

const KEY: &str = "x-mcp-header";

/// Keywords whose value is an object of schemas under names of the author's choice.
const NAMED_SCHEMAS: &[&str] =
    &["$defs", "definitions", "patternProperties", "dependentSchemas", "dependencies"];
/// Keywords whose value is data, in which nothing is an annotation.
const DATA: &[&str] = &["default", "const", "enum", "examples", "example"];

/// Schemas and lists of schemas within each other.
const DEPTH_MAX: usize = 128;

/// Why a tool's schema cannot be honoured. `at` names the property, dotted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnnotation {
    /// Not a string.
    #[error("`x-mcp-header` of `{at}` must be a string")]
    NotAString {
        /// The property.
        at: String,
    },
    /// Empty.
    #[error("`x-mcp-header` of `{at}` must not be empty")]
    Empty {
        /// The property.
        at: String,
    },
    /// RFC 9110, section 5.6.2.
    #[error("`x-mcp-header` of `{at}` may have letters, digits and !#$%&'*+-.^_`|~ only")]
    NotAToken {
        /// The property.
        at: String,
    },
    /// Header names know no case.
    #[error("`x-mcp-header` of `{at}` names the header `{header}` a second time")]
    Duplicate {
        /// The property.
        at: String,
        /// The header.
        header: String,
    },
    /// Only these have one spelling as text; `number` has several.
    #[error("`{at}` has `x-mcp-header` and must have the type string, integer or boolean")]
    NotPrimitive {
        /// The property.
        at: String,
    },
    /// Not reached from the root through `properties` alone.
    #[error("`x-mcp-header` at `{at}` must stand in a property that is reached through `properties` only")]
    Unreachable {
        /// The place in the schema.
        at: String,
    },
    /// Schemas nested deeper than any that is written by hand.
    #[error("schemas nest more than {DEPTH_MAX} levels deep in one that has `x-mcp-header`")]
    TooDeep,
    /// More than [`ParamHeaders::MAX`].
    #[error("more than {} properties have `x-mcp-header`", ParamHeaders::MAX)]
    TooMany,
}

/// The annotations of `schema`, in the order of its properties.
pub(super) fn find(schema: &Raw) -> Result<Vec<ParamHeader>, InvalidAnnotation> {
    // Most tools have none. A backslash may hide one.
    if !schema.as_str().contains(KEY) && !schema.as_str().contains('\\') {
        return Ok(Vec::new());
    }
    let mut walk = Walk::default();
    walk.schema(schema, Reached::Root)?;
    Ok(walk.found)
}

/// How the walk came to a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    Root,
    Properties,
    Otherwise,
}

#[derive(Default)]
struct Walk {
    found: Vec<ParamHeader>,
    path: Vec<String>,
    depth: usize,
}

impl Walk {
    /// Visits a schema and all schemas in it.
    fn schema(&mut self, schema: &Raw, reached: Reached) -> Result<(), InvalidAnnotation> {
        let Some(schema) = Object::of(schema) else { return Ok(()) };
        self.deeper(|walk| walk.members(&schema, reached))
    }

    fn members(&mut self, schema: &Object, reached: Reached) -> Result<(), InvalidAnnotation> {
        if let Some(annotation) = schema.get(KEY) {
            self.annotation(&annotation, schema, reached)?;
        }
        for (keyword, value) in schema.iter() {
            match &*keyword {
                "properties" if reached != Reached::Otherwise => self.named(&value, Reached::Properties)?,
                "properties" => self.named(&value, Reached::Otherwise)?,
                keyword if DATA.contains(&keyword) => {}
                keyword if NAMED_SCHEMAS.contains(&keyword) => {
                    self.inside(keyword, |walk| walk.named(&value, Reached::Otherwise))?;
                }
                keyword => self.inside(keyword, |walk| walk.unnamed(&value))?,
            }
        }
        Ok(())
    }

    fn named(&mut self, schemas: &Raw, reached: Reached) -> Result<(), InvalidAnnotation> {
        let Some(schemas) = Object::of(schemas) else { return Ok(()) };
        schemas.iter().try_for_each(|(name, schema)| self.inside(&name, |walk| walk.schema(&schema, reached)))
    }

    /// The value of any other keyword: a schema, a list of schemas, or neither.
    fn unnamed(&mut self, value: &Raw) -> Result<(), InvalidAnnotation> {
        if value.is_object() {
            return self.schema(value, Reached::Otherwise);
        }
        let elements = elements(value);
        if elements.is_empty() {
            Ok(())
        } else {
            self.deeper(|walk| elements.iter().try_for_each(|element| walk.unnamed(element)))
        }
    }

    fn deeper(
        &mut self,
        visit: impl FnOnce(&mut Self) -> Result<(), InvalidAnnotation>,
    ) -> Result<(), InvalidAnnotation> {
        if self.depth == DEPTH_MAX {
            return Err(InvalidAnnotation::TooDeep);
        }
        self.depth += 1;
        let visited = visit(self);
        self.depth -= 1;
        visited
    }

    fn inside<T>(&mut self, name: &str, visit: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.to_owned());
        let visited = visit(self);
        self.path.pop();
        visited
    }

    fn annotation(
        &mut self,
        annotation: &Raw,
        schema: &Object,
        reached: Reached,
    ) -> Result<(), InvalidAnnotation> {
        let at = || if self.path.is_empty() { "$".to_owned() } else { self.path.join(".") };
        if reached != Reached::Properties {
            return Err(InvalidAnnotation::Unreachable { at: at() });
        }
        let name = annotation.to_text().ok_or_else(|| InvalidAnnotation::NotAString { at: at() })?;
        if name.is_empty() {
            return Err(InvalidAnnotation::Empty { at: at() });
        }
        if !name.bytes().all(is_token_character) {
            return Err(InvalidAnnotation::NotAToken { at: at() });
        }
        if !schema.get("type").is_some_and(|kind| is_primitive(&kind)) {
            return Err(InvalidAnnotation::NotPrimitive { at: at() });
        }
        let header = format!("{MCP_PARAM_PREFIX}{}", name.to_ascii_lowercase());
        if self.found.iter().any(|param| param.header == header) {
            return Err(InvalidAnnotation::Duplicate { at: at(), header });
        }
        if self.found.len() == ParamHeaders::MAX {
            return Err(InvalidAnnotation::TooMany);
        }
        self.found.push(ParamHeader { header, path: self.path.clone() });
        Ok(())
    }
}

/// A type that has one spelling as text. It may be nullable: null is sent as no header.
fn is_primitive(kind: &Raw) -> bool {
    let is = |kind: &Raw, name: &str| kind.to_text().is_some_and(|text| text == name);
    let primitive = |kind: &Raw| ["string", "integer", "boolean"].iter().any(|name| is(kind, name));
    match elements(kind).as_slice() {
        [] => primitive(kind),
        [one] => primitive(one),
        [one, other] => primitive(one) && is(other, "null") || is(one, "null") && primitive(other),
        _ => false,
    }
}

/// RFC 9110, section 5.6.2: `tchar`.
fn is_token_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
