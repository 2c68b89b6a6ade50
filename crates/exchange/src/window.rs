//! The events of one session that may have to be sent again: numbered per stream, oldest out first.
//!
//! Pure. A stream either has every event after a number, or says that it does not: there is no answer with a gap. How much is
//! kept is for the budget to say.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// How long the events of a stream are kept that has said everything.
pub(crate) const KEPT: Duration = Duration::from_secs(5 * 60);

/// The events of one session.
#[derive(Debug, Default)]
pub(crate) struct Window {
    tracks: HashMap<u32, Track>,
    /// Which stream each kept event is of, oldest first.
    order: VecDeque<u32>,
}

/// One stream.
#[derive(Debug)]
struct Track {
    kept: VecDeque<Bytes>,
    /// The number of the next event.
    next: u64,
    ended: Option<Instant>,
}

impl Window {
    /// Starts a stream; its first event has the number 1.
    pub(crate) fn open(&mut self, stream: u32) {
        self.track(stream);
    }

    /// The number of the next event of a stream.
    pub(crate) fn next(&mut self, stream: u32) -> u64 {
        self.track(stream).next
    }

    /// Adds the next event, for which there is room.
    pub(crate) fn keep(&mut self, stream: u32, event: Bytes) {
        let track = self.track(stream);
        track.next += 1;
        track.kept.push_back(event);
        self.order.push_back(stream);
    }

    /// Counts the next event, for which there is no room, and lets go of those before it. Answers how many bytes they had.
    pub(crate) fn skip(&mut self, stream: u32) -> usize {
        self.track(stream).next += 1;
        self.forget(stream)
    }

    /// Every event of a stream after number `after`; `None` when some of them are gone, or none of this number ever was.
    pub(crate) fn after(&self, stream: u32, after: u64) -> Option<Vec<Bytes>> {
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

    /// Lets go of streams that ended long ago. Answers how many bytes they had.
    pub(crate) fn expire(&mut self) -> usize {
        let over = |track: &Track| track.ended.is_some_and(|at| at.elapsed() >= KEPT);
        let over: Vec<u32> =
            self.tracks.iter().filter(|(_, track)| over(track)).map(|(stream, _)| *stream).collect();
        let forgotten = over.into_iter().map(|stream| {
            let freed = self.forget(stream);
            self.tracks.remove(&stream);
            freed
        });
        forgotten.sum()
    }

    /// Lets go of the oldest events, of `bytes` or more if there are so many. Answers how many they had.
    pub(crate) fn give_way(&mut self, bytes: usize) -> usize {
        let mut freed = 0;
        while freed < bytes
            && let Some(stream) = self.order.pop_front()
        {
            let Some(track) = self.tracks.get_mut(&stream) else { continue };
            freed += track.kept.pop_front().map_or(0, |event| event.len());
            if track.kept.is_empty() && track.ended.is_some() {
                self.tracks.remove(&stream);
            }
        }
        freed
    }

    fn track(&mut self, stream: u32) -> &mut Track {
        self.tracks.entry(stream).or_insert_with(|| Track { kept: VecDeque::new(), next: 1, ended: None })
    }

    fn forget(&mut self, stream: u32) -> usize {
        self.order.retain(|other| *other != stream);
        let kept = self.tracks.get_mut(&stream).map(|track| std::mem::take(&mut track.kept));
        kept.iter().flatten().map(Bytes::len).sum()
    }
}
