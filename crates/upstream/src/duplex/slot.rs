//! One place for a connection: empty, being opened, open, or resting after a failure.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::Connection;
use crate::UpstreamError;
use crate::error::{NEXT_ATTEMPT, rounded};

#[cfg(test)]
mod tests;

/// Before the first new attempt; doubled with each failure that follows.
const REST_MIN: Duration = Duration::from_millis(100);
const REST_MAX: Duration = Duration::from_secs(30);
/// A connection that lived this long is no part of a series of failures.
const STABLE: Duration = Duration::from_secs(30);

/// What an opening comes to; `None` while it runs.
pub(super) type Opening = watch::Receiver<Option<Result<Connection, UpstreamError>>>;

/// One user's place.
#[derive(Debug)]
pub(super) enum Slot {
    /// Somebody opens it; whoever comes meanwhile waits for the same.
    Opening(Opening),
    /// In use, or at least usable.
    Open {
        connection: Connection,
        since: Instant,
        /// Failures before it, in a row.
        failures: u32,
    },
    /// It failed, and is not tried again before a time.
    Resting(Rest),
}

/// How long a place rests, and why.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) until: Instant,
    pub(super) failures: u32,
    pub(super) error: UpstreamError,
}

impl Slot {
    /// What a connection that ended by itself leaves behind.
    pub(super) fn after_end(since: Instant, failures: u32) -> Rest {
        let failures = if since.elapsed() >= STABLE { 0 } else { failures };
        Rest::after(failures, UpstreamError::Unreachable("the connection ended".to_owned()))
    }

    /// Whether it takes one of the places that are bounded.
    pub(super) fn is_live(&self) -> bool {
        match self {
            Self::Opening(_) => true,
            Self::Open { connection, .. } => connection.is_open(),
            Self::Resting(_) => false,
        }
    }

    /// Whether this connection is in it.
    pub(super) fn holds(&self, connection: &Connection) -> bool {
        matches!(self, Self::Open { connection: open, .. } if open.is(connection))
    }

    /// Whether it only remembers a failure that no longer matters.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Resting(rest) if rest.until + STABLE < Instant::now())
    }
}

impl Rest {
    /// No rest, with the failures so far: an attempt came to nothing that says nothing of the server.
    pub(super) fn over(failures: u32, error: UpstreamError) -> Self {
        Self { until: Instant::now(), failures, error }
    }

    /// The rest after one more failure than `failures`.
    pub(super) fn after(failures: u32, error: UpstreamError) -> Self {
        let rest = REST_MIN.saturating_mul(1 << failures.min(16)).min(REST_MAX);
        Self { until: Instant::now() + rest, failures: failures.saturating_add(1), error }
    }

    /// What a request is told that comes meanwhile.
    pub(super) fn refusal(&self) -> UpstreamError {
        match &self.error {
            UpstreamError::Unreachable(why) => {
                UpstreamError::Unreachable(format!("{why}{NEXT_ATTEMPT}{:?}", rounded(self.left())))
            }
            error => error.clone(),
        }
    }

    /// How long it still lasts.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Whether an opening failed for a reason that has nothing to do with the server's health, and may be gone at once.
pub(super) fn passes(error: &UpstreamError) -> bool {
    matches!(error, UpstreamError::NoCredential(_) | UpstreamError::Busy(_) | UpstreamError::Cancelled)
}

/// What a failed opening means for a request that waits for it: none of it was sent.
/// `limit` is the time that it had.
pub(super) fn before_sending(error: UpstreamError, limit: Duration) -> UpstreamError {
    match error {
        UpstreamError::Lost(why) => UpstreamError::Unreachable(why),
        UpstreamError::Timeout(_) => UpstreamError::Unreachable(not_ready(limit)),
        UpstreamError::Cancelled => UpstreamError::Unreachable("the connection ended at once".to_owned()),
        other => other,
    }
}

/// What is said of a server that did not shake hands within `limit`.
pub(super) fn not_ready(limit: Duration) -> String {
    format!("it was not ready within {:?}; see `connect_timeout`", rounded(limit))
}
