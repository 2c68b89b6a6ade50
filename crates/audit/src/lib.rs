//! One structured event per client operation, from one place.
//!
//! An [`Intent`] is opened before a server is asked and closed with an [`Outcome`]; one that is dropped unclosed was cancelled.
//! The event names who, what, where and how it went. It never holds a token, an argument, a result or a session id.

mod question;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use question::{Question, Reaction, Trail};

/// Numbers the calls of one process.
static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// What a client wants, before anything is sent.
#[derive(Debug)]
pub struct Intent {
    /// The gateway's name.
    pub gateway: Arc<str>,
    /// The principal's issuer; empty for the anonymous one.
    pub issuer: String,
    /// The principal's subject.
    pub subject: String,
    /// The OAuth client that acts for the subject.
    pub client: Option<String>,
    /// The method on the wire.
    pub method: Cow<'static, str>,
    /// The exposed name or URI; empty where the method has none.
    pub item: String,
    /// The target's name; empty where the gateway answers itself.
    pub target: Arc<str>,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Ok,
    /// With a result that says the tool failed (`isError`).
    ToolError,
    /// With a JSON-RPC error of this code.
    Error(i64),
    /// Refused by policy, or hidden from this principal.
    Denied,
    /// With a question: the client is to ask again, with the answer.
    InputRequired,
    /// Cancelled by the client, by the end of its session, or by the end of the process.
    Cancelled,
}

/// An operation that has begun. Close it; dropping it records that it was cancelled.
#[derive(Debug)]
pub struct Pending {
    call: u64,
    intent: Option<Arc<Intent>>,
    begun: Instant,
}

impl Pending {
    /// Records that an operation begins.
    #[must_use]
    pub fn open(intent: Intent) -> Self {
        let call = NEXT_CALL.fetch_add(1, Ordering::Relaxed);
        Self { call, intent: Some(Arc::new(intent)), begun: Instant::now() }
    }

    /// Under which the questions of this operation are recorded.
    #[must_use]
    pub fn trail(&self) -> Trail {
        Trail { call: self.call, intent: self.intent.clone() }
    }

    pub(crate) fn into_trail(mut self) -> Trail {
        Trail { call: self.call, intent: self.intent.take() }
    }

    /// Records how the operation ended.
    pub fn close(mut self, outcome: Outcome) {
        if let Some(intent) = self.intent.take() {
            write(self.call, &intent, outcome, self.begun.elapsed());
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(intent) = self.intent.take() {
            write(self.call, &intent, Outcome::Cancelled, self.begun.elapsed());
        }
    }
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::Error(_) => "error",
            Self::Denied => "denied",
            Self::InputRequired => "input_required",
            Self::Cancelled => "cancelled",
        }
    }

    fn code(self) -> Option<i64> {
        match self {
            Self::Error(code) => Some(code),
            _ => None,
        }
    }
}

fn write(call: u64, intent: &Intent, outcome: Outcome, took: Duration) {
    tracing::info!(
        target: "portcullis::audit",
        call,
        gateway.name = &*intent.gateway,
        issuer = intent.issuer,
        subject = intent.subject,
        client = intent.client,
        method = &*intent.method,
        item = intent.item,
        target.name = &*intent.target,
        outcome = outcome.name(),
        code = outcome.code(),
        duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "{} {}", intent.method, outcome.name()
    );
}
