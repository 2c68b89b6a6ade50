//! Which era a target was found to speak, so that its next connection need not ask.

use std::sync::{Mutex, PoisonError};

/// What is configured, and what was found out.
#[derive(Debug)]
pub(super) struct EraMemory {
    configured: config::Era,
    found: Mutex<Option<mcp::Era>>,
}

impl EraMemory {
    pub(super) fn new(configured: config::Era) -> Self {
        Self { configured, found: Mutex::new(None) }
    }

    /// The era to begin the next handshake with. A modern server is asked as if nothing were known: it is asked the same.
    pub(super) fn assumed(&self) -> config::Era {
        let found = *self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.configured, found) {
            (config::Era::Auto, Some(mcp::Era::Legacy)) => config::Era::Legacy,
            (configured, _) => configured,
        }
    }

    /// Notes what a handshake came to. After a failure nothing is assumed any more.
    pub(super) fn note(&self, found: Option<mcp::Era>) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}
