//! The open questions of one call.

use std::collections::BTreeMap;
use std::time::Duration;

use audit::Reaction;
use mcp::code::{ErrorObject, INVALID_PARAMS};
use mcp::{IdKey, Object, Raw};
use serde_json::Value;
use tokio::time::Instant;
use upstream::{Question, QuestionKind as Kind};

use crate::desk::Sampled;
use crate::form;
use crate::rules::Fair;

/// A question as it goes to the client.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Which of the call's questions it is.
    pub handle: u64,
    /// The kind.
    pub kind: Kind,
    /// The parameters.
    pub params: Raw,
}

/// What came back for a question.
#[derive(Clone, Debug)]
pub enum Given {
    /// A result.
    Result(Raw),
    /// An error object.
    Error(Raw),
    /// Nothing, and nothing will come.
    Nothing,
}

/// The open questions of one call.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    open: BTreeMap<u64, Open>,
    last: u64,
}

/// One open question.
#[derive(Debug)]
pub(crate) struct Open {
    kind: Kind,
    fair: Fair,
    way: Way,
    record: audit::Question,
    expires: Option<Instant>,
    _sampled: Option<Sampled>,
}

/// How an answer goes back.
#[derive(Debug)]
pub(crate) enum Way {
    /// To the server that waits for it.
    Server(Question),
    /// With the call, when it is sent again, under this key.
    Round(String),
}

/// An answer that has its place.
#[derive(Debug)]
pub(crate) enum Settled {
    /// It is on its way.
    Sent,
    /// It goes with the call, under this key.
    Kept(String, Raw),
    /// The call cannot go on without one.
    Missing(Raw),
}

impl Asked {
    /// Opens a question; it is given up after `patience`, where there is one.
    pub(crate) fn open(
        &mut self,
        (kind, fair): (Kind, Fair),
        way: Way,
        record: audit::Question,
        patience: Option<Duration>,
        sampled: Option<Sampled>,
    ) -> Asking {
        self.last += 1;
        let asking = Asking { handle: self.last, kind, params: fair.params.clone() };
        let expires = patience.map(|patience| Instant::now() + patience);
        self.open.insert(self.last, Open { kind, fair, way, record, expires, _sampled: sampled });
        asking
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = Asking> {
        self.open.iter().map(|(handle, open)| Asking {
            handle: *handle,
            kind: open.kind,
            params: open.fair.params.clone(),
        })
    }

    /// What they take, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.open.values().map(|open| open.fair.params.as_bytes().len()).sum()
    }

    /// The newest.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.open.last_key_value().map(|(handle, _)| *handle)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// When the next one is given up.
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.open.values().filter_map(|open| open.expires).min()
    }

    /// One whose time is over.
    pub(crate) fn expired(&self) -> Option<u64> {
        let now = Instant::now();
        let over = |open: &Open| open.expires.is_some_and(|at| at <= now);
        self.open.iter().find(|(_, open)| over(open)).map(|(handle, _)| *handle)
    }

    /// Whether `answer` fits the question `handle`; anything fits one that is not open.
    pub(crate) fn fits(&self, handle: u64, answer: &Raw) -> bool {
        self.open.get(&handle).is_none_or(|open| open.fits(answer).is_ok())
    }

    /// Brings an answer back. `None`: there is no such question any more.
    pub(crate) fn answer(&mut self, handle: u64, given: Given, unanswered: Reaction) -> Option<Settled> {
        let open = self.open.remove(&handle)?;
        let (reaction, outcome) = open.outcome(given, unanswered);
        open.record.close(reaction);
        Some(match (open.way, outcome) {
            (Way::Server(question), outcome) => {
                question.answer(outcome);
                Settled::Sent
            }
            (Way::Round(key), Ok(result)) => Settled::Kept(key, result),
            // An answer to an `inputRequest` is a bare result: there is no place for an error in it.
            (Way::Round(key), Err(error)) => match open.kind.unanswered() {
                Ok(nothing) => Settled::Kept(key, nothing),
                Err(_) => Settled::Missing(error),
            },
        })
    }

    /// Ends the question that its server asked under this id, which it has withdrawn; `None`: it is not open.
    pub(crate) fn withdraw(&mut self, id: &IdKey) -> Option<u64> {
        let meant =
            |open: &Open| matches!(&open.way, Way::Server(question) if question.id().as_ref() == Some(id));
        let handle = self.open.iter().find(|(_, open)| meant(open)).map(|(handle, _)| *handle)?;
        let open = self.open.remove(&handle)?;
        open.record.close(Reaction::Withdrawn);
        if let Way::Server(question) = open.way {
            question.withdraw();
        }
        Some(handle)
    }

    /// Gives all of them up.
    pub(crate) fn give_up(&mut self, reaction: Reaction) {
        while let Some((handle, _)) = self.open.first_key_value() {
            let handle = *handle;
            self.answer(handle, Given::Nothing, reaction);
        }
    }
}

impl Open {
    fn outcome(&self, given: Given, unanswered: Reaction) -> (Reaction, Result<Raw, Raw>) {
        match given {
            Given::Nothing => (unanswered, self.kind.unanswered().map_err(|error| error.to_raw())),
            Given::Error(error) => (Reaction::Failed, Err(error)),
            Given::Result(result) => match self.fits(&result) {
                Ok(reaction) => (reaction, Ok(result)),
                Err(why) => {
                    let sentence = format!("The client's answer does not fit the question: {why}.");
                    (Reaction::Invalid, Err(ErrorObject::new(INVALID_PARAMS, sentence).to_raw()))
                }
            },
        }
    }

    /// Whether an answer is one, and what it says.
    fn fits(&self, answer: &Raw) -> Result<Reaction, String> {
        fits(self.kind, self.fair.form.as_ref(), answer)
    }
}

/// Whether `answer` is an answer to a question of this kind, and what it says.
///
/// # Errors
/// Why not.
pub(crate) fn fits(kind: Kind, schema: Option<&Value>, answer: &Raw) -> Result<Reaction, String> {
    let result = Object::of(answer).ok_or("it is not an object")?;
    match kind {
        Kind::Form | Kind::Url => match result.string("action").as_deref() {
            Some("accept") => {
                if let Some(schema) = schema {
                    let content = result.get("content").ok_or("it has no content")?;
                    form::check(schema, &content.to_value())?;
                }
                Ok(Reaction::Accepted)
            }
            Some("decline") => Ok(Reaction::Declined),
            Some("cancel") => Ok(Reaction::Cancelled),
            _ => Err("`action` is not accept, decline or cancel".to_owned()),
        },
        Kind::Sampling => match (result.get("role"), result.get("content")) {
            (Some(_), Some(_)) => Ok(Reaction::Accepted),
            _ => Err("it has no `role` or no `content`".to_owned()),
        },
        Kind::Roots => match result.get("roots") {
            Some(roots) if roots.as_bytes().first() == Some(&b'[') => Ok(Reaction::Accepted),
            _ => Err("`roots` is not a list".to_owned()),
        },
    }
}
