//! One call in progress, from its permit to its final answer.

use std::sync::Arc;

use mcp::code::BACKEND_BROKE_PROTOCOL;
use mcp::{ErrorObject, Id, Payload, Response};
use tokio_util::task::task_tracker::TaskTrackerToken;
use upstream::{Event, Reply, UpstreamError};

use crate::bridge::{self, Bridge};
use crate::status::Status;

/// One call in progress. Yields what the client is to see; the last step is the answer, and there is always one.
/// Dropping it unfinished cancels the call, and records that.
#[derive(Debug)]
pub struct Exchange {
    id: Id,
    open: Option<Open>,
}

#[derive(Debug)]
enum Open {
    /// The gateway answers itself.
    Answered(Answer),
    /// A server is at work.
    Relayed(Box<Relayed>),
}

#[derive(Debug)]
struct Relayed {
    reply: Reply,
    bridge: Bridge,
    target: Arc<str>,
    record: audit::Pending,
    /// While it is held, the target is not shut down under the call.
    _lease: TaskTrackerToken,
}

/// What the client sees next.
#[derive(Debug)]
pub enum Step {
    /// A notification; more follows.
    Notification(Payload),
    /// The answer; nothing follows.
    Final(Answer),
}

/// A whole response, and what kind it is.
#[derive(Debug)]
pub struct Answer {
    /// The response.
    pub payload: Payload,
    /// What its HTTP status depends on.
    pub status: Status,
}

impl Answer {
    /// A response with `result`.
    #[must_use]
    pub fn result(id: &Id, result: Payload) -> Self {
        Self { payload: mcp::code::result(id, result), status: Status::Ok }
    }

    /// A response with `error`.
    #[must_use]
    pub fn error(id: Option<&Id>, error: &ErrorObject) -> Self {
        Self { payload: error.response(id), status: Status::Error(error.code) }
    }
}

impl Exchange {
    /// An exchange that the gateway answers itself.
    #[must_use]
    pub fn answered(id: Id, answer: Answer) -> Self {
        Self { id, open: Some(Open::Answered(answer)) }
    }

    /// An exchange that a server answers.
    #[must_use]
    pub fn relayed(
        id: Id,
        reply: Reply,
        bridge: Bridge,
        target: Arc<str>,
        record: audit::Pending,
        lease: TaskTrackerToken,
    ) -> Self {
        Self {
            id,
            open: Some(Open::Relayed(Box::new(Relayed { reply, bridge, target, record, _lease: lease }))),
        }
    }

    /// Waits for what the client sees next. After [`Step::Final`] it says that the exchange is over. Cancel safe.
    pub async fn next(&mut self) -> Step {
        let step = match &mut self.open {
            Some(Open::Relayed(relayed)) => relayed.reply.next().await,
            _ => return Step::Final(self.take_answer()),
        };
        match step {
            Ok(Event::Notification(payload)) => Step::Notification(payload),
            Ok(Event::Final(response)) => Step::Final(self.finish(Ok(response))),
            Err(error) => Step::Final(self.finish(Err(error))),
        }
    }

    fn take_answer(&mut self) -> Answer {
        match self.open.take() {
            Some(Open::Answered(answer)) => answer,
            _ => Answer::error(
                Some(&self.id),
                &ErrorObject::new(mcp::code::INTERNAL_ERROR, "The call is over; send a new request."),
            ),
        }
    }

    fn finish(&mut self, outcome: Result<Response, UpstreamError>) -> Answer {
        let Some(Open::Relayed(relayed)) = self.open.take() else { return self.take_answer() };
        let Relayed { bridge, target, record, .. } = *relayed;
        match outcome {
            Ok(response) => {
                let went = bridge::outcome(&response);
                let (answer, went) = match bridge.answer(&self.id, &response) {
                    Ok(payload) => (Answer { payload, status: Status::relayed(went) }, went),
                    Err(unfit) => (
                        self.refuse(&target, &unfit.to_string()),
                        audit::Outcome::Error(BACKEND_BROKE_PROTOCOL),
                    ),
                };
                record.close(went);
                answer
            }
            Err(error) => {
                tracing::warn!(target.name = %target, %error, "call failed");
                let error = error.to_error(&target);
                record.close(audit::Outcome::Error(error.code));
                Answer::error(Some(&self.id), &error)
            }
        }
    }

    fn refuse(&self, target: &str, why: &str) -> Answer {
        tracing::warn!(target.name = %target, why, "answer withheld");
        let sentence = format!("The server `{target}` {why}; ask its operator.");
        Answer::error(Some(&self.id), &ErrorObject::new(BACKEND_BROKE_PROTOCOL, sentence))
    }
}
