//! How many of something each principal holds, or each holder of another kind.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::PrincipalKey;

#[cfg(test)]
mod tests;

/// Counts what holders hold. Clones share it.
#[derive(Clone, Debug)]
pub struct Quota<K: Eq + Hash = PrincipalKey>(Arc<Held<K>>);

#[derive(Debug)]
struct Held<K>(Mutex<HashMap<K, usize>>);

/// One that counts, for as long as this lives.
#[derive(Debug)]
pub struct Counted<K: Eq + Hash = PrincipalKey> {
    held: Arc<Held<K>>,
    whose: K,
}

impl<K: Eq + Hash + Clone> Quota<K> {
    /// Counts one more for `whose`; `None` when they hold `most` already.
    #[must_use]
    pub fn take(&self, whose: K, most: usize) -> Option<Counted<K>> {
        let mut table = self.0.table();
        let held = table.get(&whose).copied().unwrap_or_default();
        if held >= most {
            return None;
        }
        table.insert(whose.clone(), held + 1);
        Some(Counted { held: self.0.clone(), whose })
    }
}

impl<K: Eq + Hash> Default for Quota<K> {
    fn default() -> Self {
        Self(Arc::new(Held(Mutex::default())))
    }
}

impl<K> Held<K> {
    fn table(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
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
