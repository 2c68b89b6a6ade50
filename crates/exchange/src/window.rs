//! The events of one session that may have to be sent again: numbered per stream, bounded in bytes, oldest out first.
//!
//! Pure, but for the budget that all sessions share. A stream either has every event after a number, or says that it does
//! not: there is no answer with a gap.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// How long the events of a stream are kept that has said everything.
const KEPT: Duration = Duration::from_secs(5 * 60);

/// How many bytes all sessions of a gateway, and each of them, may keep. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    used: AtomicUsize,
    total: AtomicUsize,
    per_session: AtomicUsize,
}

/// One event as it goes over the wire, in pieces.
pub(crate) type Pieces = Vec<Bytes>;

/// The events of one session.
#[derive(Debug)]
pub(crate) struct Window {
    tracks: HashMap<u32, Track>,
    /// Which stream each kept event is of, oldest first.
    order: VecDeque<u32>,
    bytes: usize,
    budget: Budget,
}

/// One stream.
#[derive(Debug)]
struct Track {
    kept: VecDeque<Pieces>,
    /// The number of the next event.
    next: u64,
    ended: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(per_session: usize, total: usize) -> Self {
        let (used, total) = (AtomicUsize::new(0), AtomicUsize::new(total));
        Self(Arc::new(Shared { used, total, per_session: AtomicUsize::new(per_session) }))
    }

    /// Other bounds from now on.
    pub(crate) fn rebind(&self, per_session: usize, total: usize) {
        self.0.total.store(total, Ordering::Relaxed);
        self.0.per_session.store(per_session, Ordering::Relaxed);
    }

    fn per_session(&self) -> usize {
        self.0.per_session.load(Ordering::Relaxed)
    }

    fn charge(&self, bytes: usize) -> bool {
        let total = self.0.total.load(Ordering::Relaxed);
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= total);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn refund(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Window {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { tracks: HashMap::new(), order: VecDeque::new(), bytes: 0, budget }
    }

    /// Starts a stream; its first event has the number 1.
    pub(crate) fn open(&mut self, stream: u32) {
        self.tracks.entry(stream).or_insert_with(|| Track { kept: VecDeque::new(), next: 1, ended: None });
    }

    /// Adds an event, which `write` writes around its number, and keeps it as far as there is room. An event that cannot be
    /// kept takes those before it along: they could not be resumed from any more.
    pub(crate) fn push(&mut self, stream: u32, write: impl FnOnce(u64) -> Pieces) -> Pieces {
        self.open(stream);
        let Some(track) = self.tracks.get_mut(&stream) else { return Pieces::new() };
        let pieces = write(track.next);
        track.next += 1;
        if self.make_room(size(&pieces)) {
            self.order.push_back(stream);
            if let Some(track) = self.tracks.get_mut(&stream) {
                track.kept.push_back(pieces.clone());
            }
        } else {
            self.forget(stream);
        }
        pieces
    }

    /// Every event of a stream after number `after`; `None` when some of them are gone, or none of this number ever was.
    pub(crate) fn after(&self, stream: u32, after: u64) -> Option<Vec<Pieces>> {
        let track = self.tracks.get(&stream)?;
        let missing = usize::try_from(track.next.checked_sub(after)?.checked_sub(1)?).ok()?;
        let skipped = track.kept.len().checked_sub(missing)?;
        Some(track.kept.iter().skip(skipped).cloned().collect())
    }

    /// Nothing will be added to this stream.
    pub(crate) fn end(&mut self, stream: u32) {
        if let Some(track) = self.tracks.get_mut(&stream) {
            track.ended = Some(Instant::now());
            if track.kept.is_empty() {
                self.tracks.remove(&stream);
            }
        }
    }

    /// Lets go of streams that ended long ago.
    pub(crate) fn expire(&mut self) {
        let over = |track: &Track| track.ended.is_some_and(|at| at.elapsed() >= KEPT);
        let over: Vec<u32> =
            self.tracks.iter().filter(|(_, track)| over(track)).map(|(stream, _)| *stream).collect();
        for stream in over {
            self.forget(stream);
            self.tracks.remove(&stream);
        }
    }

    /// Charges for `bytes`; `false` when there is no room for them whatever gives way.
    fn make_room(&mut self, bytes: usize) -> bool {
        let most = self.budget.per_session();
        if bytes > most {
            return false;
        }
        while self.bytes + bytes > most || !self.budget.charge(bytes) {
            if !self.drop_oldest() {
                return false;
            }
        }
        self.bytes += bytes;
        true
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(stream) = self.order.pop_front() else { return false };
        let Some(track) = self.tracks.get_mut(&stream) else { return true };
        let dropped = track.kept.pop_front().map_or(0, |pieces| size(&pieces));
        if track.kept.is_empty() && track.ended.is_some() {
            self.tracks.remove(&stream);
        }
        self.give_back(dropped);
        true
    }

    fn forget(&mut self, stream: u32) {
        self.order.retain(|other| *other != stream);
        let kept = self.tracks.get_mut(&stream).map(|track| std::mem::take(&mut track.kept));
        let bytes = kept.iter().flatten().map(size).sum();
        self.give_back(bytes);
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.budget.refund(bytes);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.budget.refund(self.bytes);
    }
}

fn size(pieces: &Pieces) -> usize {
    pieces.iter().map(Bytes::len).sum()
}
