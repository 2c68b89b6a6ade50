//! The desk of one gateway: where calls wait for people.
//!
//! A call of a modern client on a legacy server stays open while its client is away with a question; its client comes back
//! with a sealed state that names it. Such a call is handed out once, to the principal it belongs to. It is given up when
//! nobody comes in time. Bounded, in all and per principal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::Clock;
use identity::PrincipalKey;
use mcp::Payload;
use seal::Sealer;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::state::{Binding, Continuation};
use crate::{Exchange, Step};

#[cfg(test)]
mod tests;

/// The sealing purpose of request states.
const PURPOSE: &str = "exchange/state";

/// The desk. Clones share it.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sealer: Sealer,
    clock: Clock,
    /// Tells this process from others that have the same keys.
    owner: String,
    state: Mutex<State>,
    ended: CancellationToken,
}

#[derive(Debug)]
struct State {
    bounds: DeskBounds,
    parks: HashMap<String, Park>,
    held: HashMap<PrincipalKey, usize>,
    seats: usize,
    sampling: HashMap<(PrincipalKey, Arc<str>), usize>,
}

/// How many calls may wait, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskBounds {
    /// How long a person has to answer.
    pub patience: Duration,
    /// Calls that wait, in all.
    pub parks: usize,
    /// Calls of one principal that wait.
    pub per_principal: usize,
}

#[derive(Debug)]
struct Park {
    principal: PrincipalKey,
    claim: oneshot::Sender<()>,
    keeping: JoinHandle<Option<Exchange>>,
}

/// A place for one call that waits, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Seat {
    desk: Desk,
    principal: PrincipalKey,
    id: String,
}

/// One question to a principal's model, for as long as it is open.
#[derive(Debug)]
pub(crate) struct Sampled {
    desk: Desk,
    whose: (PrincipalKey, Arc<str>),
}

/// The state is not one that this gateway gave to this principal for this request, or its time is over, or it was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`requestState` is not one that belongs to this request, or is not open any more; send the request without it"
)]
pub struct Stale;

impl Desk {
    /// An empty desk.
    #[must_use]
    pub fn new(sealer: Sealer, clock: Clock, bounds: DeskBounds) -> Self {
        let state =
            State { bounds, parks: HashMap::new(), held: HashMap::new(), seats: 0, sampling: HashMap::new() };
        let (owner, ended) = (seal::random_id(), CancellationToken::new());
        Self(Arc::new(Inner { sealer, clock, owner, state: Mutex::new(state), ended }))
    }

    /// Other bounds from now on.
    pub fn rebind(&self, bounds: DeskBounds) {
        self.state().bounds = bounds;
    }

    /// Gives up every call that waits, and lets none wait any more: nobody can come back to a process that ends.
    pub fn close(&self) {
        self.0.ended.cancel();
    }

    /// How many calls wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().parks.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens a state that a client brought back.
    ///
    /// # Errors
    /// [`Stale`], whatever the reason.
    pub fn open(&self, binding: &Binding, token: &str) -> Result<Continuation, Stale> {
        let now = self.0.clock.now();
        let opened = self.0.sealer.open_at(PURPOSE, &binding.to_bytes(), token, now).map_err(|_| Stale)?;
        Continuation::read(&opened).ok_or(Stale)
    }

    /// Takes a call that waits, for good: nobody gets it a second time.
    ///
    /// # Errors
    /// There is none, or it is somebody else's.
    pub async fn claim(&self, principal: PrincipalKey, id: &str, owner: &str) -> Result<Exchange, Stale> {
        if owner != self.0.owner {
            return Err(Stale);
        }
        let park = {
            let mut state = self.state();
            let own = state.parks.get(id).is_some_and(|park| park.principal == principal);
            own.then(|| state.parks.remove(id)).flatten().ok_or(Stale)?
        };
        // Its keeper may be giving it up at this moment; then it answers so.
        let _ = park.claim.send(());
        park.keeping.await.ok().flatten().ok_or(Stale)
    }

    pub(crate) fn seal(&self, binding: &Binding, continuation: &Continuation) -> String {
        let end = self.0.clock.now() + self.state().bounds.patience;
        self.0.sealer.seal_until(PURPOSE, &binding.to_bytes(), &continuation.to_bytes(), end)
    }

    /// A place for one more call; `None` when all are taken.
    pub(crate) fn seat(&self, principal: PrincipalKey) -> Option<Seat> {
        let mut state = self.state();
        let held = state.held.get(&principal).copied().unwrap_or_default();
        let full = state.seats >= state.bounds.parks || held >= state.bounds.per_principal;
        if full || self.0.ended.is_cancelled() {
            return None;
        }
        state.seats += 1;
        state.held.insert(principal, held + 1);
        Some(Seat { desk: self.clone(), principal, id: seal::random_id() })
    }

    /// Lets a call wait.
    pub(crate) fn keep(&self, seat: Seat, exchange: Exchange) {
        let (claim, claimed) = oneshot::channel();
        let mut state = self.state();
        let expires = Instant::now() + state.bounds.patience;
        let (id, principal) = (seat.id.clone(), seat.principal);
        let keeping = tokio::spawn(keep(seat, exchange, claimed, expires));
        state.parks.insert(id, Park { principal, claim, keeping });
    }

    /// Counts one more question to the principal's model; `None` when `most` are open.
    pub(crate) fn sampled(&self, principal: PrincipalKey, target: &Arc<str>, most: usize) -> Option<Sampled> {
        let whose = (principal, target.clone());
        let mut state = self.state();
        let open = state.sampling.entry(whose.clone()).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(Sampled { desk: self.clone(), whose })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// What a client brings back to find the call.
    pub(crate) fn continuation(&self) -> Continuation {
        Continuation::Park { id: self.id.clone(), owner: self.desk.0.owner.clone() }
    }
}

/// Stays with a call until it is claimed; `None` when it was given up.
async fn keep(
    seat: Seat,
    mut exchange: Exchange,
    mut claimed: oneshot::Receiver<()>,
    expires: Instant,
) -> Option<Exchange> {
    let mut progress = None;
    let mut answered = false;
    loop {
        tokio::select! {
            biased;
            _ = &mut claimed => {
                exchange.keep_told(progress);
                return Some(exchange);
            }
            () = sleep_until(expires) => break,
            () = seat.desk.0.ended.cancelled() => break,
            step = exchange.listen(), if !answered => match step {
                Some(Step::Notification(told)) if is_progress(&told) => progress = Some(told),
                // Log messages belong to a stream that nobody reads now. Questions wait with the others.
                Some(_) => {}
                None => answered = true,
            },
        }
    }
    let ours = seat.desk.state().parks.remove(&seat.id).is_some();
    exchange.expire();
    if ours {
        tracing::info!("a call was given up: nobody came back with the answer");
    }
    None
}

fn is_progress(notification: &Payload) -> bool {
    let text = notification.clone().into_raw();
    let method = mcp::Object::of(&text).and_then(|message| message.string("method"));
    method.is_some_and(|method| method == "notifications/progress")
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        state.seats -= 1;
        if let Some(held) = state.held.get_mut(&self.principal) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&self.principal);
            }
        }
    }
}

impl Drop for Sampled {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        if let Some(open) = state.sampling.get_mut(&self.whose) {
            *open -= 1;
            if *open == 0 {
                state.sampling.remove(&self.whose);
            }
        }
    }
}
