//! The desk of one gateway: where calls wait for people.
//!
//! A call of a modern client on a legacy server stays open while its client is away with a question; its client comes back
//! with a sealed state that names it. Such a call is handed out once, to the principal it belongs to. It is given up when
//! nobody comes in time. Bounded in number and in bytes, in all and per principal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::Clock;
use identity::PrincipalKey;
use mcp::Payload;
use seal::Sealer;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::quota::{Counted, Quota};
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
    /// Questions to a principal's model that are open, of each target.
    sampling: Quota<(PrincipalKey, Arc<str>)>,
    ended: CancellationToken,
}

#[derive(Debug)]
struct State {
    bounds: DeskBounds,
    parks: HashMap<String, Park>,
    held: HashMap<PrincipalKey, Held>,
    all: Held,
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
    /// What they hold, in all.
    pub bytes: usize,
    /// What those of one principal hold.
    pub bytes_per_principal: usize,
}

/// What waits, of one principal or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    seats: usize,
    bytes: usize,
}

/// Why a call cannot wait, or cannot hold more while it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// A bound is reached.
    #[error("`limits.{0}` is reached")]
    Limit(&'static str),
    /// Nobody can come back to a process that ends.
    #[error("this process ends")]
    Ended,
}

#[derive(Debug)]
struct Park {
    principal: PrincipalKey,
    /// Takes whom the call is to be handed to.
    claim: oneshot::Sender<oneshot::Sender<Exchange>>,
}

/// Gives whom the call is to be handed to.
type Claimed = oneshot::Receiver<oneshot::Sender<Exchange>>;

/// A place for one call that waits, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Seat {
    desk: Desk,
    principal: PrincipalKey,
    id: String,
    bytes: usize,
}

/// One question to a principal's model, for as long as it is open.
pub(crate) type Sampled = Counted<(PrincipalKey, Arc<str>)>;

/// The state is not one that this gateway gave to this principal for this request, or its time is over, or it was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`requestState` is not one that belongs to this request, or is not open any more; the call may have been carried out, so look before you send it again"
)]
pub struct Stale;

impl Desk {
    /// An empty desk.
    #[must_use]
    pub fn new(sealer: Sealer, clock: Clock, bounds: DeskBounds) -> Self {
        let state = State { bounds, parks: HashMap::new(), held: HashMap::new(), all: Held::default() };
        let (owner, ended) = (seal::random_id(), CancellationToken::new());
        let (state, sampling) = (Mutex::new(state), Quota::default());
        Self(Arc::new(Inner { sealer, clock, owner, state, sampling, ended }))
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
        let handed = self.take(principal, id, owner)?.call()?;
        handed.await.map_err(|_| Stale)
    }

    /// Takes a park away, so that nobody finds it any more.
    fn take(&self, principal: PrincipalKey, id: &str, owner: &str) -> Result<Park, Stale> {
        let mut state = self.state();
        let own =
            state.parks.get(id).is_some_and(|park| park.principal == principal && owner == self.0.owner);
        own.then(|| state.parks.remove(id)).flatten().ok_or(Stale)
    }

    pub(crate) fn seal(&self, binding: &Binding, continuation: &Continuation) -> String {
        let end = self.0.clock.now() + self.state().bounds.patience;
        self.0.sealer.seal_until(PURPOSE, &binding.to_bytes(), &continuation.to_bytes(), end)
    }

