//! One attempt at a time, shared by everyone who waits for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lets one caller attempt something that all of them need. Whoever waited while the attempt failed shares the failure:
/// a dead server is not asked once per waiting call, one after the other.
pub(super) struct Turn<E> {
    turn: tokio::sync::Mutex<()>,
    failed: Mutex<Failed<E>>,
}

struct Failed<E> {
    times: u64,
    last: Option<E>,
}

impl<E: Clone> Turn<E> {
    /// What is `known` already, or what `attempt` comes to. Dropped, it lets the next one try.
    ///
    /// # Errors
    /// The attempt failed.
    pub(super) async fn take<T>(
        &self,
        known: impl Fn() -> Option<T>,
        attempt: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if let Some(known) = known() {
            return Ok(known);
        }
        let before = self.failed().times;
        let _turn = self.turn.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        let meanwhile = match &*self.failed() {
            failed if failed.times != before => failed.last.clone(),
            _ => None,
        };
        if let Some(error) = meanwhile {
            return Err(error);
        }
        let outcome = attempt.await;
        if let Err(error) = &outcome {
            let mut failed = self.failed();
            failed.times += 1;
            failed.last = Some(error.clone());
        }
        outcome
    }

    fn failed(&self) -> MutexGuard<'_, Failed<E>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Default for Turn<E> {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::default(), failed: Mutex::new(Failed { times: 0, last: None }) }
    }
}
