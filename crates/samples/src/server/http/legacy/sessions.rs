//! The sessions of a legacy server: an id nobody can guess, what its client set and declared, and what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp::Object;
use tokio::sync::oneshot;

use crate::server::outlet::LogLevel;
use crate::server::question::Modes;

/// Sessions at a time. The oldest makes room: its client is told 404 and begins anew.
const SESSIONS_MAX: usize = 1000;
/// Open questions of one session.
const QUESTIONS_MAX: usize = 16;

/// All sessions. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<VecDeque<Session>>>);

struct Session {
    id: String,
    level: LogLevel,
    modes: Modes,
    /// The id of the last question.
    last: u64,
    asked: HashMap<u64, oneshot::Sender<Object>>,
}

impl Sessions {
    /// Opens a session with a client that can be asked so, and answers its id.
    pub(super) fn open(&self, modes: Modes) -> String {
        let id = seal::random_id();
        let mut sessions = self.lock();
        if sessions.len() == SESSIONS_MAX {
            sessions.pop_front();
        }
        // Until a client says what it wants, the choice is the server's.
        let level = LogLevel::Info;
        sessions.push_back(Session { id: id.clone(), level, modes, last: 0, asked: HashMap::new() });
        id
    }

    pub(super) fn is_open(&self, id: &str) -> bool {
        self.with(id, |_| ()).is_some()
    }

    pub(super) fn level(&self, id: &str) -> LogLevel {
        self.with(id, |session| session.level).unwrap_or(LogLevel::Above)
    }

    pub(super) fn set_level(&self, id: &str, level: LogLevel) {
        self.with(id, |session| session.level = level);
    }

    pub(super) fn modes(&self, id: &str) -> Modes {
        self.with(id, |session| session.modes).unwrap_or_default()
    }

    /// Opens a question: its id, and where the answer comes. `None` when there are as many as may be.
    pub(super) fn ask(&self, id: &str) -> Option<(u64, oneshot::Receiver<Object>)> {
        self.with(id, |session| {
            // Questions of calls that have ended wait for nothing.
            session.asked.retain(|_, waiting| !waiting.is_closed());
            if session.asked.len() == QUESTIONS_MAX {
                return None;
            }
            let (answer, heard) = oneshot::channel();
            session.last += 1;
            session.asked.insert(session.last, answer);
            Some((session.last, heard))
        })
        .flatten()
    }

    /// Takes an answer to the question it belongs to. An error answers nothing: whoever asked is told so.
    pub(super) fn answered(&self, id: &str, response: &mcp::Response) {
        let question = response.id.as_ref().and_then(mcp::Id::to_u64);
        let waiting = self.with(id, |session| session.asked.remove(&question?)).flatten();
        if let (Some(waiting), Some(result)) = (waiting, response.result()) {
            // Nobody waits any more where the call has ended meanwhile.
            let _ = waiting.send(result.clone());
        }
    }

    pub(super) fn close(&self, id: &str) {
        self.lock().retain(|session| session.id != id);
    }

    fn with<T>(&self, id: &str, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.lock().iter_mut().find(|session| session.id == id).map(act)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
