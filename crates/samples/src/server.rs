//! A small MCP server: the protocol once, so that a sample is nothing but a description and its own work.
//!
//! A [`Sample`] is data: list entries as they stand on the wire, each with the function behind it. What carries it
//! (HTTP in either era, or lines on a pipe) is beside it. It knows no database, no framework, and no gateway.

mod call;
mod dispatch;
mod feature;
pub mod http;
mod outlet;
mod question;
pub mod stdio;

pub use call::{Call, Caller, Done, Failed, Undone};
pub use feature::{Prompt, Resource, Template, Tool};
pub use question::{Answer, Question};

use serde_json::{Map, Value, json};

/// One server, described.
pub struct Sample {
    /// What it is called, for programs.
    pub name: &'static str,
    /// What it is called, for people.
    pub title: &'static str,
    /// What a client should know before it uses the server.
    pub instructions: &'static str,
    /// Whom its lists are for.
    pub lists: Lists,
    /// Whether its tools write log messages.
    pub logs: Logs,
    /// What can be done.
    pub tools: Vec<Tool>,
    /// What can be asked of a model.
    pub prompts: Vec<Prompt>,
    /// What can be read.
    pub resources: Vec<Resource>,
    /// What can be read, by pattern.
    pub templates: Vec<Template>,
}

/// Whom the lists of a server are for. Modern servers say so with every list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// The same for everyone, for at least a minute.
    Shared,
    /// Made for the caller, each time.
    PerCaller,
}

/// Whether the tools of a server write log messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// They do, at level `info`.
    Info,
    /// They do not.
    None,
}

impl Sample {
    /// `serverInfo`.
    fn info(&self) -> Value {
        json!({ "name": self.name, "title": self.title, "version": env!("CARGO_PKG_VERSION") })
    }

    /// What it can do, derived from what it offers.
    fn capabilities(&self) -> Value {
        let completes =
            self.prompts.iter().any(Prompt::completes) || self.templates.iter().any(Template::completes);
        let declared = [
            ("tools", !self.tools.is_empty()),
            ("prompts", !self.prompts.is_empty()),
            ("resources", !self.resources.is_empty() || !self.templates.is_empty()),
            ("completions", completes),
            ("logging", self.logs == Logs::Info),
        ];
        let there = declared.into_iter().filter(|(_, there)| *there);
        Value::Object(there.map(|(name, _)| (name.to_owned(), json!({}))).collect::<Map<_, _>>())
    }
}
