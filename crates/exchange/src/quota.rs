//! How many of something each principal holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::PrincipalKey;

/// Counts what principals hold. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Quota(Arc<Held>);

#[derive(Debug, Default)]
struct Held(Mutex<HashMap<PrincipalKey, usize>>);

/// One that counts, for as long as this lives.
#[derive(Debug)]
pub struct Counted {
    held: Arc<Held>,
    whose: PrincipalKey,
}

impl Quota {
    /// Counts one more for `principal`; `None` when they hold `most` already.
    #[must_use]
    pub fn take(&self, principal: PrincipalKey, most: usize) -> Option<Counted> {
        let mut table = self.0.table();
        let held = table.entry(principal).or_default();
        if *held >= most {
            return None;
        }
        *held += 1;
        Some(Counted { held: self.0.clone(), whose: principal })
    }
}

impl Held {
    fn table(&self) -> MutexGuard<'_, HashMap<PrincipalKey, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut table = self.held.table();
        if let Some(count) = table.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.whose);
            }
        }
    }
}
