//! What is wanted of one server under one credential, and by whom: the shared side of a feed.
//!
//! Clients put their interests here and take them away; the driver reads what is wanted, says what became of it, and
//! tells what it hears. Counts who wants what; sends nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp::{ErrorObject, Kind};
use tokio::sync::{Notify, watch};

use crate::UpstreamError;
use crate::inbox::{Inbox, Update};

#[cfg(test)]
mod tests;

/// Why a resource is not subscribed to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotSubscribed {
    /// The server does not tell of changes, or not of this resource's.
    #[error("does not tell of changes of this resource")]
    Unsupported,
    /// The server answered with an error.
    #[error("refused the subscription: {}", .0.message)]
    Refused(ErrorObject),
    /// The server could not be asked.
    #[error(transparent)]
    Failed(#[from] UpstreamError),
}

/// See the module.
pub(crate) struct Board {
    target: Arc<str>,
    state: Mutex<State>,
    /// Something is wanted, or not wanted any more.
    changed: Notify,
    /// What was asked for got its answer.
    settled: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    next: u64,
    lists: BTreeMap<u64, Inbox>,
    topics: BTreeMap<Arc<str>, Topic>,
}

/// One resource.
struct Topic {
    standing: Standing,
    subscribers: BTreeMap<u64, Inbox>,
}

enum Standing {
    Asked,
    Held,
    Not(NotSubscribed),
}

/// One interest, for as long as this lives.
pub(crate) struct Ticket {
    board: Arc<Board>,
    number: u64,
    uri: Option<Arc<str>>,
}

impl Board {
    pub(crate) fn new(target: Arc<str>) -> Arc<Self> {
        let settled = watch::channel(()).0;
        Arc::new(Self { target, state: Mutex::default(), changed: Notify::new(), settled })
    }

    /// Has `inbox` told which lists change.
    pub(crate) fn watch_lists(self: &Arc<Self>, inbox: &Inbox) -> Ticket {
        let mut state = self.state();
        let number = state.number();
        state.lists.insert(number, inbox.clone());
        drop(state);
        self.changed.notify_one();
        Ticket { board: self.clone(), number, uri: None }
    }

    /// Has `inbox` told when a resource changes.
    pub(crate) fn watch_resource(self: &Arc<Self>, uri: &str, inbox: &Inbox) -> Ticket {
        let uri: Arc<str> = uri.into();
        let mut state = self.state();
        let number = state.number();
        let fresh = || Topic { standing: Standing::Asked, subscribers: BTreeMap::new() };
        let topic = state.topics.entry(uri.clone()).or_insert_with(fresh);
        if matches!(topic.standing, Standing::Not(_)) {
            topic.standing = Standing::Asked;
        }
        topic.subscribers.insert(number, inbox.clone());
        drop(state);
        self.changed.notify_one();
        Ticket { board: self.clone(), number, uri: Some(uri) }
    }

    /// Whether nobody wants anything.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state();
        state.lists.is_empty() && state.topics.is_empty()
    }

    /// Whether somebody wants to know about lists.
    pub(crate) fn wants_lists(&self) -> bool {
        !self.state().lists.is_empty()
    }

    /// The resources that somebody wants, and that were not refused.
    pub(crate) fn wanted(&self) -> BTreeSet<Arc<str>> {
        let state = self.state();
        let wanted = state.topics.iter().filter(|(_, topic)| !matches!(topic.standing, Standing::Not(_)));
        wanted.map(|(uri, _)| uri.clone()).collect()
    }

    /// Resolves when what is wanted has changed since the last time. For one driver. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Resolves when somebody waits for an answer, or nobody wants anything. For one driver. Cancel safe.
    pub(crate) async fn asked(&self) {
        loop {
            let waits = |topic: &Topic| matches!(topic.standing, Standing::Asked);
            if self.is_empty() || self.state().topics.values().any(waits) {
                return;
            }
            self.changed.notified().await;
        }
    }

    /// The server tells of this resource's changes.
    pub(crate) fn held(&self, uri: &str) {
        self.settle(uri, Standing::Held);
    }

    /// The server does not.
    pub(crate) fn refused(&self, uri: &str, why: &NotSubscribed) {
        self.settle(uri, Standing::Not(why.clone()));
    }

    /// Whoever waits for an answer gets this one.
    pub(crate) fn refuse_waiting(&self, why: &NotSubscribed) {
        let mut state = self.state();
        for topic in state.topics.values_mut().filter(|topic| matches!(topic.standing, Standing::Asked)) {
            topic.standing = Standing::Not(why.clone());
        }
        drop(state);
        self.settled.send_replace(());
    }

    /// These lists changed.
    pub(crate) fn tell_lists(&self, kinds: &[Kind]) {
        if !kinds.is_empty() {
            self.state().lists.values().for_each(|inbox| inbox.lists(&self.target, kinds));
        }
    }

    /// A resource changed: whoever subscribed to it, or to one above it, is told.
    pub(crate) fn tell_update(&self, update: &Update) {
        let state = self.state();
        let mut told = BTreeSet::new();
        for prefix in above(&update.uri) {
            let Some(topic) = state.topics.get(prefix) else { continue };
            for (_, inbox) in topic.subscribers.iter().filter(|(number, _)| told.insert(**number)) {
                inbox.updated(&self.target, update);
            }
        }
    }

    /// Something may have been missed: any of these lists, and any resource.
    pub(crate) fn tell_missed(&self, kinds: &[Kind]) {
        self.tell_lists(kinds);
        let state = self.state();
        let subscribers = state.topics.values().flat_map(|topic| topic.subscribers.values());
        subscribers.for_each(Inbox::anything);
    }

    fn settle(&self, uri: &str, standing: Standing) {
        if let Some(topic) = self.state().topics.get_mut(uri) {
            topic.standing = standing;
        }
        self.settled.send_replace(());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Resolves when the server has answered.
    ///
    /// # Errors
    /// It does not tell of this resource's changes.
    pub(crate) async fn settled(&self) -> Result<(), NotSubscribed> {
        let mut settled = self.board.settled.subscribe();
        loop {
            let found = {
                let state = self.board.state();
                match self.uri.as_ref().and_then(|uri| state.topics.get(uri)).map(|topic| &topic.standing) {
                    Some(Standing::Asked) => None,
                    Some(Standing::Not(why)) => Some(Err(why.clone())),
                    Some(Standing::Held) | None => Some(Ok(())),
                }
            };
            if let Some(found) = found {
                return found;
            }
            if settled.changed().await.is_err() {
                return Err(UpstreamError::Cancelled.into());
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.board.state();
        state.lists.remove(&self.number);
        if let Some(uri) = &self.uri
            && let Some(topic) = state.topics.get_mut(uri)
        {
            topic.subscribers.remove(&self.number);
            if topic.subscribers.is_empty() {
                state.topics.remove(uri);
            }
        }
        drop(state);
        self.board.changed.notify_one();
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// The URI itself, and each one that it lies below (MCP 2025-11-25, Resources: an update may be of a sub-resource).
fn above(uri: &str) -> impl Iterator<Item = &str> {
    let cuts = uri.char_indices().filter(|(_, letter)| matches!(letter, '/' | '?' | '#'));
    let prefixes = cuts.flat_map(|(at, _)| [&uri[..at], &uri[..=at]]);
    std::iter::once(uri).chain(prefixes.filter(move |prefix| !prefix.is_empty() && *prefix != uri))
}
