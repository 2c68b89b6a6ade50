//! The sessions of one gateway's legacy clients: opened, found, ended.
//!
//! A session belongs to the principal that opened it; to anyone else it does not exist. Its id is never a credential: the
//! caller's own is checked on every request. Time is monotonic, so a jump of the wall clock ends no session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use identity::PrincipalKey;
use tokio::time::Instant;
use upstream::InboxBounds;

use crate::budget::{Budget, ResumeBounds};
use crate::session::Session;

/// The sessions of one gateway. Clones share them.
#[derive(Clone, Debug)]
pub struct Sessions(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    bounds: Bounds,
    budget: Budget,
    by_id: HashMap<Box<str>, Arc<Session>>,
    held: HashMap<PrincipalKey, usize>,
    /// Ended, but nobody has taken them yet to release what hangs on them.
    over: Vec<Arc<Session>>,
}

/// How many sessions there may be, and how long one lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// From initialize to the end, whatever happens.
    pub timeout: Duration,
    /// From the last request to the end.
    pub idle: Duration,
    /// Sessions in all.
    pub total: usize,
    /// Sessions of one principal.
    pub per_principal: usize,
    /// Questions open at a time in one session.
    pub questions: usize,
    /// What is kept and what may wait for the streams of sessions.
    pub streams: StreamBounds,
}

/// What is kept and what may wait for the streams of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamBounds {
    /// Events that can be sent again.
    pub resume: ResumeBounds,
    /// What may wait for one session's client. In force for sessions that begin.
    pub inbox: InboxBounds,
}

/// Why no session could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The principal holds as many as one may.
    #[error(
        "you have as many open sessions on this gateway as `limits.sessions_per_principal` allows; end one with DELETE, or wait until \
         one expires"
    )]
    TooManyOfOne,
    /// The gateway holds as many as it may.
    #[error("the gateway has as many open sessions as `limits.sessions` allows; try again later")]
    TooMany,
}

impl Sessions {
    /// No sessions yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let budget = Budget::new(bounds.streams.resume);
        let table = Table { bounds, budget, by_id: HashMap::new(), held: HashMap::new(), over: Vec::new() };
        Self(Arc::new(Mutex::new(table)))
    }

    /// Other bounds from now on, also for the sessions that are open.
    pub fn rebind(&self, bounds: Bounds) {
        let mut table = self.table();
        table.budget.rebind(bounds.streams.resume);
        table.bounds = bounds;
    }

    /// Opens a session for `principal`; answers its id, which is 256 random bits, and the session. The client's
    /// [`Hello`](crate::Hello) comes with [`Session::greet`].
    ///
    /// # Errors
    /// A bound is reached, and no session is over.
    pub fn open(&self, principal: PrincipalKey) -> Result<(String, Arc<Session>), SessionError> {
        let mut table = self.table();
        if table.is_full(principal).is_err() {
            table.end_those_over();
            table.is_full(principal)?;
        }
        let bounds = &table.bounds;
        let shelf = table.budget.shelf(principal);
        let session = Arc::new(Session::new(principal, bounds.questions, shelf, bounds.streams.inbox));
        let id = seal::random_id();
        *table.held.entry(principal).or_default() += 1;
        table.by_id.insert(id.as_str().into(), session.clone());
        Ok((id, session))
    }

    /// The session called `id`, if it is alive and `principal`'s own. Counts as use.
    #[must_use]
    pub fn find(&self, id: &str, principal: PrincipalKey) -> Option<Arc<Session>> {
        let table = self.table();
        let session = table.by_id.get(id).filter(|session| session.principal() == principal)?;
        if table.is_over(session, Instant::now()) {
            return None;
        }
        session.touch();
        Some(session.clone())
    }

    /// Whether a session called `id` is somebody else's. For the log only: the caller must not learn it.
    #[must_use]
    pub fn is_foreign(&self, id: &str, principal: PrincipalKey) -> bool {
        self.table().by_id.get(id).is_some_and(|session| session.principal() != principal)
    }

    /// Ends the session called `id`, if it is alive and `principal`'s own.
    #[must_use]
    pub fn close(&self, id: &str, principal: PrincipalKey) -> Option<Arc<Session>> {
        let session = self.find(id, principal)?;
        self.table().remove(id);
        session.end();
        Some(session)
    }

    /// Ends every session whose time is over. Answers all that ended since the last time, so that what hangs on them can be
    /// released; has to be called every so often.
    #[must_use]
    pub fn reap(&self) -> Vec<Arc<Session>> {
        let mut table = self.table();
        table.end_those_over();
        table.by_id.values().for_each(|session| session.events().expire());
        std::mem::take(&mut table.over)
    }

    /// Ends every session.
    #[must_use]
    pub fn end_all(&self) -> Vec<Arc<Session>> {
        let mut table = self.table();
        table.held.clear();
        let mut ended = std::mem::take(&mut table.over);
        ended.extend(table.by_id.drain().map(|(_, session)| session));
        ended.iter().for_each(|session| session.end());
        ended
    }

    /// How many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table().by_id.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn is_full(&self, principal: PrincipalKey) -> Result<(), SessionError> {
        if self.held.get(&principal).is_some_and(|held| *held >= self.bounds.per_principal) {
            return Err(SessionError::TooManyOfOne);
        }
        if self.by_id.len() >= self.bounds.total { Err(SessionError::TooMany) } else { Ok(()) }
    }

    fn is_over(&self, session: &Session, now: Instant) -> bool {
        session.is_over(self.bounds.timeout, self.bounds.idle, now)
    }

    fn end_those_over(&mut self) {
        let now = Instant::now();
        let over: Vec<Box<str>> = self
            .by_id
            .iter()
            .filter(|(_, session)| self.is_over(session, now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            if let Some(session) = self.remove(&id) {
                session.end();
                self.over.push(session);
            }
        }
    }

    fn remove(&mut self, id: &str) -> Option<Arc<Session>> {
        let session = self.by_id.remove(id)?;
        if let Some(held) = self.held.get_mut(&session.principal()) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&session.principal());
            }
        }
        Some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::SessionError;

    #[test]
    fn a_refusal_names_its_limit() {
        assert!(SessionError::TooMany.to_string().contains("`limits.sessions` "));
        assert!(SessionError::TooManyOfOne.to_string().contains("`limits.sessions_per_principal` "));
    }
}
