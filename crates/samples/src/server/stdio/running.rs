//! The requests that are being answered. When this goes, so do they.

use std::collections::HashMap;
use std::time::Duration;

use mcp::{Id, IdKey};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Requests at a time.
const RUNNING_MAX: usize = 64;
/// For what is running to come to its end when no more is asked.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Running {
    tasks: JoinSet<()>,
    by_id: HashMap<IdKey, AbortHandle>,
}

impl Running {
    /// Runs `work` for the request `id`; says whether there was room for it.
    pub(super) fn start(&mut self, id: &Id, work: impl Future<Output = ()> + Send + 'static) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.by_id.retain(|_, task| !task.is_finished());
        if self.tasks.len() >= RUNNING_MAX {
            return false;
        }
        let task = self.tasks.spawn(work);
        if let Some(key) = id.key() {
            self.by_id.insert(key, task);
        }
        true
    }

    /// Drops the work for the request `id`. There is no answer then (MCP, Cancellation).
    pub(super) fn cancel(&mut self, id: &Id) {
        if let Some(task) = id.key().and_then(|key| self.by_id.remove(&key)) {
            task.abort();
        }
    }

    /// Waits for a moment until all is done.
    pub(super) async fn finish(&mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // What takes longer is dropped with this.
        let _ = timeout(GRACE, all).await;
    }
}
