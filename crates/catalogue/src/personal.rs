//! Dynamic listings, each kept for the one principal it was made for, and for nobody else.
//!
//! Holds what is known; asks nobody. Bounded in principals and in bytes; who was not seen for the longest time goes first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp::Kind;
use tokio::sync::watch;
use tokio::time::Instant;
use upstream::UpstreamError;

use crate::capture::Capture;
use crate::pull::Pulled;
use crate::shelf::Shelf;
use crate::status::{State, TargetStatus, Trouble};
use crate::view::View;
use crate::viewer::Viewer;

/// Principals whose dynamic listings are kept, per gateway.
const VIEWERS_MAX: usize = 1024;

/// Bytes of list entries kept for all principals together, per gateway.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// The longest time a server may have its lists kept by `ttlMs`.
const TTL_MAX: Duration = Duration::from_secs(60 * 60);

/// The dynamic listings of one gateway.
#[derive(Default)]
pub(crate) struct Personal(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    viewers: HashMap<Viewer, Entry>,
    /// Counts uses, so that the least recent one can be told.
    uses: u64,
    bytes: usize,
}

#[derive(Default)]
struct Entry {
    used: u64,
    slots: HashMap<usize, Slot>,
    view: Option<Composed>,
}

/// A view, and what it was made of.
struct Composed {
    base: Arc<View>,
    shelves: Vec<Arc<Shelf>>,
    view: Arc<View>,
}

/// One principal's listing of one target.
struct Slot {
    known: Option<Known>,
    status: TargetStatus,
    attempted_at: Option<Instant>,
    under_way: Option<UnderWay>,
}

struct Known {
    capture: Arc<Capture>,
    shelf: Arc<Shelf>,
    fresh_until: Instant,
    bytes: usize,
}

/// What one principal's listing of one target is right now.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) shelf: Option<Arc<Shelf>>,
    pub(crate) status: TargetStatus,
    /// How long the server still lets it be kept.
    pub(crate) fresh_for: Duration,
}

/// How old a listing may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// As fresh as the server's `ttlMs` demands.
    Fresh,
    /// Tried again, unless that was done within this time.
    Retried(Duration),
    /// Tried since then: it has changed.
    Since(Instant),
}

/// What to do to have a listing that is fresh enough.
pub(crate) enum Turn {
    /// Nothing: it is.
    Ready,
    /// Wait for the pull that is under way.
    Wait(UnderWay),
    /// Pull; the sender is to be dropped when that is done.
    Pull { done: watch::Sender<()>, wait: UnderWay, previous: Option<Arc<Capture>> },
}

/// A pull that is under way.
#[derive(Clone)]
pub(crate) struct UnderWay {
    /// When it started.
    pub(crate) started: Instant,
    /// Carries nothing, and ends with the pull.
    pub(crate) ended: watch::Receiver<()>,
}

impl Personal {
    /// Whose turn it is to ask target `index` for `viewer`: one pull at a time.
    pub(crate) fn turn(&self, viewer: Viewer, index: usize, target: &Arc<str>, need: Need, now: u64) -> Turn {
        let mut shelves = self.lock();
        let entry = shelves.entry(viewer);
        let slot = entry.slots.entry(index).or_insert_with(|| Slot::unasked(target, now));
        if let Some(wait) = slot.under_way.as_ref().filter(|wait| wait.ended.has_changed().is_ok()) {
            return Turn::Wait(wait.clone());
        }
        if slot.satisfies(need) {
            return Turn::Ready;
        }
        let (done, ended) = watch::channel(());
        let wait = UnderWay { started: Instant::now(), ended };
        slot.under_way = Some(wait.clone());
        slot.attempted_at = Some(wait.started);
        let previous = slot.known.as_ref().map(|known| Arc::clone(&known.capture));
        Turn::Pull { done, wait, previous }
    }

    /// Takes what a pull brought for one principal, already read into `shelf`.
    pub(crate) fn pulled(&self, viewer: Viewer, index: usize, pulled: Pulled, shelf: Arc<Shelf>, now: u64) {
        let mut shelves = self.lock();
        let bytes = weigh(&pulled.capture);
        let entry = shelves.entry(viewer);
        let Some(slot) = entry.slots.get_mut(&index) else { return };
        // The same lists keep their shelf, so that the view made of it is kept as well.
        let shelf = match &slot.known {
            Some(known) if known.capture.lists_the_same(&pulled.capture) => Arc::clone(&known.shelf),
            _ => shelf,
        };
        let fresh_until = Instant::now() + pulled.ttl.min(TTL_MAX);
        let known = Known { capture: Arc::new(pulled.capture), shelf, fresh_until, bytes };
        let before = slot.known.replace(known).map_or(0, |known| known.bytes);
        slot.note(pulled.incomplete.as_ref().map(Trouble::from), now);
        shelves.bytes = (shelves.bytes + bytes).saturating_sub(before);
        shelves.make_room(viewer);
    }

