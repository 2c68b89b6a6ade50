//! Looks after one place: opens its connection, tells those who wait, and gives the place up when the connection ends.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::Connection;
use super::opener::Attempt;
use super::pool::Connections;
use super::slot::{Opening, Rest, Slot, before_sending, passes};
use crate::{Affinity, Caller, UpstreamError};

/// How often a connection is looked at that is never given up for being unused.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// One place, from the opening of its connection to the end.
pub(super) struct Keeper {
    pub(super) pool: Connections,
    pub(super) affinity: Affinity,
    pub(super) caller: Option<Caller>,
    /// The mark by which the place is known as this one's.
    pub(super) own: Opening,
}

impl Keeper {
    /// Opens the connection after its rest, and stays with it until it has ended.
    pub(super) async fn keep(
        self,
        rest: Option<Rest>,
        announce: watch::Sender<Option<Result<Connection, UpstreamError>>>,
    ) {
        let failures = rest.as_ref().map_or(0, |rest| rest.failures);
        let opened = tokio::select! {
            opened = self.open(rest) => opened.map_err(|error| before_sending(error, self.pool.connect_timeout())),
            () = self.pool.closed() => Err(UpstreamError::Cancelled),
        };
        let connection = match &opened {
            Ok(connection) => connection.clone(),
            Err(error) => {
                self.rest(failures, error);
                announce.send_replace(Some(opened));
                return;
            }
        };
        let since = Instant::now();
        // Held until those who wait have had a chance to take leases of their own.
        let lease = connection.lease();
        if !self.settle(Slot::Open { connection: connection.clone(), since, failures }) {
            connection.retire();
        }
        announce.send_replace(Some(opened));
        drop(lease);
        self.look_after(&connection).await;
        self.report_end(&connection, failures);
        self.vacate(&connection, since, failures);
        let tally = self.pool.tally();
        tracing::debug!(
            target.name = self.pool.opener().name(),
            noise = tally.noise(),
            stray = tally.stray(),
            thinned = tally.thinned(),
            "a connection ended; what was not delivered so far"
        );
    }

    async fn open(&self, rest: Option<Rest>) -> Result<Connection, UpstreamError> {
        let attempt = match rest {
            Some(rest) => {
                sleep(rest.left()).await;
                if rest.failures == 0 { Attempt::First } else { Attempt::Again }
            }
            None => Attempt::First,
        };
        self.pool.open(self.affinity, self.caller.as_ref(), attempt).await
    }

    fn rest(&self, failures: u32, error: &UpstreamError) {
        if passes(error) {
            let mut slots = self.pool.slots();
            if !slots.get(&self.affinity).is_some_and(|slot| self.is_own(slot)) {
                return;
            }
            if failures == 0 {
                slots.remove(&self.affinity);
            } else {
                slots.insert(self.affinity, Slot::Resting(Rest::over(failures, error.clone())));
            }
            return;
        }
        // Whoever waits for the connection is told, and reports it.
        tracing::debug!(target.name = self.pool.opener().name(), %error, "cannot connect to the server");
        self.settle(Slot::Resting(Rest::after(failures, error.clone())));
    }

    /// Says once in a series of failures that a connection ended which was not to.
    fn report_end(&self, connection: &Connection, failures: u32) {
        let name = self.pool.opener().name();
        let why = connection.end().unwrap_or_else(|| "unknown".to_owned());
        if failures == 0 && !connection.is_retired() {
            tracing::warn!(
                target.name = name,
                why,
                "the connection ended; it is opened again when it is needed"
            );
        } else {
            tracing::debug!(target.name = name, why, "the connection ended");
        }
    }

    fn is_own(&self, slot: &Slot) -> bool {
        matches!(slot, Slot::Opening(opening) if opening.same_channel(&self.own))
    }

    /// Puts the outcome of the opening in its place. `false`: the place is gone, its session ended meanwhile.
    fn settle(&self, outcome: Slot) -> bool {
        match self.pool.slots().get_mut(&self.affinity) {
            Some(slot) if self.is_own(slot) => {
                *slot = outcome;
                true
            }
            _ => false,
        }
    }

    /// Resolves when the connection has ended; ends it when nobody uses it any more.
    async fn look_after(&self, connection: &Connection) {
        let idle = self.pool.opener().idle(self.affinity);
        loop {
            let look = idle.and_then(|idle| connection.idle_at(idle));
            let look = look.unwrap_or_else(|| Instant::now() + idle.unwrap_or(LOOK));
            tokio::select! {
                () = connection.ended() => return,
                () = self.pool.closed(), if !connection.is_retired() => connection.retire(),
                () = sleep_until(look), if !connection.is_retired() => {
                    if let Some(idle) = idle {
                        self.reap(connection, idle);
                    }
                }
            }
        }
    }

    fn reap(&self, connection: &Connection, idle: Duration) {
        let mut slots = self.pool.slots();
        let unused = connection.idle_at(idle).is_some_and(|at| at <= Instant::now());
        if unused && slots.get(&self.affinity).is_some_and(|slot| slot.holds(connection)) {
            slots.remove(&self.affinity);
            connection.retire();
        }
    }

    /// Gives up the place of a connection that has ended.
    fn vacate(&self, connection: &Connection, since: Instant, failures: u32) {
        let mut slots = self.pool.slots();
        if !slots.get(&self.affinity).is_some_and(|slot| slot.holds(connection)) {
            return;
        }
        if connection.is_retired() {
            slots.remove(&self.affinity);
        } else {
            slots.insert(self.affinity, Slot::Resting(Slot::after_end(since, failures)));
        }
    }
}
