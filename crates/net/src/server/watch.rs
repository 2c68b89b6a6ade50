//! What a connection has been doing, and when that has lasted too long.
//!
//! The socket and the handlers leave notes in atomics; one timer for the whole connection reads them. A request costs two
//! additions and a look at the clock, no timer of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::Options;
use super::framing::Framing;

/// A note that says "not now" in place of a time.
const NEVER: u64 = u64::MAX;

pub(super) struct Watch {
    started: Instant,
    in_flight: AtomicUsize,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    stalled_since: AtomicU64,
    framing: AtomicU8,
    heads: Heads,
}

/// Whether bytes between two requests can only be the head of the next one, which holds for HTTP/1.1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Heads {
    Timed,
    Untimed,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again after this time.
    Fine(Duration),
    /// No request for too long: close politely.
    Idle,
    /// A head that does not end, or a reader that does not read: drop the connection.
    Stuck,
}

impl Watch {
    pub(super) fn new(heads: Heads) -> Self {
        let watch = Self {
            started: Instant::now(),
            in_flight: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(NEVER),
            stalled_since: AtomicU64::new(NEVER),
            framing: AtomicU8::new(Framing::Unseen as u8),
            heads,
        };
        // The bytes that told the protocol are the start of a head.
        watch.bytes_arrived();
        watch
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn request_started(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since.store(NEVER, Relaxed);
    }

    pub(super) fn request_ended(&self) {
        if self.in_flight.fetch_sub(1, Relaxed) == 1 {
            self.idle_since.store(self.now(), Relaxed);
        }
    }

    /// Whether what arrives now is the head of a request and nothing else.
    pub(super) fn awaits_head(&self) -> bool {
        self.heads == Heads::Timed && self.in_flight() == 0
    }

    /// Notes what the head that has just arrived says of the length of its body.
    pub(super) fn head_scanned(&self, framing: Framing) {
        self.framing.store(framing as u8, Relaxed);
    }

    /// What the head of the request that has just started says, asked once.
    pub(super) fn take_framing(&self) -> Framing {
        Framing::from_code(self.framing.swap(Framing::Unseen as u8, Relaxed))
    }

    pub(super) fn bytes_arrived(&self) {
        if self.awaits_head() && self.head_since.load(Relaxed) == NEVER {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    pub(super) fn write_stalled(&self) {
        if self.stalled_since.load(Relaxed) == NEVER {
            self.stalled_since.store(self.now(), Relaxed);
        }
    }

    pub(super) fn write_progressed(&self) {
        if self.stalled_since.load(Relaxed) != NEVER {
            self.stalled_since.store(NEVER, Relaxed);
        }
    }

    pub(super) fn verdict(&self, options: &Options) -> Verdict {
        let idle_since = if self.in_flight() == 0 { self.idle_since.load(Relaxed) } else { NEVER };
        let left = |since: u64, limit: Duration| {
            if since == NEVER {
                return Some(limit);
            }
            let past = Duration::from_millis(self.now().saturating_sub(since));
            limit.checked_sub(past).filter(|left| !left.is_zero())
        };
        let head = left(self.head_since.load(Relaxed), options.head_timeout);
        let write = left(self.stalled_since.load(Relaxed), options.write_stall_timeout);
        match (head, write, left(idle_since, options.idle_timeout)) {
            (None, _, _) | (_, None, _) => Verdict::Stuck,
            (_, _, None) => Verdict::Idle,
            (Some(head), Some(write), Some(idle)) => Verdict::Fine(head.min(write).min(idle)),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }
}

/// A request in progress, from its head to the last byte of its answer.
pub(super) struct Flight(Arc<Watch>);

impl Flight {
    pub(super) fn start(watch: Arc<Watch>) -> Self {
        watch.request_started();
        Self(watch)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_stall_timeout: Duration::from_secs(30),
            ..Options::default()
        }
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_stuck() {
        let watch = Watch::new(Heads::Timed);
        pass(4).await;
        watch.bytes_arrived();
        assert_eq!(watch.verdict(&options()), Verdict::Fine(Duration::from_secs(6)));
        pass(6).await;
        assert_eq!(watch.verdict(&options()), Verdict::Stuck);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_progress_may_take_its_time() {
        let watch = Arc::new(Watch::new(Heads::Timed));
        let flight = Flight::start(watch.clone());
        pass(1000).await;
        assert_eq!(watch.verdict(&options()), Verdict::Fine(Duration::from_secs(10)));
        drop(flight);
        pass(74).await;
        assert_eq!(watch.verdict(&options()), Verdict::Fine(Duration::from_secs(1)));
        pass(1).await;
        assert_eq!(watch.verdict(&options()), Verdict::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_read_is_stuck() {
        let watch = Arc::new(Watch::new(Heads::Untimed));
        let _flight = Flight::start(watch.clone());
        watch.write_stalled();
        pass(29).await;
        watch.write_stalled();
        assert_eq!(watch.verdict(&options()), Verdict::Fine(Duration::from_secs(1)));
        pass(1).await;
        assert_eq!(watch.verdict(&options()), Verdict::Stuck);
        watch.write_progressed();
        assert_eq!(watch.verdict(&options()), Verdict::Fine(Duration::from_secs(10)));
    }
}
