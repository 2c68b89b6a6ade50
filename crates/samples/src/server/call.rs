//! What a tool is given, and what it gives back.

use mcp::{Object, Raw};
use serde_json::Value;

use super::outlet::Notices;
use super::question::{Answer, Inquiry, Question};

/// Who calls, as far as the server has verified it.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The user; empty where the server asks nobody who they are.
    pub subject: String,
    /// What the user is in the organisation.
    pub roles: Vec<String>,
}

impl Caller {
    /// Whether the caller has this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|has| has == role)
    }
}

/// One `tools/call` in progress. Its future is dropped when the client cancels.
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    arguments: Object,
    notices: Notices,
    inquiry: Inquiry,
}

/// What a tool that worked gives back.
#[derive(Clone, Debug)]
pub struct Done {
    text: String,
    structured: Option<Value>,
}

/// Why a tool did not do what it was asked: one sentence for the model, which can try again. Not a protocol error.
#[derive(Clone, Debug)]
pub struct Failed(pub String);

/// Why a call has no result yet, or none that is good.
#[derive(Clone, Debug)]
pub enum Undone {
    /// It did not work.
    Failed(Failed),
    /// A person has to answer first; the tool is run anew with the answer, under this key.
    Asks(&'static str, Question),
}

impl Call {
    pub(super) fn new(caller: Caller, arguments: Object, notices: Notices, inquiry: Inquiry) -> Self {
        Self { caller, arguments, notices, inquiry }
    }

    /// An argument that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.arguments.string(name)
    }

    /// An argument that is text, and that the tool cannot do without.
    ///
    /// # Errors
    /// It is missing, or not text.
    pub fn required_text(&self, name: &str) -> Result<String, Failed> {
        self.text(name).ok_or_else(|| Failed(format!("The argument `{name}` is missing, or not text.")))
    }

    /// An argument that is a whole number.
    ///
    /// # Errors
    /// It is there and is no whole number.
    pub fn whole_number(&self, name: &str) -> Result<Option<u64>, Failed> {
        let number = |value: Raw| {
            value.to_u64().ok_or_else(|| Failed(format!("The argument `{name}` must be a whole number.")))
        };
        self.arguments.get(name).map(number).transpose()
    }

    /// Tells the client how far the work is, if it asked to be told.
    pub async fn progress(&self, done: u64, total: u64, message: &str) {
        self.notices.progress(done, total, message).await;
    }

    /// Writes a log message for the client, at level `info`.
    pub async fn log(&self, message: &str) {
        self.notices.log(message).await;
    }

    /// Asks the person behind the client. What the tool does before it asks may be done twice, so it should be nothing.
    /// `key` tells the questions of one tool apart.
    ///
    /// # Errors
    /// The client cannot be asked, or the answer comes with another call: either way the tool ends here.
    pub async fn ask(&self, key: &'static str, question: Question) -> Result<Answer, Undone> {
        self.inquiry.ask(key, question).await
    }
}

impl Done {
    /// An answer for people and models.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), structured: None }
    }

    /// The same answer once more, for programs. It has to fit the tool's `outputSchema`.
    #[must_use]
    pub fn with(self, structured: Value) -> Self {
        Self { structured: Some(structured), ..self }
    }

    pub(super) fn into_result(self) -> Value {
        let mut result = content(&self.text);
        if let Some(structured) = self.structured {
            result["structuredContent"] = structured;
        }
        result
    }
}

impl From<Failed> for Undone {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl Undone {
    pub(super) fn into_result(self) -> Value {
        match self {
            Self::Failed(failed) => failed.into_result(),
            Self::Asks(key, question) => question.into_result(key),
        }
    }
}

impl Failed {
    fn into_result(self) -> Value {
        let mut result = content(&self.0);
        result["isError"] = true.into();
        result
    }
}

fn content(text: &str) -> Value {
    serde_json::json!({ "content": [{ "type": "text", "text": text }] })
}
