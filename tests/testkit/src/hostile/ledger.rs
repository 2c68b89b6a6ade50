//! The record of what reached a backend, in order, and a way to wait for more without sleeping.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(60);

/// One HTTP request.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// HTTP method.
    pub verb: String,
    /// Path and query.
    pub path: String,
    /// Header lines in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: String,
}

impl Arrival {
    /// The first line of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as a message; `null` when it is none.
    pub fn message(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The method of the message, or the HTTP method of a request without a body.
    pub fn method(&self) -> String {
        match self.message()["method"].as_str() {
            Some(method) => method.to_owned(),
            None => self.verb.clone(),
        }
    }

    /// Whether this is a call of the tool.
    pub fn calls(&self, tool: &str) -> bool {
        self.method() == "tools/call" && self.message()["params"]["name"] == tool
    }
}

/// Cloneable handle on the record.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    arrivals: Mutex<Vec<Arrival>>,
    hung_up: Mutex<u64>,
    changed: watch::Sender<u64>,
}

impl Ledger {
    /// Everything that arrived, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inner.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests of one method.
    pub fn of(&self, method: &str) -> Vec<Arrival> {
        self.arrivals().into_iter().filter(|arrival| arrival.method() == method).collect()
    }

    /// The calls of one tool.
    pub fn calls(&self, tool: &str) -> Vec<Arrival> {
        self.arrivals().into_iter().filter(|arrival| arrival.calls(tool)).collect()
    }

    /// How often the other side closed a connection whose answer was not finished.
    pub fn hung_up(&self) -> u64 {
        *self.inner.hung_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done` says so.
    pub async fn wait_for(&self, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let mut changes = self.inner.changed.subscribe();
        let wait = async {
            while !done(self) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.with_context(|| format!("what was expected never arrived; so far: {:#?}", self.arrivals()))
    }

    pub(super) fn record(&self, arrival: Arrival) {
        self.inner.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        self.inner.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn record_hang_up(&self) {
        *self.inner.hung_up.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.inner.changed.send_modify(|count| *count += 1);
    }
}
