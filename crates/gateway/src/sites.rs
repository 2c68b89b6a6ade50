//! The table that is served, and a way to learn that it was replaced.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::plane::Table;
use crate::site::Site;

/// The table that is served. Clones share it.
#[derive(Clone)]
pub(crate) struct Sites(Arc<Inner>);

struct Inner {
    table: ArcSwap<Table>,
    swaps: watch::Sender<u64>,
}

impl Sites {
    pub(crate) fn new(table: Table) -> Self {
        Self(Arc::new(Inner { table: ArcSwap::from_pointee(table), swaps: watch::Sender::new(0) }))
    }

    /// What is served now.
    pub(crate) fn load(&self) -> Arc<Table> {
        self.0.table.load_full()
    }

    /// The gateway called `name`, if there is one now.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Site>> {
        self.0.table.load().sites.get(name).cloned()
    }

    /// Serves `table` from now on; answers the old one.
    pub(crate) fn swap(&self, table: Table) -> Arc<Table> {
        let old = self.0.table.swap(Arc::new(table));
        self.0.swaps.send_modify(|swaps| *swaps += 1);
        old
    }

    /// Told whenever another table is served.
    pub(crate) fn swaps(&self) -> watch::Receiver<u64> {
        self.0.swaps.subscribe()
    }
}
