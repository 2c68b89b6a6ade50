//! How many requests may be in progress: in all, and of one principal.
//!
//! A place is taken before a caller is known, and held until the call has ended, also when its client has gone away, and
//! until the client has taken the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::PrincipalKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// All places. Clones share them.
#[derive(Clone, Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    held: Arc<Held>,
    per_principal: usize,
}

#[derive(Debug, Default)]
struct Held(Mutex<HashMap<PrincipalKey, usize>>);

/// A place for one request in progress.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    whose: Option<(Arc<Held>, PrincipalKey)>,
}

impl Places {
    /// `total` places, of which one principal may hold `per_principal`.
    #[must_use]
    pub fn new(total: usize, per_principal: usize) -> Self {
        let all = Arc::new(Semaphore::new(total.min(Semaphore::MAX_PERMITS)));
        Self { all, held: Arc::default(), per_principal }
    }

    /// A place for somebody who is not known yet.
    ///
    /// # Errors
    /// All are taken.
    pub fn take(&self) -> Result<Place, Refusal> {
        let permit = self.all.clone().try_acquire_owned().map_err(|_| Refusal::Overloaded)?;
        Ok(Place { _permit: permit, whose: None })
    }

    /// Counts `place` among those of `principal`.
    ///
    /// # Errors
    /// The principal holds as many as one may.
    pub fn claim(&self, mut place: Place, principal: PrincipalKey) -> Result<Place, Refusal> {
        let mut table = self.held.table();
        let held = table.entry(principal).or_default();
        if *held >= self.per_principal {
            let sentence =
                format!("You have {held} requests in progress, the most one may have; wait for one to end.");
            return Err(Refusal::Quota(sentence));
        }
        *held += 1;
        drop(table);
        place.whose = Some((self.held.clone(), principal));
        Ok(place)
    }
}

impl Held {
    fn table(&self) -> MutexGuard<'_, HashMap<PrincipalKey, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((held, principal)) = self.whose.take() else { return };
        let mut table = held.table();
        if let Some(count) = table.get_mut(&principal) {
            *count -= 1;
            if *count == 0 {
                table.remove(&principal);
            }
        }
    }
}
