//! Keeps the default listings fresh: at registration, on schedule, when the server says so, when somebody misses a name.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::Clock;
use config::Gateway;
use futures_util::future::join_all;
use store::Store;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use upstream::UpstreamError;

use crate::health::Health;
use crate::pull::{Bounds, Pulled, pull};
use crate::shared::Shared;
use crate::source::Source;

/// How long further doubts are waited for before the lists are captured again.
const DEBOUNCE: Duration = Duration::from_millis(250);

/// The least time between two captures that a server asks for by change notices. The first notice is followed at once:
/// clients wait for what it brings.
const CHANGE_GAP: Duration = Duration::from_millis(500);

/// The least time between two captures because of names nobody knows: callers must not be able to flood a server.
pub(crate) const MISS_GAP: Duration = Duration::from_secs(5);

/// The least time between two captures because calls fail: many failing calls are one doubt.
const DOUBT_GAP: Duration = Duration::from_secs(2);

/// The first and the longest wait after a failed capture.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Change notices that may wait; more would say nothing new.
const FEED_QUEUE: usize = 16;

/// One default target and its upkeep.
pub(crate) struct Keeper {
    index: usize,
    source: Arc<dyn Source>,
    changed: Notify,
    doubted: Notify,
    wanted: Notify,
    attempts: watch::Sender<u64>,
    attempted_at: Mutex<Option<Instant>>,
}

/// The upkeep of all default targets of one gateway.
pub(crate) struct Sync {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) items_max: usize,
    /// In the configuration's order.
    pub(crate) keepers: Vec<Arc<Keeper>>,
}

/// Why a target is captured now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// It is due.
    Due,
    /// Its server says that something changed.
    Changed,
    /// Calls to its server fail.
    Doubted,
    /// Somebody asked for a name that is not in the table.
    Wanted,
}

impl Keeper {
    /// The upkeep of the target at `index` of the configuration.
    pub(crate) fn new(index: usize, source: Arc<dyn Source>) -> Self {
        let attempts = watch::Sender::new(0);
        Self {
            index,
            source,
            changed: Notify::new(),
            doubted: Notify::new(),
            wanted: Notify::new(),
            attempts,
            attempted_at: Mutex::new(None),
        }
    }

    /// Which target of the configuration this is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Has the lists captured soon. Many notices at a time are one.
    pub(crate) fn notice(&self) {
        self.changed.notify_one();
    }

    /// Has the lists captured soon, because what is known of the server may not be so any more. Many doubts are one.
    pub(crate) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Returns when the first attempt to capture has ended, well or badly.
    pub(crate) async fn first_attempt(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.attempts.subscribe().wait_for(|attempts| *attempts > 0).await;
    }

    /// Until when a list waits for the first attempt: not longer than `budget` after it started, so that a target which
    /// hangs costs one list its time and not all of them.
    pub(crate) fn patience(&self, deadline: Instant, budget: Duration) -> Instant {
        self.last_attempt().map_or(deadline, |started| deadline.min(started + budget))
    }

    /// Captures now, unless that was tried just before, and returns when the attempt has ended.
    pub(crate) async fn capture_now(&self) {
        let mut attempts = self.attempts.subscribe();
        let seen = *attempts.borrow_and_update();
        let recent = self.last_attempt().is_some_and(|at| at.elapsed() < MISS_GAP);
        if recent && seen > 0 {
            return;
        }
        self.wanted.notify_one();
        let _ = attempts.wait_for(|attempts| *attempts > seen).await;
    }

