//! The calls in progress within one session, for what its server asks beside them.
//!
//! A request on a session's own stream names no call: it belongs to the only one, or to nobody.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp::Request;
use tokio::sync::mpsc::{self, error::TrySendError};

/// Requests that wait for one call to read them. Each may be as large as `limits.upstream_event`.
const WAITING_MAX: usize = 8;

/// The calls in progress, by the ids of their requests.
#[derive(Default)]
pub(super) struct Calls(Mutex<HashMap<u64, mpsc::Sender<Box<Request>>>>);

impl Calls {
    /// Takes in a call. What is asked beside it can be received.
    pub(super) fn begin(&self, id: u64) -> mpsc::Receiver<Box<Request>> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        self.table().insert(id, sender);
        receiver
    }

    /// Forgets a call.
    pub(super) fn end(&self, id: u64) {
        self.table().remove(&id);
    }

    /// Hands a request to the only call in progress.
    ///
    /// # Errors
    /// The request: there is no call, or more than one, or it takes no more.
    pub(super) fn hand(&self, request: Box<Request>) -> Result<(), Box<Request>> {
        let table = self.table();
        let mut calls = table.values();
        match (calls.next(), calls.next()) {
            (Some(only), None) => only.try_send(request).map_err(TrySendError::into_inner),
            _ => Err(request),
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<u64, mpsc::Sender<Box<Request>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
