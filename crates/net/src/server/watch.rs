//! What a connection has been doing, and when that has lasted too long.
//!
//! The socket and the handlers leave notes in atomics; one timer for the whole connection reads them. A request costs two
//! additions and a look at the clock, no timer of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::Options;
use super::frames::Arrived;
use super::framing::Framing;

/// A note that says "not now" in place of a time.
const NEVER: u64 = u64::MAX;
/// HTTP/2 frames that are no part of a request which a client may send within one period while no answer makes progress.
/// Each costs work and often an answer (CVE-2019-9512, CVE-2019-9515). A client that keeps its connection alive sends a
/// few a minute; one that measures the path sends a few for each piece of an answer, which begins the count anew.
const CHATTER_MAX: u64 = 1000;
const CHATTER_PERIOD: Duration = Duration::from_secs(60);

pub(super) struct Watch {
    started: Instant,
    in_flight: AtomicUsize,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    stalled_since: AtomicU64,
    chatter: AtomicU64,
    chatter_since: AtomicU64,
    framing: AtomicU8,
    heads: Heads,
}

/// How the head of a request is told from the rest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Heads {
    /// HTTP/1.1: bytes between two requests can only be the head of the next one.
    Timed,
    /// HTTP/2: by the frames. Every frame has the time of a head, because nothing else can arrive before its end.
    Framed,
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

/// What the frames of a client that are no part of a request come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chatter {
    Fine,
    /// More than any client needs: drop the connection.
    Flood,
}

impl Watch {
    pub(super) fn new(heads: Heads) -> Self {
        Self {
            started: Instant::now(),
            in_flight: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            // The bytes that told the protocol are the start of a head.
            head_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(NEVER),
            chatter: AtomicU64::new(0),
            chatter_since: AtomicU64::new(0),
            framing: AtomicU8::new(Framing::Unseen as u8),
            heads,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn request_started(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        match self.heads {
            Heads::Timed => self.head_since.store(NEVER, Relaxed),
            Heads::Framed => self.chatter.store(0, Relaxed),
        }
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

    /// Whether `frames_arrived` wants to know of what arrives.
    pub(super) fn follows_frames(&self) -> bool {
        self.heads == Heads::Framed
    }

    /// Notes the frames that have just arrived, and whether there were too many that are no part of a request.
    pub(super) fn frames_arrived(&self, arrived: Arrived) -> Chatter {
        if arrived.ended > 0 {
            self.head_since.store(NEVER, Relaxed);
        }
        if arrived.unfinished && self.head_since.load(Relaxed) == NEVER {
            self.head_since.store(self.now(), Relaxed);
        }
        if arrived.chatter == 0 {
            return Chatter::Fine;
        }
        let now = self.now();
        if u128::from(now - self.chatter_since.load(Relaxed).min(now)) > CHATTER_PERIOD.as_millis() {
            self.chatter_since.store(now, Relaxed);
            self.chatter.store(0, Relaxed);
        }
        let chatter = self.chatter.fetch_add(arrived.chatter, Relaxed) + arrived.chatter;
        if chatter > CHATTER_MAX { Chatter::Flood } else { Chatter::Fine }
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

    /// Notes that a piece of the answer has been taken.
    pub(super) fn answer_progressed(&self) {
        self.0.chatter.store(0, Relaxed);
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

    const WHOLE: Arrived = Arrived { ended: 1, chatter: 0, unfinished: false };
    const PART: Arrived = Arrived { ended: 0, chatter: 0, unfinished: true };

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
    async fn a_frame_that_does_not_end_is_stuck_also_while_a_request_is_in_progress() {
        let watch = Arc::new(Watch::new(Heads::Framed));
        watch.frames_arrived(WHOLE);
        watch.frames_arrived(PART);
        let _flight = Flight::start(watch.clone());
        pass(9).await;
        watch.frames_arrived(PART);
        assert_eq!(watch.verdict(&options()), Verdict::Fine(Duration::from_secs(1)));
        pass(1).await;
        assert_eq!(watch.verdict(&options()), Verdict::Stuck);
        watch.frames_arrived(WHOLE);
        assert_eq!(watch.verdict(&options()), Verdict::Fine(Duration::from_secs(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_without_a_request_have_a_bound_until_something_useful_happens() {
        let most = Arrived { ended: CHATTER_MAX, chatter: CHATTER_MAX, unfinished: false };
        let one = Arrived { ended: 1, chatter: 1, unfinished: false };
        let watch = Arc::new(Watch::new(Heads::Framed));
        assert_eq!(watch.frames_arrived(most), Chatter::Fine);
        let flight = Flight::start(watch.clone());
        assert_eq!(watch.frames_arrived(most), Chatter::Fine);
        flight.answer_progressed();
        assert_eq!(watch.frames_arrived(most), Chatter::Fine);
        pass(61).await;
        assert_eq!(watch.frames_arrived(most), Chatter::Fine);
        assert_eq!(watch.frames_arrived(one), Chatter::Flood);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_read_is_stuck() {
        let watch = Arc::new(Watch::new(Heads::Framed));
        watch.frames_arrived(WHOLE);
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
