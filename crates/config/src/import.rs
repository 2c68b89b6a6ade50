//! Turns a client's MCP configuration into a configuration of ours.
//!
//! Understands `mcpServers` (Claude, Cursor, Windsurf and others) and `servers` (VS Code), with the comments and
//! trailing commas that VS Code allows. A value that looks like a secret becomes a reference and is never
//! written anywhere; what to export stands in comments at the top. Starts nothing, and reads no file.

mod jsonc;
mod server;
mod source;
mod variables;
mod write;

use server::{Outcome, Target};
use source::Server;
use variables::Variables;

use crate::name;

/// Bytes a client configuration may have. Some clients keep their whole state in the same file.
const BYTES_MAX: usize = 16 << 20;

/// A configuration made from a client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The YAML text, ready to be saved.
    pub yaml: String,
    /// Environment variables it refers to, in the order they appear.
    pub variables: Vec<String>,
    /// What was left out or changed. Also in comments of the text.
    pub notes: Vec<String>,
}

/// Why a client configuration was not taken. Never shows a value from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Not JSON, even with comments and trailing commas allowed.
    #[error("line {line}, column {column}: is not valid JSON")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON of another shape.
    #[error("line {line}, column {column}: `mcpServers` or `servers` must be a map from a name to a server")]
    Shape {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// More than 16 MiB.
    #[error("is larger than {} MiB", BYTES_MAX >> 20)]
    TooLarge,
    /// Neither `mcpServers` nor `servers`, or nothing in it.
    #[error("names no server: expected `mcpServers` (Claude, Cursor) or `servers` (VS Code)")]
    NoServers,
}

/// Makes a configuration from the text of a client's.
///
/// # Errors
/// When the text is not such a configuration.
pub fn import(text: &str) -> Result<Imported, ImportError> {
    if text.len() > BYTES_MAX {
        return Err(ImportError::TooLarge);
    }
    let servers = source::read(&jsonc::to_json(text))?;
    if servers.is_empty() {
        return Err(ImportError::NoServers);
    }
    let mut variables = Variables::default();
    let mut notes = Vec::new();
    let mut targets: Vec<Target> = Vec::new();
    for Server { name, value } in &servers {
        let target_name = target_name(name, &targets);
        if target_name != *name {
            notes.push(format!("{} became `{target_name}`", crate::diagnostic::quoted(name)));
        }
        match server::convert(&target_name, value, &mut variables, &mut notes) {
            Outcome::Target(target) => targets.push(*target),
            Outcome::Skipped(reason) => notes.push(format!("`{target_name}` is left out: {reason}")),
        }
    }
    let yaml = write::config(&targets, &variables, &notes);
    Ok(Imported { yaml, variables: variables.names(), notes })
}

/// `GitHub MCP` becomes `github-mcp`; a name that is taken gets a number.
fn target_name(written: &str, taken: &[Target]) -> String {
    let mut base = String::new();
    for c in written.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            base.push(c);
        } else if !base.is_empty() && !base.ends_with('-') {
            base.push('-');
        }
    }
    base.truncate(name::BYTES_MAX);
    let base = match base.trim_end_matches('-') {
        "" => "server",
        base => base,
    };
    let is_free = |name: &str| taken.iter().all(|target| target.name != name);
    if is_free(base) {
        return base.to_owned();
    }
    let numbered = |number: usize| {
        let ending = format!("-{number}");
        let cut = base.len().min(name::BYTES_MAX - ending.len());
        format!("{}{ending}", base[..cut].trim_end_matches('-'))
    };
    (2..).map(numbered).find(|name| is_free(name)).unwrap_or_else(|| base.to_owned())
}
