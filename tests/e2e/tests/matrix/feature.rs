//! The features, and what a client must have seen of each.

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// A form is filled in.
    FormAccept,
    /// A form is declined.
    FormDecline,
    /// A form is put away.
    FormCancel,
    /// A person is sent to an address.
    Url,
    /// Two forms are open at once, and each answer reaches its own question.
    Two,
    /// The client's model is asked.
    Sampling,
    /// The client's roots are asked for.
    Roots,
    /// Progress of a call, all of it and in order.
    Progress,
    /// A cancelled call ends in the server.
    Cancel,
    /// A change of a resource is told to who asked for it.
    Subscribe,
}

/// In the order of the table.
pub const ALL: [Feature; 10] = [
    Feature::FormAccept,
    Feature::FormDecline,
    Feature::FormCancel,
    Feature::Url,
    Feature::Two,
    Feature::Sampling,
    Feature::Roots,
    Feature::Progress,
    Feature::Cancel,
    Feature::Subscribe,
];

/// The outcome of one feature for one client at one backend.
pub enum Cell {
    /// As it must be.
    Ok,
    /// Refused, as it must be.
    Cannot(&'static str),
    /// Neither.
    Failed(String),
}

/// What the client library showed its caller.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The text of the tool's result.
    pub said: Option<String>,
    /// The tool's error, or the caller's exception.
    pub failed: Option<String>,
    /// The questions, in order.
    pub asked: Vec<Asked>,
    /// The progress notifications of the call: progress, total, message.
    pub progress: Vec<(f64, Option<f64>, Option<String>)>,
    /// The resources that were said to have changed.
    pub updates: Vec<String>,
}

/// One question.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// `form`, `url`, `sampling` or `roots`.
    pub kind: String,
    /// The message, the address, or the prompt.
    pub text: String,
}

impl Seen {
    /// Whether the call failed before anybody was asked.
    pub fn was_refused(&self) -> bool {
        self.failed.is_some() && self.asked.is_empty()
    }

    fn said(&self) -> Result<&str> {
        self.said.as_deref().context("the call failed")
    }

    /// The answers the tool got, by the key of the question.
    fn answers(&self) -> Result<Value> {
        let answers = self.said()?.strip_prefix("answers: ").context("the tool said something else")?;
        Ok(serde_json::from_str(answers)?)
    }

    fn asked(&self, kind: &str, wording: &str) -> Result<&str> {
        let mut fitting =
            self.asked.iter().filter(|asked| asked.kind == kind && asked.text.contains(wording));
        let asked = fitting.next().with_context(|| format!("no {kind} question `{wording}`"))?;
        ensure!(fitting.next().is_none(), "asked twice: `{wording}`");
        Ok(&asked.text)
    }

    fn asked_only(&self, kind: &str, wording: &str) -> Result<&str> {
        ensure!(self.asked.len() == 1, "{} questions, not one", self.asked.len());
        self.asked(kind, wording)
    }
}

impl Feature {
    /// The name in the reports of the clients.
    pub fn name(self) -> &'static str {
        match self {
            Self::FormAccept => "form_accept",
            Self::FormDecline => "form_decline",
            Self::FormCancel => "form_cancel",
            Self::Url => "url",
            Self::Two => "two",
            Self::Sampling => "sampling",
            Self::Roots => "roots",
            Self::Progress => "progress",
            Self::Cancel => "cancel",
            Self::Subscribe => "subscribe",
        }
    }

    /// Whether that is what must be seen; `key` is the client's own.
    pub fn verify(self, seen: &Seen, key: &str) -> Result<()> {
        match self {
            Self::FormAccept => {
                let question = seen.asked_only("form", "Which value?")?;
                same(&seen.answers()?["form"], &accepted(question))
            }
            Self::FormDecline => dismissed(seen, "decline"),
            Self::FormCancel => dismissed(seen, "cancel"),
            Self::Url => {
                seen.asked_only("url", "https://consent.example.com/form?for=fixture")?;
                same(&seen.answers()?["consent"], &json!({"action": "accept"}))
            }
            Self::Two => {
                ensure!(seen.asked.len() == 2, "{} questions, not two", seen.asked.len());
                let answers = seen.answers()?;
                same(&answers["first"], &accepted(seen.asked("form", "Which first?")?))?;
                same(&answers["second"], &accepted(seen.asked("form", "Which second?")?))
            }
            Self::Sampling => {
                seen.asked_only("sampling", "Say something")?;
                said(seen, "LLM response: words of a model")
            }
            Self::Roots => {
                seen.asked_only("roots", "")?;
                same(&seen.answers()?["client_roots"]["roots"][0]["uri"], &json!("file:///home/matrix"))
            }
            Self::Progress => {
                let step =
                    |at: u8| (f64::from(at) * 50.0, Some(100.0), Some(format!("step {} of 3", at + 1)));
                ensure!(seen.progress == [0, 1, 2].map(step), "other progress");
                said(seen, "done after 3 steps")
            }
            Self::Cancel => said(seen, "cancelled"),
            Self::Subscribe => {
                // Once at least: other clients subscribe meanwhile, and at an overlap it is told twice (ADR 7).
                let own = format!("test://template/{key}/data");
                ensure!(!seen.updates.is_empty(), "no update");
                ensure!(seen.updates.iter().all(|uri| *uri == own), "updates of something else");
                said(seen, "Update announced")
            }
        }
    }
}

/// Makes sure that a client which saw nothing passes nowhere.
pub fn can_fail() -> Result<()> {
    for feature in ALL {
        ensure!(
            feature.verify(&Seen::default(), "").is_err(),
            "{feature:?} passes although nothing happened"
        );
    }
    ensure!(!Seen::default().was_refused(), "nothing at all passes for a refusal");
    Ok(())
}

fn accepted(question: &str) -> Value {
    json!({"action": "accept", "content": {"value": format!("to {question}")}})
}

fn dismissed(seen: &Seen, action: &str) -> Result<()> {
    seen.asked_only("form", "Which value?")?;
    same(&seen.answers()?["form"], &json!({"action": action}))
}

fn said(seen: &Seen, expected: &str) -> Result<()> {
    ensure!(seen.said()? == expected, "the tool did not say `{expected}`");
    Ok(())
}

fn same(found: &Value, expected: &Value) -> Result<()> {
    if found != expected {
        bail!("the tool got {found}, not {expected}");
    }
    Ok(())
}
