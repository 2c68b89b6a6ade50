//! One open request: what has arrived for it and was not read yet.
//!
//! Bounded, and never blocks whoever fills it: a consumer that is too slow loses progress and log messages, oldest
//! first, and never the answer.

mod state;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use mcp::{Message, Notification, Payload, Request, Response};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::link::Outgoing;
use crate::question::{Kind, Pause, Question};
use crate::relay::{Relay, Verdict, refusal};
use crate::streamable::too_many;
use crate::{Abilities, Event, UpstreamError};
use state::{Stage, State};

pub(super) use state::{GivenUp, Grain};

#[cfg(test)]
mod tests;

/// Questions that wait for the consumer of one request. Each may be as large as `limits.upstream_event`.
const QUESTIONS_MAX: usize = 8;

/// Shared by the connection, which fills it, the transport, which says when the request was written, and the consumer.
#[derive(Debug)]
pub(super) struct Waiter {
    /// The request as the server sees it.
    pub(super) relay: Relay,
    /// Whose business it is.
    pub(super) role: Role,
    state: Mutex<State>,
    changed: Notify,
    /// Wakes the connection when the consumer gives up.
    given_up: Arc<Notify>,
    /// The way back to the server, for as long as there is a connection.
    mailbox: mpsc::WeakSender<Outgoing>,
    /// Whether the server waits for an answer itself.
    pub(super) pause: Pause,
}

/// Whose business a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A client's call, or the gateway's upkeep: cancelled when it is given up.
    Call,
    /// Part of the handshake: never cancelled, because `initialize` may not be.
    Handshake,
    /// A modern server's subscription: open as long as somebody watches, and no call that a log could belong to.
    Subscription,
}

impl Waiter {
    pub(super) fn new(
        relay: Relay,
        role: Role,
        given_up: Arc<Notify>,
        mailbox: mpsc::WeakSender<Outgoing>,
    ) -> Arc<Self> {
        let state = State {
            stage: Stage::Queued,
            waiting: VecDeque::new(),
            bytes: 0,
            questions: VecDeque::new(),
            asked: 0,
            asking: BTreeSet::new(),
            withdrawn: VecDeque::new(),
            outcome: None,
            heard: Instant::now(),
        };
        let pause = Pause::default();
        Arc::new(Self {
            relay,
            role,
            state: Mutex::new(state),
            changed: Notify::new(),
            given_up,
            mailbox,
            pause,
        })
    }

    /// Called before the first byte is written. `false`: nobody wants the answer any more, do not write.
    pub(super) fn begin_write(&self) -> bool {
        self.update(|state| {
            let queued = state.stage == Stage::Queued;
            if queued {
                state.stage = Stage::Writing;
            }
            queued
        })
    }

    /// Called when all of it is written.
    pub(super) fn written(&self) {
        self.update(|state| {
            state.heard = Instant::now();
            if state.stage == Stage::Writing {
                state.stage = Stage::Sent;
            }
        });
        self.changed.notify_one();
    }

    /// Called when writing failed before a single byte went out.
    pub(super) fn nothing_written(&self) {
        self.update(|state| {
            if state.stage == Stage::Writing {
                state.stage = Stage::Queued;
            }
        });
    }

    /// Adds a notification, thinning out what waits when the bound is reached. Answers how many were lost for it.
    pub(super) fn push(&self, grain: Grain, notification: &Payload) -> usize {
        // The buffer that it came in may be much larger, and may hold many more.
        let notification = notification.detached();
        let lost = self.update(|state| {
            state.heard = Instant::now();
            if !state.stage.is_open() {
                return 0;
            }
            // A server that talks about it has read it, whatever the transport still waits for.
            if state.stage == Stage::Writing {
                state.stage = Stage::Sent;
            }
            let lost = state.make_room(grain, notification.len());
            state.bytes += notification.len();
            state.waiting.push_back((grain, notification));
            lost
        });
        self.changed.notify_one();
        lost
    }

    /// Passes a question of the server on to the consumer. Answers what to write back when it cannot be: the consumer is too
    /// slow. A server that asks without end has its request ended.
    pub(super) fn ask(&self, request: Request, kind: Kind) -> Option<Payload> {
        let most = self.relay.asks.most;
        let mailbox = self.mailbox.clone();
        let refused = self.update(|state| {
            state.heard = Instant::now();
            state.asked += 1;
            if state.stage.is_open() && state.asked > most {
                // The stage stays: the server is told that the request is cancelled when its consumer lets go.
                state.outcome = Some(Err(too_many(most)));
                return Some(refusal(&request));
            }
            if !state.stage.is_open() || state.questions.len() >= QUESTIONS_MAX {
                return Some(refusal(&request));
            }
            state.asking.extend(request.id.key());
            let way = Box::new(move |answer| write_back(&mailbox, answer));
            state.questions.push_back(Question::new(request, kind, way, &self.pause));
            None
        });
        self.changed.notify_one();
        refused
    }

