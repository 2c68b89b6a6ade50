//! What ends when a table of gateways gives way to another, or to nothing: sessions, targets, calls.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use config::Snapshot;
use futures_util::future::join_all;
use gateway::{LiveTarget, Site, Table};

use crate::assemble::{House, issuers};

/// How long servers may take to end their sessions when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(8);

impl House {
    /// Takes note that `next` is in force, and ends what only the old table used.
    pub fn replaced(&self, next: Snapshot, old: &Table, new: &Table) {
        let issuers: Vec<_> =
            next.gateways.iter().flat_map(|gateway| issuers(&gateway.inbound)).cloned().collect();
        self.0.sources.retain(&issuers.iter().collect::<Vec<_>>());
        self.0.snapshot.store(Arc::new(next));
        for (name, site) in &old.sites {
            let kept = new.sites.get(name);
            self.settle_sessions(site, kept.map(Arc::as_ref));
            match kept {
                Some(new) => new.desk.rebind(Site::desk_bounds(&new.config, &new.limits)),
                None => site.desk.close(),
            }
            for (name, target) in &site.targets {
                let stays = kept.and_then(|new| new.targets.get(name));
                if !stays.is_some_and(|new| new.upstream.is(&target.upstream)) {
                    self.retire(target.clone());
                }
            }
        }
    }

    /// Sessions go on under their new bounds, or end with their gateway.
    fn settle_sessions(&self, old: &Site, new: Option<&Site>) {
        let Some(sessions) = &old.sessions else { return };
        match new.and_then(|new| Site::session_bounds(&new.config, &new.limits)) {
            Some(bounds) => sessions.rebind(bounds),
            None => sessions.end_all().iter().for_each(|session| old.release(session)),
        }
    }

    /// Shuts down a target that nobody can reach any more, once the calls in progress have ended.
    fn retire(&self, target: LiveTarget) {
        let house = self.clone();
        self.retired().push(target.clone());
        tokio::spawn(async move {
            target.calls.close();
            tokio::select! {
                () = target.calls.wait() => {}
                () = tokio::time::sleep(target.upstream.target().call_timeout) => {}
                // The end of the process takes care of it, with all others.
                () = house.0.drain.draining() => return,
            }
            house.retired().retain(|other| !other.upstream.is(&target.upstream));
            target.upstream.shutdown().await;
        });
    }

    /// Waits for the calls in progress as long as the drain allows, then ends the upkeep, and every target's sessions and
    /// children. Answers how many calls were cut off.
    pub async fn close(&self, table: &Table) -> usize {
        // Nobody can come back to a process that ends.
        table.sites.values().for_each(|site| site.desk.close());
        let mut targets = std::mem::take(&mut *self.retired());
        targets.extend(table.sites.values().flat_map(|site| site.targets.values().cloned()));
        let ended = targets.iter().map(|target| {
            target.calls.close();
            target.calls.wait()
        });
        tokio::select! {
            _ = join_all(ended) => {}
            () = self.0.drain.cut() => {}
        }
        let cut = targets.iter().map(|target| target.calls.len()).sum();
        self.0.shutdown.cancel();
        let farewell = join_all(targets.iter().map(|target| target.upstream.shutdown()));
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("some servers did not let go in time; their sessions end by themselves");
        }
        cut
    }

    fn retired(&self) -> MutexGuard<'_, Vec<LiveTarget>> {
        self.0.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
