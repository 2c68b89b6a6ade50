//! The end of a process in two steps: stop taking work, then cut what is left.
//!
//! One [`Drain`] is shared by every listener and every background task. It never decides what a room does while it
//! drains; it only says that the time has come, and when the time is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A cloneable handle; all clones drain together, once.
#[derive(Clone, Debug)]
pub struct Drain(Arc<State>);

#[derive(Debug)]
struct State {
    grace: Duration,
    begun: CancellationToken,
    cut: CancellationToken,
    tasks: TaskTracker,
    tasks_cut: AtomicUsize,
}

impl Drain {
    /// A drain that gives work in progress `grace` from [`Drain::begin`] to [`Drain::cut`].
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self(Arc::new(State {
            grace,
            begun: CancellationToken::new(),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
            tasks_cut: AtomicUsize::new(0),
        }))
    }

    /// Starts to drain. Needs a tokio runtime; a second call changes nothing.
    pub fn begin(&self) {
        if self.0.begun.is_cancelled() {
            return;
        }
        self.0.begun.cancel();
        self.0.tasks.close();
        let (cut, grace) = (self.0.cut.clone(), self.0.grace);
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(grace) => cut.cancel(),
                () = cut.cancelled() => {}
            }
        });
    }

    /// Starts to drain if that has not happened yet, and ends the grace period at once.
    pub fn cut_now(&self) {
        self.begin();
        self.0.cut.cancel();
    }

    /// Whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.begun.is_cancelled()
    }

    /// Resolves when the drain begins: finish what you do, take nothing new. Cancel safe.
    pub async fn draining(&self) {
        self.0.begun.cancelled().await;
    }

    /// Resolves when the grace period is over: stop now. Cancel safe.
    pub async fn cut(&self) {
        self.0.cut.cancelled().await;
    }

    /// Runs `task` in the background and lets [`Drain::finished`] wait for it. It is aborted when the grace period ends.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let state = self.0.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = task => {}
                () = state.cut.cancelled() => {
                    state.tasks_cut.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    /// Resolves when the drain has begun and every spawned task has ended, soon after the grace period at the latest.
    /// Returns how many tasks were cut.
    pub async fn finished(&self) -> usize {
        self.0.tasks.wait().await;
        self.0.tasks_cut.load(Ordering::Relaxed)
    }
}

impl Default for Drain {
    /// Thirty seconds of grace, what container platforms allow by default.
    fn default() -> Self {
        Self::new(Duration::from_secs(30))
    }
}
