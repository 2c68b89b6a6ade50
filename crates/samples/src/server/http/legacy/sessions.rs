//! The sessions of a legacy server: an id nobody can guess, and the log level its client set.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::server::outlet::LogLevel;

/// Sessions at a time. The oldest makes room: its client is told 404 and begins anew.
const SESSIONS_MAX: usize = 1000;

/// All sessions. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<VecDeque<Session>>>);

struct Session {
    id: String,
    level: LogLevel,
}

impl Sessions {
    /// Opens a session and answers its id.
    pub(super) fn open(&self) -> String {
        let id = seal::random_id();
        let mut sessions = self.lock();
        if sessions.len() == SESSIONS_MAX {
            sessions.pop_front();
        }
        // Until a client says what it wants, the choice is the server's.
        sessions.push_back(Session { id: id.clone(), level: LogLevel::Info });
        id
    }

    pub(super) fn is_open(&self, id: &str) -> bool {
        self.lock().iter().any(|session| session.id == id)
    }

    pub(super) fn level(&self, id: &str) -> LogLevel {
        self.lock().iter().find(|session| session.id == id).map_or(LogLevel::Above, |session| session.level)
    }

    pub(super) fn set_level(&self, id: &str, level: LogLevel) {
        if let Some(session) = self.lock().iter_mut().find(|session| session.id == id) {
            session.level = level;
        }
    }

    pub(super) fn close(&self, id: &str) {
        self.lock().retain(|session| session.id != id);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
