//! What is wrong with a configuration, where, and what to do about it.
//!
//! A diagnostic never shows a value that came from a reference or from a place that holds secrets.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is used; someone should look at it.
    Warning,
}

/// One thing that is wrong with a configuration.
///
/// Displayed as `file:line:column: path: message`, then the way on in a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as it was named to the loader.
    pub file: String,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the file as a whole is meant.
    pub column: usize,
    /// The key, such as `gateways.corp.sessions.timeout`; empty when the file as a whole is meant.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do; empty when the message says it all.
    pub help: String,
}

impl Diagnostic {
    /// Where it is: `file:line:column`, or the file as a whole.
    #[must_use]
    pub fn place(&self) -> String {
        if self.line == 0 {
            return self.file.clone();
        }
        format!("{}:{}:{}", self.file, self.line, self.column)
    }

    /// Everything else about it, on one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        let help = if self.help.is_empty() { String::new() } else { format!("; {}", self.help) };
        format!("{path}{}{help}", self.message)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())?;
        if self.severity == Severity::Warning {
            f.write_str(": warning")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

/// What is wrong with one value, before it is known where the value stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: String::new() }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// `text` in backticks, as [`printable`] has it.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", printable(text))
}

/// `text` without control characters, cut to a length a line can hold.
pub(crate) fn printable(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String =
        text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
