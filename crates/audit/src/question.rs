//! One event per question that a server asks in the middle of a call, when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Intent, Pending};

/// Under which the questions of one operation are recorded, also when it was interrupted by them. Clones share it.
#[derive(Clone, Debug)]
pub struct Trail {
    pub(crate) call: u64,
    pub(crate) intent: Option<Arc<Intent>>,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The person agreed, or the client answered.
    Accepted,
    /// The person said no.
    Declined,
    /// The person dismissed it.
    Cancelled,
    /// The client answered with an error.
    Failed,
    /// The answer does not fit the question, and went nowhere.
    Invalid,
    /// The gateway did not let it through to the client.
    Refused,
    /// The server did not want to know any more.
    Withdrawn,
    /// It answers nothing that is open: it is late, doubled, somebody else's or invented, and had no effect.
    Stray,
    /// Nobody answered in time.
    Expired,
    /// The call, the session or the process ended first.
    Interrupted,
}

/// A question that is open. Close it; dropping it records that it was interrupted.
#[derive(Debug)]
pub struct Question {
    trail: Trail,
    kind: &'static str,
    begun: Instant,
    open: bool,
}

impl Trail {
    /// Of what belongs to no operation.
    #[must_use]
    pub fn outside(intent: Intent) -> Self {
        Pending::open(intent).into_trail()
    }

    /// What the operation is about: a tool, a prompt, a URI.
    #[must_use]
    pub fn item(&self) -> Option<&str> {
        self.intent.as_deref().map(|intent| intent.item.as_str())
    }

    /// Records an answer to nothing that is open.
    pub fn stray(&self) {
        self.question("unknown").close(Reaction::Stray);
    }

    /// Records that a question of this kind is asked.
    #[must_use]
    pub fn question(&self, kind: &'static str) -> Question {
        Question { trail: self.clone(), kind, begun: Instant::now(), open: true }
    }
}

impl Question {
    /// Records what became of it.
    pub fn close(mut self, reaction: Reaction) {
        self.record(reaction);
    }

    fn record(&mut self, reaction: Reaction) {
        if std::mem::take(&mut self.open)
            && let Some(intent) = &self.trail.intent
        {
            write(&self.trail, intent, (self.kind, reaction), self.begun.elapsed());
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.record(Reaction::Interrupted);
    }
}

impl Reaction {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Stray => "stray",
            Self::Expired => "expired",
            Self::Interrupted => "interrupted",
        }
    }
}

fn write(trail: &Trail, intent: &Intent, (kind, reaction): (&str, Reaction), took: Duration) {
    tracing::info!(
        target: "portcullis::audit",
        call = trail.call,
        gateway.name = %intent.gateway,
        issuer = intent.issuer,
        subject = intent.subject,
        client = intent.client,
        method = %intent.method,
        item = intent.item,
        target.name = %intent.target,
        question = kind,
        reaction = reaction.name(),
        duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "{kind} question {}", reaction.name()
    );
}
