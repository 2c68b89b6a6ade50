//! Questions that are open in a session, and which call each answer belongs to.
//!
//! A question is known by an id of the gateway's own, which no two questions of a session share. Only a response in the same
//! session, which is its principal's own, can answer it, and only once.

use std::sync::Arc;

use mcp::{Outcome, Payload, Raw, Response, write};
use serde_json::json;
use tokio::sync::mpsc;

use super::Session;
use crate::{Asking, Given};

#[cfg(test)]
mod tests;

/// Who waits for an answer.
#[derive(Debug)]
pub(super) struct Waiting {
    handle: u64,
    heard: mpsc::Sender<(u64, Given)>,
}

/// An open question of a session, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Inquiry {
    session: Arc<Session>,
    id: u64,
}

impl Session {
    /// Opens a question, whose answer goes to `heard` with `handle`; `None` when as many are open as may be.
    pub(crate) fn ask(self: &Arc<Self>, handle: u64, heard: mpsc::Sender<(u64, Given)>) -> Option<Inquiry> {
        let mut state = self.state();
        if state.inquiries.len() >= state.inquiries_max {
            drop(state);
            tracing::warn!("a session has as many open questions as `limits.questions_open` allows");
            return None;
        }
        state.last_inquiry += 1;
        let id = state.last_inquiry;
        state.inquiries.insert(id, Waiting { handle, heard });
        drop(state);
        Some(Inquiry { session: self.clone(), id })
    }

    /// Takes an answer to where it belongs. `false`: it is one to no open question, and has no effect.
    #[must_use]
    pub fn answered(&self, response: &Response) -> bool {
        let id = response.id.as_ref().and_then(mcp::Id::to_u64);
        let waiting = id.and_then(|id| self.state().inquiries.remove(&id));
        let Some(Waiting { handle, heard }) = waiting else {
            tracing::warn!("an answer came to no open question of its session; it had no effect");
            return false;
        };
        let given = match &response.outcome {
            Outcome::Result(result) => Given::Result(result.clone()),
            Outcome::Error(error) => Given::Error(error.clone()),
        };
        if let Err(mpsc::error::TrySendError::Full(answer)) = heard.try_send((handle, given)) {
            tokio::spawn(async move { heard.send(answer).await });
        }
        true
    }
}

impl Inquiry {
    /// The request that asks the client.
    pub(crate) fn request(&self, asking: &Asking) -> Payload {
        write::request(self.id, asking.kind.method(), asking.params.clone().into())
    }

    /// The notification that nobody has to answer any more.
    pub(crate) fn withdrawal(&self) -> Payload {
        write::notification("notifications/cancelled", Raw::value(&json!({ "requestId": self.id })).into())
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        self.session.state().inquiries.remove(&self.id);
    }
}
