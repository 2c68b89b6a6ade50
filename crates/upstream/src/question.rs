//! A question that a server asks its client in the middle of a call, and the way back for the answer.
//!
//! Every question is answered exactly once: what nobody answers is answered when it is dropped, in the way of a person who
//! went away. While one is open, the time that a call may take stands still.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp::code::{ErrorObject, INTERNAL_ERROR};
use mcp::{Id, IdKey, Object, Payload, Raw, Request};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Abilities;

#[cfg(test)]
mod tests;

/// What a server may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person is to fill in a form (`elicitation/create`).
    Form,
    /// A person is to open an address (`elicitation/create`, mode `url`).
    Url,
    /// The client's model is to generate (`sampling/createMessage`).
    Sampling,
    /// The client is to name its roots (`roots/list`).
    Roots,
}

impl Kind {
    /// The kind of a request of this method with these parameters; `None` when it is no question.
    #[must_use]
    pub fn of(method: &str, params: &Object) -> Option<Self> {
        match method {
            "elicitation/create" => match params.string("mode").as_deref() {
                None if params.get("mode").is_none() => Some(Self::Form),
                Some("form") => Some(Self::Form),
                Some("url") => Some(Self::Url),
                _ => None,
            },
            "sampling/createMessage" => Some(Self::Sampling),
            "roots/list" => Some(Self::Roots),
            _ => None,
        }
    }

    /// The method on the wire.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Self::Form | Self::Url => "elicitation/create",
            Self::Sampling => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }

    /// The kind as records name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Url => "url",
            Self::Sampling => "sampling",
            Self::Roots => "roots",
        }
    }

    /// The kind that records name so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Form, Self::Url, Self::Sampling, Self::Roots].into_iter().find(|kind| kind.name() == name)
    }

    /// What a client must be able to do to be asked this.
    #[must_use]
    pub fn needs(self, params: &Object) -> Abilities {
        match self {
            Self::Form => Abilities::FORM,
            Self::Url => Abilities::URL,
            Self::Sampling if params.get("tools").is_some() || params.get("toolChoice").is_some() => {
                Abilities::SAMPLING.with(Abilities::TOOLS)
            }
            Self::Sampling => Abilities::SAMPLING,
            Self::Roots => Abilities::ROOTS,
        }
    }

    /// What is answered in the place of somebody who went away: a dismissed dialogue, or an error where there is none.
    ///
    /// # Errors
    /// The error to answer with.
    pub fn unanswered(self) -> Result<Raw, ErrorObject> {
        match self {
            Self::Form | Self::Url => Ok(Raw::value(&json!({ "action": "cancel" }))),
            Self::Sampling | Self::Roots => Err(ErrorObject::new(
                INTERNAL_ERROR,
                "The client did not answer; go on without, or ask again.",
            )),
        }
    }
}

/// Takes a whole JSON-RPC response to the server that asked.
pub(crate) type Way = Box<dyn FnOnce(Payload) + Send + Sync>;

/// An open question of a legacy server. Dropped, it is answered like one that nobody answered.
pub struct Question {
    request: Request,
    kind: Kind,
    way: Option<Way>,
    _pause: Paused,
}

impl Question {
    /// The question keeps its parameters and its id, and nothing else of the message it came in.
    pub(crate) fn new(request: Request, kind: Kind, way: Way, pause: &Pause) -> Self {
        let id = Id::of(&request.id.text().detached()).unwrap_or(request.id);
        let params = Object::of(&request.params.text().detached()).unwrap_or_else(Object::empty);
        let request = Request { id, method: request.method, params };
        Self { request, kind, way: Some(way), _pause: pause.begin() }
    }

    /// What is asked.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its parameters, as the server wrote them.
    #[must_use]
    pub fn params(&self) -> &Object {
        &self.request.params
    }

    /// The server's own id of it.
    #[must_use]
    pub fn id(&self) -> Option<IdKey> {
        self.request.id.key()
    }

    /// Ends it without an answer: the server has withdrawn it (MCP, Cancellation).
    pub fn withdraw(mut self) {
        self.way = None;
    }

    /// Answers with a result or an error object's text.
    pub fn answer(mut self, outcome: Result<Raw, Raw>) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: Result<Raw, Raw>) {
        let Some(way) = self.way.take() else { return };
        let id = &self.request.id;
        way(match outcome {
            Ok(result) => mcp::code::result(id, result.into()),
            Err(error) => mcp::code::failed(id, error),
        });
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.send(self.kind.unanswered().map_err(|error| error.to_raw()));
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The time that a call waits for people, which does not count against its server. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pause(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    over: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    since: Option<Instant>,
    total: Duration,
}

/// One reason to wait, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Paused(Pause);

impl Pause {
    /// Somebody is waited for from now on.
    pub(crate) fn begin(&self) -> Paused {
        let mut state = self.state();
        state.open += 1;
        state.since.get_or_insert_with(Instant::now);
        drop(state);
        Paused(self.clone())
    }

    /// Whether somebody is waited for.
    pub(crate) fn is_open(&self) -> bool {
        self.state().open > 0
    }

    /// How long was waited in all.
    pub(crate) fn total(&self) -> Duration {
        let state = self.state();
        state.total + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Resolves when nobody is waited for. Cancel safe.
    pub(crate) async fn over(&self) {
        loop {
            let over = self.0.over.notified();
            if !self.is_open() {
                return;
            }
            over.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open -= 1;
        if state.open == 0
            && let Some(since) = state.since.take()
        {
            state.total += since.elapsed();
        }
        drop(state);
        self.0.0.over.notify_waiters();
    }
}
