//! The sessions with one legacy server: one per affinity, opened when first needed, by one caller at a time.
//!
//! Bounded in number. A session of a client session lives as long as that, while there is room; the others end when
//! nobody used them for a while. Two affinities never share one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::endpoint::Endpoint;
use super::handshake::{OpenError, shake};
use super::session::Session;
use super::slots::{Bounds, Full, Slot, Slots};
use crate::facts::FactsCache;
use crate::{Affinity, Caller, Mark, SessionKey, UpstreamError};

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
    slots: Slots,
    reaper: Reaper,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reaper {
    #[default]
    Absent,
    Running,
}

impl Sessions {
    pub(super) fn new(endpoint: Arc<Endpoint>, facts: Arc<FactsCache>) -> Self {
        Self { endpoint, facts, shared: Arc::new(Shared { state: Mutex::default() }) }
    }

    /// The session of `caller`, or the gateway's own, if it is open.
    pub(super) fn open(&self, caller: Option<&Caller>) -> Option<Arc<Session>> {
        let affinity = caller.map_or(Affinity::Gateway, Caller::affinity);
        self.shared.lock().slots.get(&affinity)?.lock().session.clone()
    }

    /// The open session of this mark, if it is one of `caller`'s principal.
    pub(super) fn marked(&self, caller: &Caller, mark: Mark) -> Option<Arc<Session>> {
        let own = self.open(Some(caller)).filter(|session| session.mark() == Some(mark));
        own.or_else(|| self.shared.lock().slots.marked(caller.principal.key(), mark))
    }

    /// The session of `caller`, or the gateway's own; opens it when there is none.
    ///
    /// # Errors
    /// There is none to be had.
    pub(super) async fn get(&self, caller: Option<&Caller>) -> Result<Arc<Session>, OpenError> {
        let affinity = caller.map_or(Affinity::Gateway, Caller::affinity);
        let slot = self.slot(affinity, caller)?;
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
        let ended = self.shared.lock().slots.end_client(key);
        farewell(ended).await;
    }

    /// Ends all of them.
    pub(super) async fn end_all(&self) {
        let ended = self.shared.lock().slots.end_all();
        farewell(ended).await;
    }

    fn slot(&self, affinity: Affinity, caller: Option<&Caller>) -> Result<Arc<Slot>, OpenError> {
        let mut state = self.shared.lock();
        if let Some(slot) = state.slots.get(&affinity) {
            return Ok(slot.clone());
        }
        if let Some(session) = state.slots.make_room(&affinity, self.bounds(caller)).map_err(busy)? {
            tokio::spawn(async move { session.end().await });
        }
        if state.reaper == Reaper::Absent {
            state.reaper = Reaper::Running;
            tokio::spawn(reap(Arc::downgrade(&self.shared)));
        }
        Ok(state.slots.place(affinity))
    }

    /// Where there is no authentication, everyone is one principal, which then may hold all there are.
    fn bounds(&self, caller: Option<&Caller>) -> Bounds {
        let limits = &self.endpoint.deps.limits;
        let everyone = caller.is_none_or(|caller| caller.principal.issuer().is_empty());
        let per_principal = if everyone { limits.sessions } else { limits.sessions_per_principal };
        Bounds { total: limits.sessions, per_principal }
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out what has been idle for too long. Says whether anything is left to watch.
    fn take_idle(&self) -> (Vec<Arc<Session>>, Reaper) {
        let mut state = self.lock();
        let idle = state.slots.take_idle();
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

fn busy(full: Full) -> OpenError {
    let what = match full {
        Full::Total => "as many sessions with it are open as `limits.sessions` allows",
        Full::Principal => {
            "as many sessions with it are open for this caller as `limits.sessions_per_principal` allows"
        }
    };
    UpstreamError::Busy(what.to_owned()).into()
}

fn gone() -> OpenError {
    UpstreamError::Cancelled.into()
}
