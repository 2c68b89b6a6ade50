//! One legacy session: what the gateway remembers of a client between its requests.

mod inquiry;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use identity::PrincipalKey;
use mcp::{IdKey, Raw, Version};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use upstream::{Abilities, InboxBounds, Level, Logs, SessionKey};

use crate::budget::Shelf;
use crate::events::Events;
use crate::interests::Interests;

pub(crate) use inquiry::Inquiry;

/// Upstream sessions outlive a reload, so the numbers they hang on are never used twice in one process.
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// What a client said at initialize.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The negotiated revision.
    pub version: Version,
    /// The client's `capabilities`.
    pub capabilities: Raw,
    /// What of them it can be asked: [`Abilities::of`] them.
    pub abilities: Abilities,
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
    /// Told whenever a request ends.
    call_ended: Notify,
    ended: CancellationToken,
    events: Events,
    interests: Arc<Interests>,
}

#[derive(Debug)]
struct State {
    used: Instant,
    level: Option<Level>,
    calls: HashMap<IdKey, CancellationToken>,
    /// Questions to the client, by the id they were sent with.
    inquiries: HashMap<u64, inquiry::Waiting>,
    last_inquiry: u64,
    inquiries_max: usize,
}

/// A request in progress, for as long as this lives.
#[derive(Debug)]
pub struct Running {
    session: Arc<Session>,
    id: IdKey,
    cancelled: CancellationToken,
}

impl Session {
    pub(crate) fn new(
        principal: PrincipalKey,
        inquiries_max: usize,
        shelf: Shelf,
        inbox: InboxBounds,
    ) -> Self {
        let now = Instant::now();
        Self {
            key: SessionKey(NEXT_KEY.fetch_add(1, Ordering::Relaxed)),
            principal,
            hello: OnceLock::new(),
            opened: now,
            state: Mutex::new(State {
                used: now,
                level: None,
                calls: HashMap::new(),
                inquiries: HashMap::new(),
                last_inquiry: 0,
                inquiries_max,
            }),
            call_ended: Notify::new(),
            ended: CancellationToken::new(),
            events: Events::new(shelf),
            interests: Arc::new(Interests::new(inbox)),
        }
    }

    /// The number upstream sessions hang on.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Whose session it is.
    #[must_use]
    pub fn principal(&self) -> PrincipalKey {
        self.principal
    }

    /// Remembers what the client said at initialize. A second initialize changes nothing.
    pub fn greet(&self, hello: &Hello) {
        // The message they came in would otherwise live as long as the session.
        let _ = self.hello.set(Hello {
            version: hello.version,
            capabilities: hello.capabilities.detached(),
            abilities: hello.abilities,
            info: hello.info.as_ref().map(Raw::detached),
        });
    }

    /// What the client said at initialize; `None` before that.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.get()
    }

    /// Ends the session: its requests are cancelled, and whatever waits for [`Session::ended`] goes on.
    pub fn end(&self) {
        self.ended.cancel();
        self.interests.close();
    }

    /// Its streams.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// What its client wants to be told outside calls.
    #[must_use]
    pub fn interests(&self) -> &Arc<Interests> {
        &self.interests
    }

    /// Cancelled when the session ends.
    #[must_use]
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Resolves when no request is running.
    pub async fn quiet(&self) {
        loop {
            let next = self.call_ended.notified();
            if self.state().calls.is_empty() {
                return;
            }
            next.await;
        }
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

    pub(crate) fn touch(&self) {
        self.state().used = Instant::now();
    }

    pub(crate) fn is_over(&self, timeout: Duration, idle: Duration, now: Instant) -> bool {
        let state = self.state();
        let unused = now.duration_since(state.used) > idle && state.calls.is_empty();
        unused || now.duration_since(self.opened) > timeout
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
        let mut state = self.session.state();
        state.calls.remove(&self.id);
        // A long call is use, too: the client gets the whole idle time after its answer.
        state.used = Instant::now();
        drop(state);
        self.session.call_ended.notify_waiters();
    }
}
