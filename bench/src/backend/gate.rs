//! A gate opens when as many calls have come as were announced: that many are then in progress at a time, whatever the
//! clocks say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Barrier;

/// Calls that wait longer are missing somebody.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Gates(Mutex<HashMap<usize, Arc<Barrier>>>);

impl Gates {
    /// Waits until `together` calls wait here; says whether they all came.
    pub(super) async fn pass(&self, together: usize) -> bool {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            gates.entry(together).or_insert_with(|| Arc::new(Barrier::new(together))).clone()
        };
        tokio::time::timeout(PATIENCE, gate.wait()).await.is_ok()
    }
}
