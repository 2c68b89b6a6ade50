//! Where notices for one client wait until it takes them: bounded, and merged rather than dropped.
//!
//! Whoever fills it never waits. Of one resource only the newest update is kept; when too many wait, they give way to a
//! single note that anything may have changed, and the oldest log messages are lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp::{Kind, Raw};
use tokio::sync::Notify;

use crate::Level;

#[cfg(test)]
mod tests;

/// How much may wait in one inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxBounds {
    /// Notices, at least 1.
    pub notices: usize,
    /// Their bytes together.
    pub bytes: usize,
}

/// Something that a server said outside any call.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Lists of a target changed, as its server says.
    Lists {
        /// The target.
        target: Arc<str>,
        /// Which lists.
        kinds: BTreeSet<Kind>,
    },
    /// A resource changed.
    Updated {
        /// The target that serves it.
        target: Arc<str>,
        /// The change.
        update: Update,
    },
    /// A log message.
    Log {
        /// Its severity, if it has one that is known.
        level: Option<Level>,
        /// The whole notification.
        text: Raw,
    },
    /// Any of the resources that are subscribed to may have changed: updates were missed, or too many waited.
    Anything,
}

/// A resource that changed, and the notification that says so, without what only its sender's connection can mean.
#[derive(Clone, Debug)]
pub struct Update {
    /// The resource. May lie below one that is subscribed to.
    pub uri: Arc<str>,
    /// The whole notification; shares its buffer with nobody but other inboxes.
    pub text: Raw,
}

/// A cloneable handle for one client's inbox.
#[derive(Clone, Debug)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: InboxBounds,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lists: BTreeMap<Arc<str>, BTreeSet<Kind>>,
    queue: VecDeque<Notice>,
    bytes: usize,
    anything: Anything,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Anything {
    #[default]
    No,
    MayHaveChanged,
}

impl Inbox {
    /// An empty inbox.
    #[must_use]
    pub fn new(bounds: InboxBounds) -> Self {
        let shared = Shared { bounds, waiting: Mutex::default(), arrived: Notify::new() };
        Self(Arc::new(shared))
    }

    /// The next notice. To be awaited by one reader at a time. Cancel safe.
    pub async fn next(&self) -> Notice {
        loop {
            if let Some(notice) = self.waiting().take() {
                return notice;
            }
            self.0.arrived.notified().await;
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    pub(crate) fn lists(&self, target: &Arc<str>, kinds: &[Kind]) {
        self.waiting().lists.entry(target.clone()).or_default().extend(kinds);
        self.0.arrived.notify_one();
    }

    pub(crate) fn updated(&self, target: &Arc<str>, update: &Update) {
        let mut waiting = self.waiting();
        if waiting.anything == Anything::No {
            waiting.put_update(target, update, self.0.bounds);
        }
        drop(waiting);
        self.0.arrived.notify_one();
    }

    pub(crate) fn log(&self, level: Option<Level>, text: &Raw) {
        let size = text.as_bytes().len();
        let mut waiting = self.waiting();
        while waiting.is_full(size, self.0.bounds) && waiting.drop_oldest_log() {}
        if !waiting.is_full(size, self.0.bounds) {
            waiting.bytes += size;
            waiting.queue.push_back(Notice::Log { level, text: text.detached() });
        }
        drop(waiting);
        self.0.arrived.notify_one();
    }

    pub(crate) fn anything(&self) {
        self.waiting().forget_updates();
        self.0.arrived.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.queue.is_empty() && self.anything == Anything::No
    }

    fn take(&mut self) -> Option<Notice> {
        if let Some((target, kinds)) = self.lists.pop_first() {
            return Some(Notice::Lists { target, kinds });
        }
        if let Some(notice) = self.queue.pop_front() {
            self.bytes -= size(&notice);
            return Some(notice);
        }
        (std::mem::take(&mut self.anything) == Anything::MayHaveChanged).then_some(Notice::Anything)
    }

    fn put_update(&mut self, target: &Arc<str>, update: &Update, bounds: InboxBounds) {
        let fresh = Notice::Updated { target: target.clone(), update: update.clone() };
        let added = size(&fresh);
        let same = |held: &&mut Notice| matches!(held, Notice::Updated { target: of, update: held } if held.uri == update.uri && of == target);
        if let Some(held) = self.queue.iter_mut().find(same) {
            self.bytes = self.bytes - size(held) + added;
            *held = fresh;
            return;
        }
        while self.is_full(added, bounds) && self.drop_oldest_log() {}
        if self.is_full(added, bounds) {
            self.forget_updates();
        } else {
            self.bytes += added;
            self.queue.push_back(fresh);
        }
    }

    fn forget_updates(&mut self) {
        self.queue.retain(|notice| !matches!(notice, Notice::Updated { .. }));
        self.bytes = self.queue.iter().map(size).sum();
        self.anything = Anything::MayHaveChanged;
    }

    fn is_full(&self, added: usize, bounds: InboxBounds) -> bool {
        self.queue.len() >= bounds.notices || self.bytes + added > bounds.bytes
    }

    fn drop_oldest_log(&mut self) -> bool {
        let Some(at) = self.queue.iter().position(|notice| matches!(notice, Notice::Log { .. })) else {
            return false;
        };
        let dropped = self.queue.remove(at);
        self.bytes -= dropped.as_ref().map_or(0, size);
        true
    }
}

fn size(notice: &Notice) -> usize {
    match notice {
        Notice::Updated { update, .. } => update.uri.len() + update.text.as_bytes().len(),
        Notice::Log { text, .. } => text.as_bytes().len(),
        Notice::Lists { .. } | Notice::Anything => 0,
    }
}