    fn last_attempt(&self) -> Option<Instant> {
        *self.attempted_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempt_starts(&self) {
        *self.attempted_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn attempt_ends(&self) {
        self.attempts.send_modify(|attempts| *attempts += 1);
    }

    /// Forwards the server's change notices until `stop`.
    async fn follow_feed(&self, stop: &CancellationToken) {
        let (sender, mut changes) = mpsc::channel(FEED_QUEUE);
        let notices = async {
            while changes.recv().await.is_some() {
                self.notice();
            }
        };
        tokio::join!(self.source.feed(sender, stop.clone()), notices);
    }
}

impl Sync {
    /// Works until `stop`.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for position in 0..self.keepers.len() {
            let (sync, stop) = (Arc::clone(&self), stop.clone());
            tasks.spawn(async move {
                let Some(keeper) = sync.keepers.get(position) else { return };
                let work = async { tokio::join!(sync.keep(position, keeper), keeper.follow_feed(&stop)) };
                let _ = stop.run_until_cancelled(work).await;
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn keep(&self, position: usize, keeper: &Keeper) {
        let started = Instant::now();
        let Some(target) = self.gateway.targets.get(keeper.index) else { return };
        let (mut backoff, longest) = BACKOFF;
        let mut health = Health::new(&self.gateway.name, &target.name, self.items_max);
        let mut cause = Cause::Due;
        loop {
            keeper.attempt_starts();
            let pulled = self.attempt(keeper, target.call_timeout).await;
            if self.shared.capture(keeper.index).is_none() {
                self.let_earlier_targets_go_first(position, started).await;
            }
            let rest = match pulled {
                Ok(pulled) => {
                    backoff = BACKOFF.0;
                    health.captured(&pulled);
                    self.keep_capture(keeper, pulled).await;
                    target.refresh
                }
                Err(error) => {
                    health.failed(&error);
                    self.shared.failed(keeper.index, &error, self.clock.unix_seconds());
                    let rest = backoff.min(target.refresh);
                    // Attempts that callers bring about must not put off the next one on schedule.
                    if cause == Cause::Due {
                        backoff = (backoff * 2).min(longest);
                    }
                    rest
                }
            };
            keeper.attempt_ends();
            cause = Self::rest(keeper, rest).await;
            Self::hold_back(keeper, cause).await;
        }
    }

    /// Waits until a capture that a server or its callers bring about may start.
    async fn hold_back(keeper: &Keeper, cause: Cause) {
        let (gap, least) = match cause {
            Cause::Due | Cause::Wanted => return,
            Cause::Changed => (CHANGE_GAP, Duration::ZERO),
            Cause::Doubted => (DOUBT_GAP, DEBOUNCE),
        };
        let left = keeper.last_attempt().map_or(Duration::ZERO, |at| gap.saturating_sub(at.elapsed()));
        // Somebody who waits for a name is not made to wait for this.
        let _ = timeout(least.max(left), keeper.wanted.notified()).await;
    }

    async fn attempt(&self, keeper: &Keeper, time: Duration) -> Result<Pulled, UpstreamError> {
        let previous = self.shared.capture(keeper.index);
        let bounds = Bounds { items: self.items_max, time };
        pull(&*keeper.source, None, previous.as_deref(), bounds).await
    }

    async fn keep_capture(&self, keeper: &Keeper, pulled: Pulled) {
        let Some(stored) = self.shared.captured(keeper.index, pulled, self.clock.unix_seconds()) else {
            return;
        };
        let target = stored.target.clone();
        if let Err(error) = self.store.replace_target(&self.gateway.name, stored).await {
            tracing::error!(gateway.name = %self.gateway.name, target.name = %target, %error, "the capture is used but not persisted");
        }
    }

    /// On a first start nobody owns a name yet: the first captures take their names in the configuration's order, as far
    /// as the earlier targets answer within the list budget.
    async fn let_earlier_targets_go_first(&self, position: usize, started: Instant) {
        let earlier = self.keepers.iter().take(position).map(|keeper| keeper.first_attempt());
        let _ = timeout_at(started + self.gateway.list_budget, join_all(earlier)).await;
    }

    async fn rest(keeper: &Keeper, rest: Duration) -> Cause {
        let notice = async {
            tokio::select! {
                () = keeper.changed.notified() => Cause::Changed,
                () = keeper.doubted.notified() => Cause::Doubted,
                () = keeper.wanted.notified() => Cause::Wanted,
            }
        };
        timeout(rest, notice).await.unwrap_or(Cause::Due)
    }
}
