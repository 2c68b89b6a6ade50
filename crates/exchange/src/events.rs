//! The streams of one session: what was said on each, who reads it, and how a reader that lost one takes it up again.
//!
//! Each event belongs to one stream and is written to one reader. Stream 0 is the session's own (GET); every streamed POST
//! has one more. An id of another session, of no event, or of one whose successors are gone leads nowhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mcp::{Payload, sse};
use net::Body;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::{Pieces, Shelf};
use crate::event_id::EventIds;
use crate::writer::Writer;

/// The session's own stream.
const OWN: u32 = 0;
/// When a client that lost its stream is to come back, in milliseconds.
const RETRY_MS: u64 = 1000;

/// The streams of one session.
#[derive(Debug)]
pub struct Events {
    ids: EventIds,
    shelf: Shelf,
    state: Mutex<State>,
    seat: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct State {
    last_stream: u32,
    /// Streams whose call still runs.
    live: HashMap<u32, Arc<Live>>,
    seated: CancellationToken,
}

/// A stream whose call still runs.
#[derive(Debug, Default)]
pub(crate) struct Live {
    newcomer: Mutex<Option<Newcomer>>,
    arrived: Notify,
}

/// A reader that takes a stream up.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) writer: Writer,
    /// The number of the last event it has.
    pub(crate) after: u64,
}

/// Where an event id leads.
#[derive(Debug)]
pub enum Resumed {
    /// To the answer of a call: this is the rest of it.
    Call(Body),
    /// To the session's own stream; what came after the event is in [`Events::missed`].
    Own(Missed),
}

/// What a reader of the session's own stream missed.
#[derive(Debug)]
pub struct Missed(u64);

/// The right to read the session's own stream. The next one that sits down takes it away.
#[derive(Debug)]
pub struct Seat {
    _turn: OwnedMutexGuard<()>,
    /// Cancelled when somebody else sits down.
    pub taken: CancellationToken,
}

impl Events {
    pub(crate) fn new(shelf: Shelf) -> Self {
        shelf.open(OWN);
        let state = State { last_stream: OWN, live: HashMap::new(), seated: CancellationToken::new() };
        Self { ids: EventIds::new(), shelf, state: Mutex::new(state), seat: Arc::default() }
    }

    /// Where `Last-Event-ID` leads a client whose credential ends at `until`; `None` where it leads nowhere.
    #[must_use]
    pub fn resume(&self, last_event_id: &str, until: Option<Instant>) -> Option<Resumed> {
        let (stream, after) = self.ids.read(last_event_id)?;
        // No stream can end between the two looks.
        let state = self.state();
        let missed = self.shelf.after(stream, after)?;
        if stream == OWN {
            return Some(Resumed::Own(Missed(after)));
        }
        let Some(live) = state.live.get(&stream) else {
            return Some(Resumed::Call(Body::chunks(missed)));
        };
        let (writer, body) = Writer::open(until);
        *live.newcomer() = Some(Newcomer { writer, after });
        live.arrived.notify_one();
        Some(Resumed::Call(body))
    }

    /// Takes the session's own stream, and waits until whoever had it has let go.
    pub async fn sit(&self) -> Seat {
        let taken = CancellationToken::new();
        std::mem::replace(&mut self.state().seated, taken.clone()).cancel();
        Seat { _turn: self.seat.clone().lock_owned().await, taken }
    }

    /// What a reader missed of the session's own stream; `None` when it is gone.
    #[must_use]
    pub fn missed(&self, missed: &Missed) -> Option<Vec<Bytes>> {
        self.shelf.after(OWN, missed.0)
    }

    /// Adds a message to the session's own stream; answers the event to write.
    #[must_use]
    pub fn say(&self, payload: Payload) -> Vec<Bytes> {
        self.push(OWN, payload)
    }

    /// The event with which the session's own stream begins for clients of 2025-11-25.
    #[must_use]
    pub fn prime(&self) -> Vec<Bytes> {
        self.prime_stream(OWN)
    }

    /// Starts a stream for the answer to a call.
    pub(crate) fn begin(&self) -> (u32, Arc<Live>) {
        let mut state = self.state();
        state.last_stream = state.last_stream.wrapping_add(1).max(OWN + 1);
        let (stream, live) = (state.last_stream, Arc::<Live>::default());
        self.shelf.open(stream);
        state.live.insert(stream, live.clone());
        (stream, live)
    }

    pub(crate) fn push(&self, stream: u32, payload: Payload) -> Pieces {
        let write = |number| sse::encode_event(payload, Some(&self.ids.write(stream, number)), None);
        self.shelf.push(stream, write)
    }

    pub(crate) fn prime_stream(&self, stream: u32) -> Pieces {
        let write = |number| vec![sse::encode_priming(&self.ids.write(stream, number), Some(RETRY_MS))];
        self.shelf.push(stream, write)
    }

    pub(crate) fn after(&self, stream: u32, after: u64) -> Option<Vec<Bytes>> {
        self.shelf.after(stream, after)
    }

    /// Nothing will be added to this stream. `false`: somebody has come to read it meanwhile, and has to be served first.
    pub(crate) fn finish(&self, stream: u32, live: &Live) -> bool {
        let mut state = self.state();
        let alone = live.newcomer().is_none();
        if alone {
            self.shelf.end(stream);
            state.live.remove(&stream);
        }
        alone
    }

    /// Lets go of what nobody has asked for in a long time.
    pub(crate) fn expire(&self) {
        self.shelf.expire();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// The reader that came last, if one came.
    pub(crate) fn take_newcomer(&self) -> Option<Newcomer> {
        self.newcomer().take()
    }

    /// Resolves when a reader has come. Cancel safe.
    pub(crate) async fn arrived(&self) {
        loop {
            if self.newcomer().is_some() {
                return;
            }
            self.arrived.notified().await;
        }
    }

    fn newcomer(&self) -> MutexGuard<'_, Option<Newcomer>> {
        self.newcomer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
