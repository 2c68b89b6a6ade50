//! Every connection with one target: whose it is, when it is opened, and when it ends.
//!
//! A connection is opened when somebody needs it, by one of those who need it, and kept for that user alone. It is given
//! up when nobody has used it for a while, and opened again, after a rest that grows, when its server ended it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp::Raw;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::connection::{Connection, Lease, NewRequest};
use super::keeper::Keeper;
use super::link::Tally;
use super::opener::{Attempt, Opener};
use super::slot::{Opening, Slot};
use super::sse;
use super::stdio::Program;
use super::stream::{CallStream, Patience};
use super::waiter::Role;
use crate::abilities;
use crate::ask::Ask;
use crate::relay::Asks;
use crate::{Affinity, Caller, Deps, Logs, Mark, ServerFacts, SessionKey, UpstreamError, facts, params};

/// Connections and remembered failures of one target, whatever its own bound.
const SLOTS_MAX: usize = 4096;

/// A cloneable handle for every connection with one target. Opens nothing until it is asked something.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    opener: Opener,
    connect_timeout: Duration,
    patience: Patience,
    /// The result of `roots/list`, where the operator wrote one.
    roots: Option<Raw>,
    /// Questions in one call.
    questions: usize,
    slots: Mutex<HashMap<Affinity, Slot>>,
    tally: Arc<Tally>,
    /// Openings, connections, and children that are being ended.
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl Connections {
    /// The connections with a target that is a child process. All end when `shutdown` is cancelled.
    pub(crate) fn stdio(
        target: &config::Target,
        stdio: &config::Stdio,
        limits: &config::Limits,
        shutdown: &CancellationToken,
    ) -> Self {
        let tally = Arc::new(Tally::default());
        let program = Program {
            server: target.name.as_str().into(),
            stdio: stdio.clone(),
            line_max: limits.upstream_event,
            depth_max: limits.json_depth,
            stall: target.idle_timeout,
            tally: tally.clone(),
        };
        Self::new(Opener::stdio(program), target, tally, limits.questions, shutdown)
    }

    /// The connections with a target that speaks HTTP+SSE at `url`.
    pub(crate) fn sse(target: &config::Target, url: &Url, deps: &Deps) -> Self {
        let server = sse::Server::new(target, url, deps);
        let tally = Arc::new(Tally::default());
        Self::new(Opener::Sse(server), target, tally, deps.limits.questions, &deps.shutdown)
    }

    fn new(
        opener: Opener,
        target: &config::Target,
        tally: Arc<Tally>,
        questions: usize,
        shutdown: &CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            opener,
            connect_timeout: target.connect_timeout,
            patience: Patience { total: target.call_timeout, idle: target.idle_timeout },
            roots: abilities::roots(target),
            questions,
            slots: Mutex::default(),
            tally,
            tasks: TaskTracker::new(),
            closed: shutdown.child_token(),
        }))
    }

    /// Sends a request on the connection of whoever asks, which is opened if needed. Resolves when the request is on
    /// its way.
    ///
    /// # Errors
    /// Nothing was sent, except for [`UpstreamError::Timeout`] and [`UpstreamError::Lost`].
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<CallStream, UpstreamError> {
        match self.send(ask).await {
            // It ended between two requests, and nobody had noticed.
            Err((Some(Used), error)) if error.nothing_sent() => {
                self.send(ask).await.map_err(|(_, error)| error)
            }
            sent => sent.map_err(|(_, error)| error),
        }
    }

    /// What the server said about itself; connects if needed.
    ///
    /// # Errors
    /// There is no connection to be had.
    pub(crate) async fn facts(&self, caller: Option<&Caller>) -> Result<Arc<ServerFacts>, UpstreamError> {
        let lease = self.connection(caller).await?;
        let facts = lease.connection().facts();
        facts.ok_or_else(|| UpstreamError::Unreachable("the connection has ended".to_owned()))
    }

    /// A client session ended: so do the connections that are its own.
    pub(crate) fn end_session(&self, key: SessionKey) {
        self.slots().retain(|affinity, slot| {
            let ends = matches!(affinity, Affinity::Session(_, session, _) if *session == key);
            // Whoever still opens one finds its place gone, and ends it.
            if let (true, Slot::Open { connection, .. }) = (ends, slot) {
                connection.retire();
            }
            !ends
        });
    }

    /// Ends every connection; resolves when the last child is gone.
    pub(crate) async fn shutdown(&self) {
        self.0.closed.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// What was not delivered, in numbers.
    pub(super) fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// Resolves when the connections are being ended.
    pub(super) async fn closed(&self) {
        self.0.closed.cancelled().await;
    }

    async fn send(&self, ask: Ask<'_>) -> Result<CallStream, (Option<Used>, UpstreamError)> {
        let lease = match ask.within().zip(ask.caller()) {
            Some((mark, caller)) => self.marked(caller, mark),
            None => self.connection(ask.caller()).await,
        };
        let lease = lease.map_err(|error| (None, error))?;
        let connection = lease.connection();
        self.set_level(connection, ask.logs()).await;
        let asks = match (connection.version().era(), self.0.opener.affinity(ask.caller())) {
            (mcp::Era::Modern, _) => Asks::default(),
            (mcp::Era::Legacy, _) if ask.brings_answers() => return Err((None, UpstreamError::Unasked)),
            // A child that everyone shares was told that nobody can be asked.
            (mcp::Era::Legacy, Affinity::Gateway) => Asks { roots: self.0.roots.clone(), ..Asks::default() },
            (mcp::Era::Legacy, _) => ask.asks(self.0.roots.clone(), self.0.questions),
        };
        let request = NewRequest {
            progress: ask.relay(0, Asks::default()).progress,
            logs: ask.logs(),
            asks,
            role: Role::Call,
            patience: self.0.patience,
            principal: ask.caller().map(|caller| caller.principal.clone()),
        };
        let version = connection.version();
        connection.begin(request, |id| ask.request(version, id)).await.map_err(|error| (Some(Used), error))
    }

    /// Asks a legacy server for log messages from the level on that a client wants. A server that refuses still serves.
    async fn set_level(&self, connection: &Connection, logs: Logs) {
        let Logs::From(level) = logs else { return };
        let logs_at_all = connection.facts().is_some_and(|known| facts::has(&known, "logging"));
        let legacy = connection.version().era() == mcp::Era::Legacy;
        if !(legacy && logs_at_all && connection.lower_level(level)) {
            return;
        }
        let request = NewRequest::own(Role::Handshake, self.0.connect_timeout);
        let text = |id| params::request(id, "logging/setLevel", params::of_set_level(level));
        let asked = connection.begin(request, text).await;
        let answered = match asked {
            Ok(stream) => stream.answer().await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            tracing::debug!(target.name = self.0.opener.name(), %error, "the log level was not set");
        }
    }

    /// The open connection of this mark, if it is one of `caller`'s principal, or everyone's.
    fn marked(&self, caller: &Caller, mark: Mark) -> Result<Lease, UpstreamError> {
        let shared = self.0.opener.affinity(Some(caller)) == Affinity::Gateway;
        let own = |affinity: &Affinity| match affinity {
            Affinity::Session(principal, ..) | Affinity::Principal(principal, _) => {
                *principal == caller.principal.key()
            }
            Affinity::Gateway => shared,
        };
        let slots = self.slots();
        let mut open =
            slots.iter().filter(|(affinity, _)| own(affinity)).filter_map(|(_, slot)| match slot {
                Slot::Open { connection, .. } if connection.is_open() => Some(connection),
                _ => None,
            });
        let found = open.find(|connection| connection.mark() == mark);
        found.map(Connection::lease).ok_or(UpstreamError::Gone)
    }

    /// The caller's connection, opened if needed.
    pub(super) async fn connection(&self, caller: Option<&Caller>) -> Result<Lease, UpstreamError> {
        let mut opening = match self.found_or_opening(caller)? {
            Found::Open(lease) => return Ok(lease),
            Found::Opening(opening) => opening,
        };
        let opened = opening.wait_for(Option::is_some).await.map(|opened| opened.clone());
        match opened {
            Ok(Some(Ok(connection))) => Ok(connection.lease()),
            Ok(Some(Err(error))) => Err(error),
            Ok(None) | Err(_) => Err(UpstreamError::Cancelled),
        }
    }

    fn found_or_opening(&self, caller: Option<&Caller>) -> Result<Found, UpstreamError> {
        let affinity = self.0.opener.affinity(caller);
        let mut slots = self.slots();
        let rest = match slots.get(&affinity) {
            None => None,
            // The lease is taken under the lock, so that nobody finds the connection unused meanwhile.
            Some(Slot::Open { connection, .. }) if connection.is_open() => {
                return Ok(Found::Open(connection.lease()));
            }
            Some(Slot::Open { connection, .. }) if connection.is_retired() => None,
            Some(Slot::Open { since, failures, .. }) => Some(Slot::after_end(*since, *failures)),
            Some(Slot::Opening(opening)) => return Ok(Found::Opening(opening.clone())),
            Some(Slot::Resting(rest)) => Some(rest.clone()),
        };
        self.check_room(&mut slots, affinity)?;
        if let Some(rest) = rest.as_ref().filter(|rest| rest.left() > self.0.connect_timeout) {
            return Err(rest.refusal());
        }
        let (announce, opening) = watch::channel(None);
        slots.insert(affinity, Slot::Opening(opening.clone()));
        let keeper = Keeper { pool: self.clone(), affinity, caller: caller.cloned(), own: opening.clone() };
        self.0.tasks.spawn(keeper.keep(rest, announce));
        Ok(Found::Opening(opening))
    }

    fn check_room(
        &self,
        slots: &mut HashMap<Affinity, Slot>,
        affinity: Affinity,
    ) -> Result<(), UpstreamError> {
        if self.0.closed.is_cancelled() {
            return Err(UpstreamError::Cancelled);
        }
        if slots.len() >= SLOTS_MAX {
            slots.retain(|_, slot| !slot.is_stale());
        }
        let (connections_max, bound) = self.0.opener.connections_max();
        let others = slots
            .iter()
            .filter(|(other, slot)| **other != affinity && **other != Affinity::Gateway && slot.is_live());
        let full = affinity != Affinity::Gateway && others.count() >= connections_max;
        if full || slots.len() >= SLOTS_MAX {
            return Err(UpstreamError::Busy(format!(
                "all {connections_max} connections are in use (`{bound}`)"
            )));
        }
        Ok(())
    }

    pub(super) async fn open(
        &self,
        affinity: Affinity,
        caller: Option<&Caller>,
        attempt: Attempt,
    ) -> Result<Connection, UpstreamError> {
        let limit = self.0.connect_timeout;
        let roots = self.0.roots.clone();
        self.0.opener.open(affinity, caller, (limit, roots), attempt, (&self.0.tally, &self.0.tasks)).await
    }

    /// How long a connection may take to be opened.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.0.connect_timeout
    }

    /// Whose connection this caller's calls go to.
    pub(crate) fn affinity(&self, caller: &Caller) -> Affinity {
        self.0.opener.affinity(Some(caller))
    }

    pub(super) fn opener(&self) -> &Opener {
        &self.0.opener
    }

    /// Every place. Held for no longer than a look.
    pub(super) fn slots(&self) -> MutexGuard<'_, HashMap<Affinity, Slot>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The failed request had a connection.
struct Used;

enum Found {
    Open(Lease),
    Opening(Opening),
}
