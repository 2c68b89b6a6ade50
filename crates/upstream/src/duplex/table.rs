//! Which open request a message belongs to.
//!
//! Pure: owned by one connection's task, it reads and writes nothing. A message whose request cannot be told for sure
//! goes to nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mcp::{Kind, Malformed, Message, Notification, Outcome, Payload, Raw, Request, Response};
use tokio::time::Instant;

use super::link::{End, Tally};
use super::waiter::{GivenUp, Grain, Role, Waiter};
use crate::inbox::Update;
use crate::relay::{Verdict, answer_to_server};
use crate::update::{self, Acknowledged};
use crate::{Event, UpstreamError};

#[cfg(test)]
mod tests;

/// How long a cancelled request may still be at work in a server, so that a log message may be its own.
const ECHO: Duration = Duration::from_secs(60);
/// Cancelled requests remembered at a time.
const ECHOES_MAX: usize = 64;

/// The open requests of one connection.
pub(super) struct Table {
    open: HashMap<u64, Arc<Waiter>>,
    /// Requests that were cancelled and not answered, newest last.
    cancelled: VecDeque<(u64, Instant)>,
    /// Whether an open request may have been given up since the last look.
    given_up: bool,
    tally: Arc<Tally>,
    /// The result of `roots/list`, where the operator wrote one.
    roots: Option<Raw>,
    users: Users,
}

/// Whose requests a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Users {
    /// One user's.
    One,
    /// Everyone's. What does not say which request it belongs to may be about one that was answered before.
    All,
}

/// What is left to do after a message was sorted.
#[derive(Debug)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// Write this back to the server.
    Answer(Payload),
    /// Tell whoever watches.
    Heard(Heard),
}

/// What a server says that belongs to no call.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// These lists changed.
    Lists(&'static [Kind]),
    /// A resource changed.
    Updated(Update),
    /// What a subscription covers.
    Acknowledged(Arc<Acknowledged>),
}

impl Table {
    pub(super) fn new(tally: Arc<Tally>, roots: Option<Raw>, users: Users) -> Self {
        Self { open: HashMap::new(), cancelled: VecDeque::new(), given_up: false, tally, roots, users }
    }

    /// What was not delivered, in numbers.
    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Takes a request in, before it is written.
    pub(super) fn open(&mut self, waiter: Arc<Waiter>) {
        self.open.insert(waiter.relay.id, waiter);
    }

    /// Sorts one message.
    pub(super) fn sort(&mut self, message: Message) -> Left {
        match message {
            Message::Request(request) => return self.request(request),
            Message::Response(response) => self.response(response),
            Message::Notification(notification) => return self.notification(notification),
        }
        Left::Nothing
    }

    /// A message that cannot be read. With one request open it can only be about that one, which then ends.
    pub(super) fn broken(&mut self, malformed: &Malformed) {
        let Some(id) = self.only_call().map(|waiter| waiter.relay.id) else {
            return self.tally.count_stray();
        };
        if let Some(waiter) = self.open.remove(&id) {
            waiter.fail(|_| UpstreamError::BrokeProtocol(malformed.to_string()));
        }
    }

    /// A request that could not be delivered.
    pub(super) fn undelivered(&mut self, waiter: &Waiter, error: UpstreamError) {
        self.open.remove(&waiter.relay.id);
        waiter.fail(|_| error);
    }

    /// Some open request was given up.
    pub(super) fn note_given_up(&mut self) {
        self.given_up = true;
    }

    /// The next request that its consumer gave up, with whether its server has to be told.
    pub(super) fn take_given_up(&mut self) -> Option<(u64, GivenUp)> {
        if !self.given_up {
            return None;
        }
        let found =
            self.open.values().find_map(|waiter| Some((waiter.relay.id, waiter.role, waiter.given_up()?)));
        let Some((id, role, how_far)) = found else {
            self.given_up = false;
            return None;
        };
        self.open.remove(&id);
        if how_far == GivenUp::Unsent || role == Role::Handshake {
            return Some((id, GivenUp::Unsent));
        }
        if self.cancelled.len() == ECHOES_MAX {
            self.cancelled.pop_front();
        }
        self.cancelled.push_back((id, Instant::now()));
        Some((id, GivenUp::Sent))
    }

    /// Nothing will come any more: every request learns it.
    pub(super) fn end(&mut self, end: &End) {
        self.open.drain().for_each(|(_, waiter)| waiter.fail(|how_far| end.error(how_far)));
    }