    /// A place for one more call that holds so many bytes.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn seat(&self, principal: PrincipalKey, bytes: usize) -> Result<Seat, Full> {
        if self.0.ended.is_cancelled() {
            return Err(Full::Ended);
        }
        let none = Held::default();
        self.state().change(principal, none, Held { seats: 1, bytes })?;
        Ok(Seat { desk: self.clone(), principal, id: seal::random_id(), bytes })
    }

    /// Lets a call wait.
    pub(crate) fn keep(&self, seat: Seat, exchange: Exchange) {
        let (claimed, expires) = self.lay(&seat);
        tokio::spawn(keep(seat, exchange, claimed, expires));
    }

    /// Lays a park where it is found, until its time is over.
    fn lay(&self, seat: &Seat) -> (Claimed, Instant) {
        let (claim, claimed) = oneshot::channel();
        let mut state = self.state();
        state.parks.insert(seat.id.clone(), Park { principal: seat.principal, claim });
        (claimed, Instant::now() + state.bounds.patience)
    }

    /// Counts one more question to the principal's model; `None` when `most` are open.
    pub(crate) fn sampled(&self, principal: PrincipalKey, target: &Arc<str>, most: usize) -> Option<Sampled> {
        self.0.sampling.take((principal, target.clone()), most)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts `more` in the place of `less`; what would pass a bound is not counted.
    fn change(&mut self, principal: PrincipalKey, less: Held, more: Held) -> Result<(), Full> {
        let own = self.held.get(&principal).copied().unwrap_or_default();
        let after = |held: Held| Held {
            seats: held.seats - less.seats + more.seats,
            bytes: held.bytes - less.bytes + more.bytes,
        };
        let (all, own) = (after(self.all), after(own));
        let bounds = &self.bounds;
        let grows = (more.seats > less.seats, more.bytes > less.bytes);
        let reached = [
            (grows.0 && all.seats > bounds.parks, "parks"),
            (grows.0 && own.seats > bounds.per_principal, "parks_per_principal"),
            (grows.1 && all.bytes > bounds.bytes, "park_bytes"),
            (grows.1 && own.bytes > bounds.bytes_per_principal, "park_bytes_per_principal"),
        ];
        if let Some((_, limit)) = reached.into_iter().find(|(reached, _)| *reached) {
            return Err(Full::Limit(limit));
        }
        self.all = all;
        if own == Held::default() {
            self.held.remove(&principal);
        } else {
            self.held.insert(principal, own);
        }
        Ok(())
    }
}

impl Park {
    /// Calls for the call. Its keeper may be giving it up at this moment; then it hands nothing over.
    fn call(self) -> Result<oneshot::Receiver<Exchange>, Stale> {
        let (hand, handed) = oneshot::channel();
        self.claim.send(hand).map_err(|_| Stale)?;
        Ok(handed)
    }
}

impl Seat {
    /// Counts what its call holds now.
    ///
    /// # Errors
    /// It is more than may be held; nothing has changed.
    fn weigh(&mut self, bytes: usize) -> Result<(), Full> {
        let held = |bytes| Held { seats: 1, bytes };
        self.desk.state().change(self.principal, held(self.bytes), held(bytes))?;
        self.bytes = bytes;
        Ok(())
    }

    /// What a client brings back to find the call.
    pub(crate) fn continuation(&self) -> Continuation {
        Continuation::Park { id: self.id.clone(), owner: self.desk.0.owner.clone() }
    }
}

/// Stays with a call until it is claimed, or given up.
async fn keep(mut seat: Seat, mut exchange: Exchange, claimed: Claimed, expires: Instant) {
    match wait(&mut seat, &mut exchange, claimed, expires).await {
        Some(hand) => hand_over(seat, exchange, hand),
        None => give_up(&seat, exchange),
    }
}

/// Whom a call is to be handed to; `None`: nobody came in time.
async fn wait(
    seat: &mut Seat,
    exchange: &mut Exchange,
    mut claimed: Claimed,
    expires: Instant,
) -> Option<oneshot::Sender<Exchange>> {
    let mut answered = false;
    loop {
        tokio::select! {
            biased;
            hand = &mut claimed => return hand.ok(),
            () = sleep_until(expires) => return None,
            () = seat.desk.0.ended.cancelled() => return None,
            step = exchange.listen(), if !answered => match step {
                Some(Step::Notification(told)) if is_progress(&told) => exchange.keep_told(told),
                // Log messages belong to a stream that nobody reads now. Questions wait with the others.
                Some(_) => {}
                None => answered = true,
            },
        }
        while let Err(full) = seat.weigh(exchange.weight()) {
            tracing::warn!(%full, "a call that waits for its client lets something go");
            if !exchange.lighten(full) {
                break;
            }
        }
    }
}

/// Whoever claimed the call may have gone away already; then it is cancelled.
fn hand_over(seat: Seat, exchange: Exchange, hand: oneshot::Sender<Exchange>) {
    drop(seat);
    let _ = hand.send(exchange);
}

fn give_up(seat: &Seat, mut exchange: Exchange) {
    let ours = seat.desk.state().parks.remove(&seat.id).is_some();
    exchange.expire();
    if ours {
        tracing::info!("a call was given up: nobody came back with the answer");
    }
}

fn is_progress(notification: &Payload) -> bool {
    let text = notification.clone().into_raw();
    let method = mcp::Object::of(&text).and_then(|message| message.string("method"));
    method.is_some_and(|method| method == "notifications/progress")
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Less is always possible.
        let held = Held { seats: 1, bytes: self.bytes };
        let _ = self.desk.state().change(self.principal, held, Held::default());
    }
}
