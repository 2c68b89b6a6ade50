//! What one client wants to be told, and what it has seen: of a session, or of one `subscriptions/listen`.
//!
//! Holds the subscriptions; gives them up when it is dropped or closed. Knows no transport.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp::Kind;
use upstream::{Inbox, InboxBounds, Subscription, Upstream};

use crate::quota::Counted;

/// A digest of each of the four lists as the client saw them, in the order of [`Kind::ALL`].
pub type Digests = [[u8; 16]; 4];

/// One client's interests.
#[derive(Debug)]
pub struct Interests {
    inbox: Inbox,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: Closed,
    subscriptions: BTreeMap<Arc<str>, Held>,
    seen: Option<Digests>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Closed {
    #[default]
    No,
    Yes,
}

#[derive(Debug)]
struct Held {
    subscription: Subscription,
    counted: Option<Counted>,
}

impl Interests {
    /// None yet.
    #[must_use]
    pub fn new(bounds: InboxBounds) -> Self {
        Self { inbox: Inbox::new(bounds), state: Mutex::default() }
    }

    /// Where what concerns the client waits.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Whether the client is subscribed to this resource.
    #[must_use]
    pub fn has(&self, uri: &str) -> bool {
        self.state().subscriptions.contains_key(uri)
    }

    /// The resources that the client is subscribed to, each with its target.
    #[must_use]
    pub fn resources(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let state = self.state();
        let held = state.subscriptions.iter();
        held.map(|(uri, held)| (uri.clone(), held.subscription.target().into())).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().subscriptions.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Holds a subscription. After the end of the client it is given up at once.
    pub fn hold(&self, uri: &str, subscription: Subscription, counted: Option<Counted>) {
        let mut state = self.state();
        if state.closed == Closed::No {
            state.subscriptions.insert(uri.into(), Held { subscription, counted });
        }
    }

    /// Puts another subscription in the place of one. One that was given up meanwhile stays so.
    pub fn renew(&self, uri: &str, subscription: Subscription) {
        if let Some(held) = self.state().subscriptions.get_mut(uri) {
            held.subscription = subscription;
        }
    }

    /// Gives up a subscription. One that is not there is no error.
    pub fn give_up(&self, uri: &str) {
        let held = self.state().subscriptions.remove(uri);
        drop(held.map(|held| (held.subscription, held.counted)));
    }

    /// The resources whose subscription is not with any of these targets any more.
    #[must_use]
    pub fn astray(&self, targets: &[&Upstream]) -> Vec<Arc<str>> {
        let state = self.state();
        let strays = state
            .subscriptions
            .iter()
            .filter(|(_, held)| !targets.iter().any(|target| held.subscription.is_with(target)));
        strays.map(|(uri, _)| uri.clone()).collect()
    }

    /// Gives up everything, for good.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = Closed::Yes;
        let subscriptions = std::mem::take(&mut state.subscriptions);
        drop(state);
        drop(subscriptions);
    }

    /// The lists as the client saw them; `None` before that is known.
    #[must_use]
    pub fn seen(&self) -> Option<Digests> {
        self.state().seen
    }

    /// Notes that the client has seen the lists like this.
    pub fn see(&self, digests: Digests) {
        self.state().seen = Some(digests);
    }

    /// Notes that the client has seen one list like this.
    pub fn see_list(&self, kind: Kind, digest: [u8; 16]) {
        let position = Kind::ALL.iter().position(|known| *known == kind);
        if let (Some(seen), Some(position)) = (&mut self.state().seen, position) {
            seen[position] = digest;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