    /// A request of the server does not say which call it belongs to: it belongs to the only one, or to nobody, who cannot
    /// answer it.
    fn request(&mut self, request: Request) -> Left {
        self.cancelled.retain(|(_, since)| since.elapsed() < ECHO);
        let Some(waiter) = self.only_call().filter(|waiter| waiter.role == Role::Call) else {
            return Left::Answer(answer_to_server(&request, self.roots.as_ref()));
        };
        match waiter.relay.judge(Message::Request(request)) {
            Verdict::Ask(request, kind) => waiter.ask(request, kind).map_or(Left::Nothing, Left::Answer),
            Verdict::Lacks(answer, needs) => {
                waiter.lack(needs);
                Left::Answer(answer)
            }
            Verdict::Answer(answer) => Left::Answer(answer),
            Verdict::Deliver(_) | Verdict::Drop(_) => Left::Nothing,
        }
    }

    fn response(&mut self, response: Response) {
        let id = match &response.id {
            Some(id) => id.to_u64().filter(|id| self.open.contains_key(id)),
            None => self.unread_handshake(&response),
        };
        let late = response.id.as_ref().and_then(mcp::Id::to_u64);
        match id.and_then(|id| self.open.remove(&id)) {
            Some(waiter) => waiter.answer(response),
            None if self.forget_cancelled(late) => {}
            None => self.tally.count_stray(),
        }
    }

    /// A server that cannot read a request answers with no id. While only the handshake runs, that is the one it means;
    /// later it could as well be about a notification.
    fn unread_handshake(&self, response: &Response) -> Option<u64> {
        let mut open = self.open.values();
        let (waiter, None) = (open.next()?, open.next()) else { return None };
        (waiter.role == Role::Handshake && matches!(response.outcome, Outcome::Error(_)))
            .then_some(waiter.relay.id)
    }

    fn forget_cancelled(&mut self, id: Option<u64>) -> bool {
        let before = self.cancelled.len();
        self.cancelled.retain(|(cancelled, _)| Some(*cancelled) != id);
        self.cancelled.len() < before
    }

    fn notification(&mut self, notification: Notification) -> Left {
        match notification.method.as_str() {
            update::UPDATED => match Update::of(&notification) {
                Some(update) => return Left::Heard(Heard::Updated(update)),
                None => self.tally.count_stray(),
            },
            update::ACKNOWLEDGED => {
                return Left::Heard(Heard::Acknowledged(Arc::new(Acknowledged::of(&notification))));
            }
            "notifications/progress" => self.progress(notification),
            // It names a question, and with it the call that asked.
            "notifications/cancelled" => {
                self.open.values().for_each(|waiter| waiter.withdrawn(&notification))
            }
            method => match Kind::changed_by(method) {
                [] => self.unmarked(notification),
                kinds => return Left::Heard(Heard::Lists(kinds)),
            },
        }
        Left::Nothing
    }

    fn progress(&mut self, notification: Notification) {
        let token = notification.params.get("progressToken").and_then(|token| token.to_u64());
        match token.and_then(|token| self.open.get(&token)) {
            Some(waiter) => self.deliver(waiter, notification, Grain::Progress),
            None => self.tally.count_stray(),
        }
    }

    /// A notification that does not say which request it belongs to: it belongs to the only one, or to nobody. On a connection
    /// that several users share it is nobody's.
    fn unmarked(&mut self, notification: Notification) {
        self.cancelled.retain(|(_, since)| since.elapsed() < ECHO);
        match self.only_call().filter(|_| self.users == Users::One) {
            Some(waiter) => self.deliver(waiter, notification, Grain::Other),
            None => self.tally.count_stray(),
        }
    }

    /// The only request that the server works on, if there is exactly one.
    fn only_call(&self) -> Option<&Arc<Waiter>> {
        let mut open = self.open.values().filter(|waiter| waiter.role != Role::Subscription);
        match (open.next(), open.next(), self.cancelled.is_empty()) {
            (Some(waiter), None, true) => Some(waiter),
            _ => None,
        }
    }

    fn deliver(&self, waiter: &Waiter, notification: Notification, grain: Grain) {
        match waiter.relay.judge(Message::Notification(notification)) {
            Verdict::Deliver(Event::Notification(payload)) => {
                self.tally.count_thinned(waiter.push(grain, &payload))
            }
            _ => waiter.hear(),
        }
    }
}
