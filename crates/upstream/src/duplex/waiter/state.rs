//! What has arrived for one open request, and how far the request has got. Pure.

use std::collections::{BTreeSet, VecDeque};

use mcp::{IdKey, Payload, Response};
use tokio::time::Instant;

use crate::question::Question;
use crate::{Event, UpstreamError};

/// Notifications that wait for the consumer of one request.
pub(super) const NOTIFICATIONS_MAX: usize = 64;
/// Their bytes together. A single larger one still passes when nothing else waits.
pub(super) const NOTIFICATION_BYTES_MAX: usize = 1024 * 1024;

/// What a notification is, which says how it may be thinned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::duplex) enum Grain {
    /// Only the newest counts.
    Progress,
    /// Each counts for itself.
    Other,
}

/// How far a request that was given up had got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::duplex) enum GivenUp {
    /// No byte was written.
    Unsent,
    /// The server may have seen it.
    Sent,
}

/// What has arrived and was not read yet.
#[derive(Debug)]
pub(super) struct State {
    pub(super) stage: Stage,
    pub(super) waiting: VecDeque<(Grain, Payload)>,
    pub(super) bytes: usize,
    pub(super) questions: VecDeque<Question>,
    /// Questions so far.
    pub(super) asked: usize,
    /// Their ids, which the server may withdraw once each.
    pub(super) asking: BTreeSet<IdKey>,
    pub(super) withdrawn: VecDeque<IdKey>,
    pub(super) outcome: Option<Result<Response, UpstreamError>>,
    pub(super) heard: Instant,
}

/// How far a request has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Queued,
    /// A part of it may have been written.
    Writing,
    Sent,
    GivenUp(GivenUp),
    Ended,
}

impl Stage {
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Writing | Self::Sent)
    }
}

impl State {
    pub(super) fn take(&mut self) -> Option<Result<Event, UpstreamError>> {
        if let Some((_, notification)) = self.waiting.pop_front() {
            self.bytes -= notification.len();
            return Some(Ok(Event::Notification(notification)));
        }
        if let Some(question) = self.questions.pop_front() {
            return Some(Ok(Event::Question(question)));
        }
        if let Some(id) = self.withdrawn.pop_front() {
            return Some(Ok(Event::Withdrawn(id)));
        }
        match self.outcome.take() {
            Some(outcome) => Some(outcome.map(Event::Final)),
            // Read to the end already, or given up: there is nothing to wait for.
            None if matches!(self.stage, Stage::Ended | Stage::GivenUp(_)) => {
                Some(Err(UpstreamError::Cancelled))
            }
            None => None,
        }
    }

    pub(super) fn make_room(&mut self, grain: Grain, bytes: usize) -> usize {
        let before = self.waiting.len();
        let full = |state: &Self| {
            state.waiting.len() >= NOTIFICATIONS_MAX || state.bytes + bytes > NOTIFICATION_BYTES_MAX
        };
        if grain == Grain::Progress && full(self) {
            self.retain(|held| held != Grain::Progress);
        }
        while full(self) && !self.waiting.is_empty() {
            self.waiting.pop_front();
            self.bytes = self.waiting.iter().map(|(_, held)| held.len()).sum();
        }
        before - self.waiting.len()
    }

    fn retain(&mut self, keep: impl Fn(Grain) -> bool) {
        self.waiting.retain(|(grain, _)| keep(*grain));
        self.bytes = self.waiting.iter().map(|(_, held)| held.len()).sum();
    }
}
