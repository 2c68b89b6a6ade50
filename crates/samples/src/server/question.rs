//! A question to the person behind the client, in the middle of a call.
//!
//! A tool asks in one way, whichever era its client speaks. On a stream it waits for the answer; where questions are
//! results it ends, and is run anew with the answers.

use std::time::Duration;

use mcp::{Object, Raw};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::call::{Failed, Undone};
use super::outlet::Outlet;

/// For a person to answer.
const PATIENCE: Duration = Duration::from_secs(600);

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    mode: Mode,
    params: Value,
}

/// What the person said.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Yes; with what was filled in, where there was a form.
    Accept(Object),
    /// No, or nothing.
    No,
}

/// How a question is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Form,
    Url,
}

impl Question {
    /// Fields to fill in.
    #[must_use]
    pub fn form(message: &str, schema: &Value) -> Self {
        Self {
            mode: Mode::Form,
            params: json!({ "mode": "form", "message": message, "requestedSchema": schema }),
        }
    }

    /// A page to visit.
    #[must_use]
    pub fn page(message: &str, url: &str) -> Self {
        let id = seal::random_id();
        let params = json!({ "mode": "url", "message": message, "url": url, "elicitationId": id });
        Self { mode: Mode::Url, params }
    }

    /// As a modern result carries it, under the `key` by which the answer will be known.
    pub(super) fn into_result(mut self, key: &str) -> Value {
        if let Some(params) = self.params.as_object_mut() {
            // An id of the era before.
            params.remove("elicitationId");
        }
        let request = json!({ "method": "elicitation/create", "params": self.params });
        json!({ "resultType": "input_required", "inputRequests": { key: request } })
    }
}

impl Answer {
    /// Reads an `ElicitResult`.
    fn of(result: &Object) -> Self {
        match result.string("action").as_deref() {
            Some("accept") => Self::Accept(result.object("content").unwrap_or_else(Object::empty)),
            _ => Self::No,
        }
    }
}

/// What a client can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Modes {
    form: bool,
    url: bool,
}

impl Modes {
    /// What it declared.
    pub(super) fn of(capabilities: &Object) -> Self {
        let Some(elicitation) = capabilities.object("elicitation") else { return Self::default() };
        // An empty object is what the revision before URLs declared.
        Self { form: elicitation.is_empty() || elicitation.has("form"), url: elicitation.has("url") }
    }

    fn contain(self, mode: Mode) -> bool {
        match mode {
            Mode::Form => self.form,
            Mode::Url => self.url,
        }
    }
}

/// How the client of one call is asked.
pub(super) enum Inquiry {
    /// Not at all.
    Nobody,
    /// On the stream of the call, which stays open.
    Stream(Line),
    /// In the result, where the question comes from a client that can be asked this; these are the answers so far.
    Result(Modes, Object),
}

/// A stream on which questions go out, and what opens one.
pub(super) struct Line {
    pub(super) modes: Modes,
    pub(super) outlet: Outlet,
    pub(super) open: Box<dyn Fn() -> Option<(u64, oneshot::Receiver<Object>)> + Send + Sync>,
}

impl Inquiry {
    /// Asks. `key` tells the questions of one tool apart.
    pub(super) async fn ask(&self, key: &'static str, question: Question) -> Result<Answer, Undone> {
        match self {
            Self::Stream(line) if line.modes.contain(question.mode) => {
                line.ask(question).await.map_err(Into::into)
            }
            Self::Result(modes, answers) if modes.contain(question.mode) => match answers.object(key) {
                Some(answer) => Ok(Answer::of(&answer)),
                None => Err(Undone::Asks(key, question)),
            },
            _ => {
                Err(Failed("This needs a person's answer, and this client cannot ask for one.".to_owned())
                    .into())
            }
        }
    }
}

impl Line {
    async fn ask(&self, question: Question) -> Result<Answer, Failed> {
        let lost = || Failed("The question could not be asked.".to_owned());
        let (id, answer) = (self.open)().ok_or_else(lost)?;
        let request =
            json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": question.params });
        self.outlet.send(Raw::value(&request).into()).await.map_err(|_| lost())?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(result)) => Ok(Answer::of(&result)),
            // Nobody answered, or the session is over.
            Ok(Err(_)) | Err(_) => Ok(Answer::No),
        }
    }
}
