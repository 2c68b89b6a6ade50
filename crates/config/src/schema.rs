//! The JSON Schema of the file, from the same functions that read it.

use serde_json::{Value, json};

use crate::form::section::Section;
use crate::section::root;

/// The JSON Schema (2020-12) of the configuration file, with a description of every key.
#[must_use]
pub fn schema() -> Value {
    let mut schema = Section::describe(root::read);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Portcullis configuration");
    schema["$defs"] = json!({
        "reference": {
            "type": "string",
            "description": "`${NAME}` from the environment, or `${file:/path}` from a file.",
            "pattern": "\\$\\{[^}]+\\}",
        }
    });
    schema
}
