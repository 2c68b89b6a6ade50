//! The handle of one connection: new requests go in here, and what is known of the server is kept here.
//!
//! Cheap to clone. Knows nothing of who may use it; that is the pool's.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use identity::Principal;
use mcp::{Payload, Version};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::link::{End, Link, Outgoing};
use super::stream::{CallStream, Patience};
use super::table::{Heard, Table};
use super::task::Task;
use super::waiter::{Role, Waiter};
use crate::relay::{Asks, Relay};
use crate::{Level, Logs, Mark, ProgressToken, ServerFacts, Upkeep, UpstreamError, params};

#[cfg(test)]
mod tests;

/// Requests handed over and not yet taken in.
const MAILBOX_MAX: usize = 32;
/// Changes that a slow watcher may be behind by before it is told that everything changed.
const CHANGES_MAX: usize = 16;

/// A cloneable handle for one connection. The connection ends when the last one is dropped.
#[derive(Clone, Debug)]
pub(super) struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    server: Arc<str>,
    mark: Mark,
    mailbox: mpsc::Sender<Outgoing>,
    next_id: AtomicU64,
    given_up: Arc<Notify>,
    changes: broadcast::Sender<Heard>,
    stop: CancellationToken,
    ended: CancellationToken,
    retired: AtomicBool,
    probing: AtomicBool,
    leases: AtomicUsize,
    used: Mutex<Instant>,
    /// The calls in flight.
    calls: Mutex<BTreeSet<u64>>,
    /// Messages that the server sent.
    heard: Arc<AtomicU64>,
    /// Why it ended.
    end: Arc<OnceLock<End>>,
    facts: Mutex<Option<Arc<ServerFacts>>>,
    level: Mutex<Option<Level>>,
}

/// While it is held, the connection counts as used.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Connection,
    /// The call it is held for, when it is one.
    call: Option<u64>,
}

/// What a new request needs besides its text.
#[derive(Debug)]
pub(super) struct NewRequest {
    pub(super) progress: Option<ProgressToken>,
    pub(super) logs: Logs,
    pub(super) asks: Asks,
    pub(super) role: Role,
    pub(super) patience: Patience,
    /// Whose credential goes with it, where the transport carries one.
    pub(super) principal: Option<Arc<Principal>>,
}

impl NewRequest {
    /// A request of the gateway's own that may take `limit`.
    pub(super) fn own(role: Role, limit: Duration) -> Self {
        let patience = Patience { total: limit, idle: limit };
        Self { progress: None, logs: Logs::Off, asks: Asks::default(), role, patience, principal: None }
    }
}

impl Connection {
    /// Starts the task of a connection over `link`.
    pub(super) fn start(link: Link, table: Table) -> Self {
        let (mailbox, requests) = mpsc::channel(MAILBOX_MAX);
        let shared = Shared {
            server: link.server.clone(),
            mark: Mark::new(),
            mailbox,
            next_id: AtomicU64::new(1),
            given_up: Arc::new(Notify::new()),
            changes: broadcast::channel(CHANGES_MAX).0,
            stop: link.stop.clone(),
            ended: CancellationToken::new(),
            retired: AtomicBool::new(false),
            probing: AtomicBool::new(false),
            leases: AtomicUsize::new(0),
            used: Mutex::new(Instant::now()),
            calls: Mutex::default(),
            heard: Arc::default(),
            end: Arc::default(),
            facts: Mutex::new(None),
            level: Mutex::new(None),
        };
        let (given_up, changes, ended) =
            (shared.given_up.clone(), shared.changes.clone(), shared.ended.clone());
        let task = Task::new(link, requests, table, given_up, shared.heard.clone());
        let end = shared.end.clone();
        tokio::spawn(async move {
            // However the task ends, whoever waits for that is told.
            let _ended = ended.drop_guard();
            let _ = end.set(task.run(changes).await);
        });
        Self(Arc::new(shared))
    }

    /// Names the connection.
    pub(super) fn mark(&self) -> Mark {
        self.0.mark
    }

    /// Hands a request over; `text` writes it around its id. Resolves when it is on its way.
    ///
    /// # Errors
    /// The connection ended before a byte was written, or did not take the request within the patience.
    pub(super) async fn begin(
        &self,
        request: NewRequest,
        text: impl FnOnce(u64) -> Payload,
    ) -> Result<CallStream, UpstreamError> {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let relay = Relay { id, progress: request.progress, logs: request.logs, asks: request.asks };
        let mailbox = self.0.mailbox.downgrade();
        let waiter = Waiter::new(relay, request.role, self.0.given_up.clone(), mailbox);
        let mut lease = self.lease();
        if request.role == Role::Call {
            lease.call = Some(id);
            self.calls().insert(id);
        }
        let mut stream = CallStream::new(waiter.clone(), lease, request.patience);
        let outgoing = Outgoing { text: text(id), request: Some(waiter), principal: request.principal };
        stream.within_patience(self.hand_over(outgoing)).await?;
        stream.sent().await?;
        Ok(stream)
    }

