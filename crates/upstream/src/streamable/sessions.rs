//! The sessions with one legacy server: one per affinity, opened when first needed, by one caller at a time.
//!
//! Bounded in number. A session of a client session lives as long as that; the others end when nobody used them for a
//! while. Two affinities never share one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::endpoint::Endpoint;
use super::handshake::{OpenError, shake};
use super::session::Session;
use super::turn::Turn;
use crate::facts::FactsCache;
use crate::{Affinity, Caller, SessionKey, UpstreamError};

/// A session that belongs to no client session and that nobody used for this long is ended.
const IDLE: Duration = Duration::from_secs(10 * 60);
const REAP_EVERY: Duration = Duration::from_secs(60);
/// Farewells at a time.
const FAREWELLS_MAX: usize = 64;

/// The sessions with one server.
pub(super) struct Sessions {
    endpoint: Arc<Endpoint>,
    facts: Arc<FactsCache>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slots: HashMap<Affinity, Arc<Slot>>,
    reaper: Reaper,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reaper {
    #[default]
    Absent,
    Running,
}

/// The place of one affinity's session.
#[derive(Default)]
struct Slot {
    held: Mutex<Held>,
    opening: Turn<OpenError>,
}

#[derive(Default)]
struct Held {
    session: Option<Arc<Session>>,
    /// The client session is over; nothing may be put here any more.
    ended: Option<Ended>,
}

struct Ended;

impl Sessions {
    pub(super) fn new(endpoint: Arc<Endpoint>, facts: Arc<FactsCache>) -> Self {
        Self { endpoint, facts, shared: Arc::new(Shared { state: Mutex::default() }) }
    }

    /// The session of `caller`, or the gateway's own, if it is open.
    pub(super) fn open(&self, caller: Option<&Caller>) -> Option<Arc<Session>> {
        let affinity = caller.map_or(Affinity::Gateway, Caller::affinity);
        self.shared.lock().slots.get(&affinity)?.lock().session.clone()
    }

    /// The session of `caller`, or the gateway's own; opens it when there is none.
    ///
    /// # Errors
    /// There is none to be had.
    pub(super) async fn get(&self, caller: Option<&Caller>) -> Result<Arc<Session>, OpenError> {
        let affinity = caller.map_or(Affinity::Gateway, Caller::affinity);
        let slot = self.slot(affinity)?;
        let attempt = async {
            let session = shake(&self.endpoint, caller).await?;
            self.fill(&slot, caller, session)
        };
        slot.opening.take(|| slot.lock().session.clone(), attempt).await
    }

    /// Lets go of a session that the server does not know any more, unless another has taken its place already.
    pub(super) fn forget(&self, caller: Option<&Caller>, session: &Arc<Session>) {
        let affinity = caller.map_or(Affinity::Gateway, Caller::affinity);
        let slot = self.shared.lock().slots.get(&affinity).cloned();
        if let Some(slot) = slot {
            slot.lock().session.take_if(|held| Arc::ptr_eq(held, session));
        }
    }

    /// Ends what hangs on a client session.
    pub(super) async fn end(&self, key: SessionKey) {
        let ended =
            self.shared.take(|affinity| matches!(affinity, Affinity::Session(_, session) if *session == key));
        farewell(ended).await;
    }

    /// Ends all of them.
    pub(super) async fn end_all(&self) {
        farewell(self.shared.take(|_| true)).await;
    }

    fn slot(&self, affinity: Affinity) -> Result<Arc<Slot>, OpenError> {
        let mut state = self.shared.lock();
        if let Some(slot) = state.slots.get(&affinity) {
            return Ok(slot.clone());
        }
        if state.slots.len() >= self.endpoint.deps.limits.sessions && !state.make_room() {
            let error = UpstreamError::Busy(
                "as many sessions with it are open as `limits.sessions` allows".to_owned(),
            );
            return Err(error.into());
        }
        let slot = Arc::<Slot>::default();
        state.slots.insert(affinity, slot.clone());
        if state.reaper == Reaper::Absent {
            state.reaper = Reaper::Running;
            tokio::spawn(reap(Arc::downgrade(&self.shared)));
        }
        Ok(slot)
    }

    fn fill(
        &self,
        slot: &Slot,
        caller: Option<&Caller>,
        session: Session,
    ) -> Result<Arc<Session>, OpenError> {
        let session = Arc::new(session);
        self.facts.put(caller, session.facts().clone());
        let mut held = slot.lock();
        if held.ended.is_some() {
            drop(held);
            tokio::spawn(async move { session.end().await });
            return Err(gone());
        }
        held.session = Some(session.clone());
        Ok(session)
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session, when nobody uses it; the time of its last use decides whether it may go.
    fn unused(self: &Arc<Self>) -> Unused {
        // The map has one reference; another is somebody's who is about to use the slot.
        if Arc::strong_count(self) > 1 {
            return Unused::No;
        }
        match &self.lock().session {
            None => Unused::Vacant,
            Some(session) if Arc::strong_count(session) > 1 => Unused::No,
            Some(session) => Unused::Since(session.used()),
        }
    }
}

enum Unused {
    No,
    Vacant,
    Since(tokio::time::Instant),
}

impl State {
    /// Ends the session that has been unused for the longest time; says whether there was one.
    fn make_room(&mut self) -> bool {
        let candidates = self.slots.iter().filter_map(|(affinity, slot)| match (affinity, slot.unused()) {
            (_, Unused::Vacant) => Some((*affinity, None)),
            (Affinity::Principal(_), Unused::Since(since)) => Some((*affinity, Some(since))),
            _ => None,
        });
        let Some((affinity, _)) = candidates.min_by_key(|(_, since)| *since) else { return false };
        if let Some(session) = self.slots.remove(&affinity).and_then(|slot| slot.lock().session.take()) {
            tokio::spawn(async move { session.end().await });
        }
        true
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, which: impl Fn(&Affinity) -> bool) -> Vec<Arc<Session>> {
        let taken = self.lock().slots.extract_if(|affinity, _| which(affinity)).collect::<Vec<_>>();
        let end = |(_, slot): (Affinity, Arc<Slot>)| {
            let mut held = slot.lock();
            held.ended = Some(Ended);
            held.session.take()
        };
        taken.into_iter().filter_map(end).collect()
    }

    /// Takes out what has been idle for too long. Says whether anything is left to watch.
    fn take_idle(&self) -> (Vec<Arc<Session>>, Reaper) {
        let mut state = self.lock();
        let idle = state.slots.extract_if(|affinity, slot| match slot.unused() {
            Unused::No => false,
            Unused::Vacant => true,
            Unused::Since(since) => !matches!(affinity, Affinity::Session(..)) && since.elapsed() >= IDLE,
        });
        let idle = idle.filter_map(|(_, slot)| slot.lock().session.take()).collect();
        if state.slots.is_empty() {
            state.reaper = Reaper::Absent;
        }
        (idle, state.reaper)
    }
}

async fn reap(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(REAP_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        let (idle, reaper) = shared.take_idle();
        drop(shared);
        farewell(idle).await;
        if reaper == Reaper::Absent {
            return;
        }
    }
}

async fn farewell(sessions: Vec<Arc<Session>>) {
    for some in sessions.chunks(FAREWELLS_MAX) {
        let mut farewells = tokio::task::JoinSet::new();
        for session in some {
            let session = session.clone();
            farewells.spawn(async move { session.end().await });
        }
        farewells.join_all().await;
    }
}

fn gone() -> OpenError {
    UpstreamError::Cancelled.into()
}