    /// Notes that a pull failed for one principal; what was known stays. Answers whether that is news.
    pub(crate) fn failed(&self, viewer: Viewer, index: usize, error: &UpstreamError, now: u64) -> bool {
        let trouble = Some(Trouble::from(error));
        let mut shelves = self.lock();
        let Some(slot) = shelves.entry(viewer).slots.get_mut(&index) else { return false };
        let before = slot.status.trouble;
        slot.note(trouble, now);
        before != trouble
    }

    /// What is known for one principal, by the target's position in the configuration.
    pub(crate) fn known(&self, viewer: Viewer) -> HashMap<usize, Held> {
        let mut shelves = self.lock();
        let Some(entry) = shelves.existing(viewer) else { return HashMap::new() };
        entry.slots.iter().map(|(index, slot)| (*index, slot.held())).collect()
    }

    /// The view made earlier of exactly these parts, for this principal.
    pub(crate) fn composed(
        &self,
        viewer: Viewer,
        base: &Arc<View>,
        shelves: &[Arc<Shelf>],
    ) -> Option<Arc<View>> {
        let mut all = self.lock();
        let composed = all.existing(viewer)?.view.as_ref()?;
        let same = |(a, b): (&Arc<Shelf>, &Arc<Shelf>)| Arc::ptr_eq(a, b);
        let fits = Arc::ptr_eq(&composed.base, base)
            && composed.shelves.len() == shelves.len()
            && composed.shelves.iter().zip(shelves).all(same);
        fits.then(|| Arc::clone(&composed.view))
    }

    /// Keeps a view for the next time.
    pub(crate) fn keep(&self, viewer: Viewer, base: Arc<View>, shelves: Vec<Arc<Shelf>>, view: Arc<View>) {
        if let Some(entry) = self.lock().existing(viewer) {
            entry.view = Some(Composed { base, shelves, view });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn existing(&mut self, viewer: Viewer) -> Option<&mut Entry> {
        self.uses += 1;
        let entry = self.viewers.get_mut(&viewer)?;
        entry.used = self.uses;
        Some(entry)
    }

    fn entry(&mut self, viewer: Viewer) -> &mut Entry {
        if !self.viewers.contains_key(&viewer) && self.viewers.len() >= VIEWERS_MAX {
            self.evict_except(viewer);
        }
        self.uses += 1;
        let entry = self.viewers.entry(viewer).or_default();
        entry.used = self.uses;
        entry
    }

    fn make_room(&mut self, viewer: Viewer) {
        while self.bytes > BYTES_MAX && self.viewers.len() > 1 {
            self.evict_except(viewer);
        }
    }

    fn evict_except(&mut self, viewer: Viewer) {
        let others = self.viewers.iter().filter(|(other, _)| **other != viewer);
        let Some(oldest) = others.min_by_key(|(_, entry)| entry.used).map(|(other, _)| *other) else {
            return;
        };
        if let Some(entry) = self.viewers.remove(&oldest) {
            let bytes: usize =
                entry.slots.values().filter_map(|slot| slot.known.as_ref()).map(|known| known.bytes).sum();
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

impl Slot {
    fn unasked(target: &Arc<str>, now: u64) -> Self {
        Self { known: None, status: TargetStatus::unasked(target, now), attempted_at: None, under_way: None }
    }

    fn held(&self) -> Held {
        let left = |known: &Known| known.fresh_until.saturating_duration_since(Instant::now());
        Held {
            shelf: self.known.as_ref().map(|known| Arc::clone(&known.shelf)),
            status: self.status.clone(),
            fresh_for: self.known.as_ref().map_or(Duration::ZERO, left),
        }
    }

    fn satisfies(&self, need: Need) -> bool {
        match need {
            Need::Fresh => self.known.as_ref().is_some_and(|known| Instant::now() < known.fresh_until),
            Need::Retried(within) => self.attempted_at.is_some_and(|at| at.elapsed() < within),
            Need::Since(then) => self.attempted_at.is_some_and(|at| at >= then),
        }
    }

    fn note(&mut self, trouble: Option<Trouble>, now: u64) {
        let state = match (trouble, &self.known) {
            (None, _) => State::Fresh,
            (Some(_), Some(_)) => State::Stale,
            (Some(_), None) => State::Missing,
        };
        self.status.change(state, trouble, now);
    }
}

fn weigh(capture: &Capture) -> usize {
    Kind::ALL.into_iter().flat_map(|kind| capture.items(kind)).map(|raw| raw.as_bytes().len()).sum()
}
