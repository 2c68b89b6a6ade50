//! How long a call may still take: in all, and without a byte from its server.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::UpstreamError;

/// The bounds of one call. The idle one starts anew with every wait, the total one never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    started: Instant,
    total: Duration,
    idle: Duration,
}

impl Deadline {
    /// Starts now.
    pub(crate) fn start(total: Duration, idle: Duration) -> Self {
        Self { started: Instant::now(), total, idle }
    }

    /// No bound: somebody else watches the time.
    pub(crate) fn none() -> Self {
        const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Self::start(FOREVER, FOREVER)
    }

    /// The same bounds for a call that stood still for as long.
    pub(crate) fn later(self, by: Duration) -> Self {
        Self { total: self.total + by, ..self }
    }

    /// How long the next wait may take, and the configured time that this comes from.
    pub(crate) fn next(&self) -> (Duration, Duration) {
        let left = self.total.saturating_sub(self.started.elapsed());
        if self.idle < left { (self.idle, self.idle) } else { (left, self.total) }
    }

    /// Waits for `what`. Cancel safe if `what` is.
    ///
    /// # Errors
    /// [`UpstreamError::Timeout`] when one of the bounds passes first.
    pub(crate) async fn within<T>(&self, what: impl Future<Output = T>) -> Result<T, UpstreamError> {
        let (left, bound) = self.next();
        timeout(left, what).await.map_err(|_| UpstreamError::Timeout(bound))
    }
}
