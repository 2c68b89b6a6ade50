//! The one thread that writes. SQLite has one writer at a time anyway; a queue keeps async tasks from blocking on it.

use std::fmt;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

/// Changes that may wait at a time; a caller beyond that waits for a place.
const QUEUE: usize = 256;

type Change = Box<dyn FnOnce(&mut Connection) + Send>;

/// The handle to the writer thread. Dropping it lets the queue run dry and waits for the thread to end.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Change>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn spawn(mut connection: Connection) -> std::io::Result<Self> {
        let (queue, mut changes) = mpsc::channel::<Change>(QUEUE);
        let run = move || {
            while let Some(change) = changes.blocking_recv() {
                change(&mut connection);
            }
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(run)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs a change on the thread; `None` when the thread has ended.
    ///
    /// A change that has been queued runs even when the caller stops waiting for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let change: Change = Box::new(move |connection| {
            // Nobody waits any more: the change is made all the same.
            let _ = answer.send(change(connection));
        });
        self.queue.as_ref()?.send(change).await.ok()?;
        answered.await.ok()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the database writer ended by a panic");
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}