    /// The server has cancelled a request of its own: if it was a question of this call, nobody has to answer it any more.
    pub(super) fn withdrawn(&self, notification: &Notification) {
        let Verdict::Deliver(Event::Withdrawn(id)) =
            self.relay.judge(Message::Notification(notification.clone()))
        else {
            return;
        };
        self.update(|state| {
            if !state.asking.remove(&id) {
                return;
            }
            state.heard = Instant::now();
            match state.questions.iter().position(|waiting| waiting.id().as_ref() == Some(&id)) {
                Some(at) => state.questions.remove(at).into_iter().for_each(Question::withdraw),
                None => state.withdrawn.push_back(id),
            }
        });
        self.changed.notify_one();
    }

    /// Ends the request, because its client lacks what the server needs. The server is told that it is cancelled.
    pub(super) fn lack(&self, needs: Abilities) {
        self.update(|state| {
            if state.stage.is_open() {
                state.outcome = Some(Err(UpstreamError::Lacks(needs)));
            }
        });
        self.changed.notify_one();
    }

    /// Notes that the server still works on it, though there is nothing to deliver.
    pub(super) fn hear(&self) {
        self.update(|state| state.heard = Instant::now());
    }

    /// The answer. A second one is ignored.
    pub(super) fn answer(&self, response: Response) {
        self.finish(Ok(response));
    }

    /// There will be no answer. What the consumer learns depends on whether the server may have seen the request.
    pub(super) fn fail(&self, error: impl FnOnce(GivenUp) -> UpstreamError) {
        let sent =
            self.update(|state| if state.stage == Stage::Queued { GivenUp::Unsent } else { GivenUp::Sent });
        self.finish(Err(error(sent)));
    }

    /// The consumer wants no answer any more. Wakes the connection, which tells the server.
    pub(super) fn give_up(&self) {
        // What is left of them is answered when they are dropped, outside of the lock.
        let _unanswered = self.update(|state| {
            state.stage = match state.stage {
                Stage::Queued => Stage::GivenUp(GivenUp::Unsent),
                Stage::Writing | Stage::Sent => Stage::GivenUp(GivenUp::Sent),
                ended => ended,
            };
            state.waiting.clear();
            state.bytes = 0;
            std::mem::take(&mut state.questions)
        });
        self.given_up.notify_one();
    }

    /// Whether, and how far, the request was given up.
    pub(super) fn given_up(&self) -> Option<GivenUp> {
        self.update(|state| match state.stage {
            Stage::GivenUp(how) => Some(how),
            Stage::Queued | Stage::Writing | Stage::Sent | Stage::Ended => None,
        })
    }

    /// When the server last did something for this request.
    pub(super) fn heard(&self) -> Instant {
        self.update(|state| state.heard)
    }

    /// Resolves when the request is on its way, or has ended without. Cancel safe.
    ///
    /// # Errors
    /// It could not be sent.
    pub(super) async fn sent(&self) -> Result<(), UpstreamError> {
        loop {
            let found = self.update(|state| match (&state.outcome, state.stage) {
                (Some(Err(error)), _) if error.nothing_sent() => Some(Err(error.clone())),
                (None, Stage::Queued | Stage::Writing) => None,
                _ => Some(Ok(())),
            });
            match found {
                Some(found) => return found,
                None => self.changed.notified().await,
            }
        }
    }

    /// What happened next: each notification in order, then the answer. Cancel safe.
    ///
    /// # Errors
    /// There is no answer and will be none.
    pub(super) async fn next(&self) -> Result<Event, UpstreamError> {
        loop {
            if let Some(event) = self.update(State::take) {
                return event;
            }
            self.changed.notified().await;
        }
    }

    fn finish(&self, outcome: Result<Response, UpstreamError>) {
        self.update(|state| {
            if state.stage.is_open() {
                state.stage = Stage::Ended;
                state.outcome = Some(outcome);
            }
        });
        self.changed.notify_one();
    }

    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Hands an answer to the connection, if there still is one.
fn write_back(mailbox: &mpsc::WeakSender<Outgoing>, text: Payload) {
    let Some(mailbox) = mailbox.upgrade() else { return };
    let outgoing = Outgoing { text, request: None, principal: None };
    if let Err(mpsc::error::TrySendError::Full(outgoing)) = mailbox.try_send(outgoing)
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        // The connection may end meanwhile; then nobody waits for the answer.
        runtime.spawn(async move { mailbox.send(outgoing).await });
    }
}
