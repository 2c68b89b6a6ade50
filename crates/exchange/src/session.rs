//! Legacy sessions: what the gateway remembers of a client between its requests.
//!
//! A session belongs to the principal that opened it; to anyone else it does not exist. Its id is never a credential: the
//! caller's own is checked on every request. Time is monotonic, so a jump of the wall clock ends no session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use identity::PrincipalKey;
use mcp::{IdKey, Raw, Version};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use upstream::{Level, Logs, SessionKey};

/// Upstream sessions outlive a reload, so the numbers they hang on are never used twice in one process.
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// The sessions of one gateway. Clones share them.
#[derive(Clone, Debug)]
pub struct Sessions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<Box<str>, Arc<Session>>,
    held: HashMap<PrincipalKey, usize>,
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
}

/// What a client said at initialize.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The negotiated revision.
    pub version: Version,
    /// The client's `capabilities`.
    pub capabilities: Raw,
    /// The client's `clientInfo`.
    pub info: Option<Raw>,
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    key: SessionKey,
    principal: PrincipalKey,
    hello: OnceLock<Hello>,
    opened: Instant,
    state: Mutex<State>,
    ended: CancellationToken,
}

#[derive(Debug)]
struct State {
    used: Instant,
    level: Option<Level>,
    calls: HashMap<IdKey, CancellationToken>,
}

/// Why no session could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The principal holds as many as one may.
    #[error(
        "you have too many open sessions on this gateway; end one with DELETE, or wait until one expires"
    )]
    TooManyOfOne,
    /// The gateway holds as many as it may.
    #[error("the gateway has too many open sessions; try again later")]
    TooMany,
}

/// A request in progress, for as long as this lives.
#[derive(Debug)]
pub struct Running {
    session: Arc<Session>,
    id: IdKey,
    cancelled: CancellationToken,
}

impl Sessions {
    /// No sessions yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Shared { bounds, table: Mutex::default() }))
    }

    /// Opens a session for `principal`; answers its id, which is 256 random bits, and the session. The client's
    /// [`Hello`] comes with [`Session::greet`].
    ///
    /// # Errors
    /// A bound is reached.
    pub fn open(&self, principal: PrincipalKey) -> Result<(String, Arc<Session>), SessionError> {
        let now = Instant::now();
        let mut table = self.table();
        if table.by_id.len() >= self.0.bounds.total {
            return Err(SessionError::TooMany);
        }
        let held = table.held.entry(principal).or_default();
        if *held >= self.0.bounds.per_principal {
            return Err(SessionError::TooManyOfOne);
        }
        *held += 1;
        let id = seal::random_id();
        let session = Arc::new(Session {
            key: SessionKey(NEXT_KEY.fetch_add(1, Ordering::Relaxed)),
            principal,
            hello: OnceLock::new(),
            opened: now,
            state: Mutex::new(State { used: now, level: None, calls: HashMap::new() }),
            ended: CancellationToken::new(),
        });
        table.by_id.insert(id.as_str().into(), session.clone());
        Ok((id, session))
    }

    /// The session called `id`, if it is alive and `principal`'s own. Counts as use.
    #[must_use]
    pub fn find(&self, id: &str, principal: PrincipalKey) -> Option<Arc<Session>> {
        let session = self.table().by_id.get(id).cloned()?;
        let now = Instant::now();
        if session.principal != principal || session.is_over(&self.0.bounds, now) {
            return None;
        }
        session.state().used = now;
        Some(session)
    }

    /// Ends the session called `id`, if it is alive and `principal`'s own.
    #[must_use]
    pub fn close(&self, id: &str, principal: PrincipalKey) -> Option<Arc<Session>> {
        let session = self.find(id, principal)?;
        let mut table = self.table();
        table.remove(id);
        drop(table);
        session.ended.cancel();
        Some(session)
    }

    /// Ends every session whose time is over; answers them, so that what hangs on them can be released.
    #[must_use]
    pub fn reap(&self) -> Vec<Arc<Session>> {
        let now = Instant::now();
        let mut table = self.table();
        let over: Vec<Box<str>> = table
            .by_id
            .iter()
            .filter(|(_, session)| session.is_over(&self.0.bounds, now))
            .map(|(id, _)| id.clone())
            .collect();
        let ended: Vec<_> = over.iter().filter_map(|id| table.remove(id)).collect();
        drop(table);
        ended.iter().for_each(|session| session.ended.cancel());
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
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, id: &str) -> Option<Arc<Session>> {
        let session = self.by_id.remove(id)?;
        if let Some(held) = self.held.get_mut(&session.principal) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&session.principal);
            }
        }
        Some(session)
    }
}

impl Session {
    /// The number upstream sessions hang on.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Remembers what the client said at initialize. A second initialize changes nothing.
    pub fn greet(&self, hello: &Hello) {
        // The message they came in would otherwise live as long as the session.
        let _ = self.hello.set(Hello {
            version: hello.version,
            capabilities: hello.capabilities.detached(),
            info: hello.info.as_ref().map(Raw::detached),
        });
    }

    /// What the client said at initialize; `None` before that.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.get()
    }

    /// Cancelled when the session ends.
    #[must_use]
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// The log messages the client wants.
    #[must_use]
    pub fn logs(&self) -> Logs {
        self.state().level.map_or(Logs::ServersChoice, Logs::From)
    }

    /// Remembers `logging/setLevel`.
    pub fn set_level(&self, level: Level) {
        self.state().level = Some(level);
    }

    /// Registers a request so that it can be cancelled; `None` when one with that id is still running.
    #[must_use]
    pub fn begin(self: &Arc<Self>, id: IdKey) -> Option<Running> {
        let cancelled = self.ended.child_token();
        let mut state = self.state();
        if state.calls.contains_key(&id) {
            return None;
        }
        state.calls.insert(id.clone(), cancelled.clone());
        drop(state);
        Some(Running { session: self.clone(), id, cancelled })
    }

    /// Cancels the running request with that id. One that has ended, or never was, changes nothing.
    pub fn cancel(&self, id: &IdKey) {
        if let Some(call) = self.state().calls.get(id) {
            call.cancel();
        }
    }

    fn is_over(&self, bounds: &Bounds, now: Instant) -> bool {
        let state = self.state();
        let idle = now.duration_since(state.used) > bounds.idle && state.calls.is_empty();
        idle || now.duration_since(self.opened) > bounds.timeout
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Cancelled by the client's notification, or by the end of the session.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.session.state().calls.remove(&self.id);
    }
}
