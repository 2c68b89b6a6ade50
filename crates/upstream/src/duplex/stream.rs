//! The consumer's end of one request: its events in order, within the time it may take.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::connection::Lease;
use super::waiter::{Role, Waiter};
use crate::{Event, Mark, UpstreamError};

/// How long a server that let a request time out has to answer a ping.
const PROBE: Duration = Duration::from_secs(5);

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// In all.
    pub(super) total: Duration,
    /// Without a word from the server.
    pub(super) idle: Duration,
}

/// An open call. Dropping it before the answer cancels the call at the server.
#[derive(Debug)]
pub struct CallStream {
    waiter: Arc<Waiter>,
    patience: Patience,
    deadline: Instant,
    lease: Lease,
}

impl CallStream {
    pub(super) fn new(waiter: Arc<Waiter>, lease: Lease, patience: Patience) -> Self {
        Self { waiter, patience, deadline: Instant::now() + patience.total, lease }
    }

    /// The id of the request.
    pub(super) fn id(&self) -> u64 {
        self.waiter.relay.id
    }

    /// What happens next: notifications, then one [`Event::Final`]. Cancel safe.
    ///
    /// # Errors
    /// There is no answer and will be none; the call has ended. So has one that is asked for more than its answer.
    pub async fn next(&mut self) -> Result<Event, UpstreamError> {
        loop {
            if self.waiter.pause.is_open() {
                tokio::select! {
                    biased;
                    event = self.waiter.next() => return event,
                    // Whatever the server had asked is answered: its time begins anew.
                    () = self.waiter.pause.over() => self.waiter.hear(),
                }
                continue;
            }
            let deadline = self.deadline + self.waiter.pause.total();
            let idle_at = self.waiter.heard() + self.patience.idle;
            if let Ok(event) = timeout_at(deadline.min(idle_at), self.waiter.next()).await {
                return event;
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(self.time_out(self.patience.total));
            }
            if now >= self.waiter.heard() + self.patience.idle {
                return Err(self.time_out(self.patience.idle));
            }
        }
    }

    /// Names the connection it comes over.
    pub(crate) fn mark(&self) -> Mark {
        self.lease.connection().mark()
    }

    /// Resolves when the request is on its way to the server.
    pub(super) async fn sent(&mut self) -> Result<(), UpstreamError> {
        let waiter = self.waiter.clone();
        self.within_patience(waiter.sent()).await
    }

    /// The answer, whatever comes before it.
    pub(super) async fn answer(mut self) -> Result<mcp::Response, UpstreamError> {
        loop {
            if let Event::Final(response) = self.next().await? {
                return Ok(response);
            }
        }
    }

    pub(super) async fn within_patience<T>(
        &mut self,
        work: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        match timeout_at(self.deadline, work).await {
            Ok(done) => done,
            Err(_) => Err(self.time_out(self.patience.total)),
        }
    }

    fn time_out(&self, after: Duration) -> UpstreamError {
        self.waiter.give_up();
        if self.waiter.role == Role::Call {
            let limit = PROBE.min(self.patience.total);
            self.lease.connection().probe(self.waiter.relay.id, limit);
        }
        UpstreamError::Timeout(after)
    }
}

impl Drop for CallStream {
    fn drop(&mut self) {
        self.waiter.give_up();
    }
}
