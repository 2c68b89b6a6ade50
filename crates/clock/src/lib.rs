//! What time it is, as an argument.
//!
//! A room that compares, stores or signs a wall-clock time takes a [`Clock`] from its caller, so a test owns
//! the time. Timers (deadlines, back-off) use tokio's monotonic clock instead and never this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of wall-clock time. Cheap to clone; clones of a manual clock share its hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's own clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `unix_seconds` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(unix_seconds: u64) -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(unix_seconds * 1000))))
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
            Source::System => SystemTime::now(),
            Source::Manual(millis) => UNIX_EPOCH + Duration::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Whole seconds since the Unix epoch; 0 for a time before it.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        self.now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
    }

    /// Moves a manual clock forward. The machine's own clock does not move for anyone.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(millis) = &self.0 {
            millis.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }
}