    /// Sends a notification, which nobody answers.
    ///
    /// # Errors
    /// The connection has ended.
    pub(super) async fn notify(&self, text: Payload) -> Result<(), UpstreamError> {
        self.hand_over(Outgoing { text, request: None, principal: None }).await
    }

    /// What the server said at the handshake.
    pub(super) fn facts(&self) -> Option<Arc<ServerFacts>> {
        self.0.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The revision settled at the handshake.
    pub(super) fn version(&self) -> Version {
        self.facts().map_or(Version::NEWEST_LEGACY, |facts| facts.version)
    }

    pub(super) fn set_facts(&self, facts: ServerFacts) {
        *self.0.facts.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(facts));
    }

    /// Notes that somebody wants log messages from `level` on; answers whether the server has to be told. The lowest
    /// level that anyone wants is asked for; each call filters for itself.
    pub(super) fn lower_level(&self, level: Level) -> bool {
        let mut lowest = self.0.level.lock().unwrap_or_else(PoisonError::into_inner);
        let lower = lowest.is_none_or(|lowest| level < lowest);
        if lower {
            *lowest = Some(level);
        }
        lower
    }

    /// What the server says from now on that belongs to no call.
    pub(super) fn changes(&self) -> broadcast::Receiver<Heard> {
        self.0.changes.subscribe()
    }

    /// Marks the connection as used until the lease is dropped.
    pub(super) fn lease(&self) -> Lease {
        self.0.leases.fetch_add(1, Ordering::SeqCst);
        Lease { connection: self.clone(), call: None }
    }

    /// When the connection will have been unused for `idle`; `None` while it is in use.
    pub(super) fn idle_at(&self, idle: Duration) -> Option<Instant> {
        let used = *self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        (self.0.leases.load(Ordering::SeqCst) == 0).then(|| used + idle)
    }

    /// Whether new requests are taken.
    pub(super) fn is_open(&self) -> bool {
        !self.0.stop.is_cancelled() && !self.0.ended.is_cancelled()
    }

    /// Takes no new request and ends the transport: the gateway has no more use for it.
    pub(super) fn retire(&self) {
        self.0.retired.store(true, Ordering::SeqCst);
        self.0.stop.cancel();
    }

    /// Whether the gateway ended it. Otherwise the server did.
    pub(super) fn is_retired(&self) -> bool {
        self.0.retired.load(Ordering::SeqCst)
    }

    /// Whether both are handles for one connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Resolves when every request has learned that the connection ended.
    pub(super) async fn ended(&self) {
        self.0.ended.cancelled().await;
    }

    /// Why it ended; `None` before that.
    pub(super) fn end(&self) -> Option<String> {
        self.0.end.get().map(ToString::to_string)
    }

    /// Asks a server that let the call `late` time out whether it is there at all. When nothing whatever is heard of it
    /// within `limit`, the connection is given up, so that the next request finds a new one.
    pub(super) fn probe(&self, late: u64, limit: Duration) {
        if !self.is_open() || self.0.probing.swap(true, Ordering::SeqCst) {
            return;
        }
        let connection = self.clone();
        tokio::spawn(async move {
            let heard = || connection.0.heard.load(Ordering::Relaxed);
            let before = heard();
            let version = connection.version();
            let ping = |id| params::prepare_upkeep(&Upkeep::Ping, None, id, version);
            if let Ok(stream) = connection.begin(NewRequest::own(Role::Handshake, limit), ping).await {
                let _ = stream.answer().await;
            }
            connection.0.probing.store(false, Ordering::SeqCst);
            // A server that does one thing at a time is silent while it works on a call that came before.
            let busy = connection.calls().first().is_some_and(|oldest| *oldest < late);
            if heard() == before && !busy && connection.is_open() {
                tracing::warn!(
                    target.name = %connection.0.server,
                    "the server says nothing any more, not even to a ping; its connection is given up"
                );
                connection.retire();
            }
        });
    }

    fn calls(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hand_over(&self, outgoing: Outgoing) -> Result<(), UpstreamError> {
        let taken = self.0.mailbox.send(outgoing).await;
        taken.map_err(|_| UpstreamError::Unreachable("the connection has ended".to_owned()))
    }
}

impl Lease {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.connection.calls().remove(&call);
        }
        let shared = &self.connection.0;
        *shared.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        shared.leases.fetch_sub(1, Ordering::SeqCst);
    }
}
