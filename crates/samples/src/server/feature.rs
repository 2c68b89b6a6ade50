//! What a server offers: the list entry as it stands on the wire, and the function behind it.

use futures_util::future::{BoxFuture, FutureExt};
use mcp::Object;
use serde_json::Value;

use super::call::{Call, Caller, Done, Failed, Undone};

type Run = Box<dyn Fn(Call) -> BoxFuture<'static, Result<Done, Undone>> + Send + Sync>;
type Get = Box<dyn Fn(&Object) -> Result<Value, Failed> + Send + Sync>;
type Text = Box<dyn Fn() -> String + Send + Sync>;
type Read = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;
type Complete = fn(argument: &str) -> Vec<String>;

/// Something the server does.
pub struct Tool {
    pub(super) entry: Value,
    pub(super) run: Run,
    shown_to: fn(&Caller) -> bool,
}

/// A message for a model, filled in.
pub struct Prompt {
    pub(super) entry: Value,
    pub(super) get: Get,
    pub(super) complete: Option<Complete>,
}

/// One text to read.
pub struct Resource {
    pub(super) entry: Value,
    pub(super) text: Text,
}

/// Texts to read whose URIs have a pattern.
pub struct Template {
    pub(super) entry: Value,
    pub(super) read: Read,
    pub(super) complete: Option<Complete>,
}

impl Tool {
    /// The tool with this entry in `tools/list`; `run` does its work.
    pub fn new<F, Fut, E>(entry: Value, run: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, E>> + Send + 'static,
        E: Into<Undone>,
    {
        let run: Run = Box::new(move |call| run(call).map(|done| done.map_err(Into::into)).boxed());
        Self { entry, run, shown_to: |_| true }
    }

    /// Only for callers of whom `shown_to` holds. For all others the tool does not exist: not in the list, and not when
    /// it is called.
    #[must_use]
    pub fn only_for(self, shown_to: fn(&Caller) -> bool) -> Self {
        Self { shown_to, ..self }
    }

    /// The one question that list and call both ask.
    pub(super) fn exists_for(&self, caller: &Caller) -> bool {
        (self.shown_to)(caller)
    }
}

impl Prompt {
    /// The prompt with this entry in `prompts/list`; `get` answers its `messages` for the arguments.
    pub fn new(entry: Value, get: impl Fn(&Object) -> Result<Value, Failed> + Send + Sync + 'static) -> Self {
        Self { entry, get: Box::new(get), complete: None }
    }

    /// `complete` knows all values of the argument it is asked for.
    #[must_use]
    pub fn completed_by(self, complete: Complete) -> Self {
        Self { complete: Some(complete), ..self }
    }

    pub(super) fn completes(&self) -> bool {
        self.complete.is_some()
    }
}

impl Resource {
    /// The resource with this entry in `resources/list`; `text` is what a reader gets.
    pub fn new(entry: Value, text: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { entry, text: Box::new(text) }
    }
}

impl Template {
    /// The template with this entry in `resources/templates/list`; `read` answers the text at a URI, if there is one.
    pub fn new(entry: Value, read: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { entry, read: Box::new(read), complete: None }
    }

    /// `complete` knows all values of the variable it is asked for.
    #[must_use]
    pub fn completed_by(self, complete: Complete) -> Self {
        Self { complete: Some(complete), ..self }
    }

    pub(super) fn completes(&self) -> bool {
        self.complete.is_some()
    }
}

/// Whether `entry` is the one whose `key` is `value`.
pub(super) fn is_called(entry: &Value, key: &str, value: &str) -> bool {
    entry.get(key).and_then(Value::as_str) == Some(value)
}
