//! Messages on their way to the client: notifications while a request is worked on, then its answer.

use mcp::{Object, Payload, Raw, meta};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Messages that wait for the client to read. A tool waits when it is full.
pub(super) const QUEUE: usize = 16;

/// Where messages to one client go.
pub(super) type Outlet = mpsc::Sender<Payload>;

/// What a request's client wants to hear of while it waits.
pub(super) struct Notices {
    outlet: Option<Outlet>,
    progress_token: Option<Value>,
    log: LogLevel,
    logger: &'static str,
}

/// From which level on a client wants log messages. Samples write at `info` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogLevel {
    /// `debug` or `info`.
    Info,
    /// Something above it, or none at all.
    Above,
}

impl LogLevel {
    /// The level called `name` (RFC 5424, section 6.2.1).
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "debug" | "info" => Some(Self::Info),
            "notice" | "warning" | "error" | "critical" | "alert" | "emergency" => Some(Self::Above),
            _ => None,
        }
    }
}

impl Notices {
    /// The client waits for one answer and can hear nothing before it.
    pub(super) fn none() -> Self {
        Self { outlet: None, progress_token: None, log: LogLevel::Above, logger: "" }
    }

    /// The client of `params` listens at `outlet`.
    pub(super) fn to(outlet: Outlet, params: &Object, log: LogLevel, logger: &'static str) -> Self {
        Self { outlet: Some(outlet), progress_token: progress_token(params), log, logger }
    }

    pub(super) async fn progress(&self, done: u64, total: u64, message: &str) {
        let Some(token) = &self.progress_token else { return };
        let params = json!({ "progressToken": token, "progress": done, "total": total, "message": message });
        self.send("notifications/progress", &params).await;
    }

    pub(super) async fn log(&self, message: &str) {
        if self.log == LogLevel::Info {
            let params = json!({ "level": "info", "logger": self.logger, "data": message });
            self.send("notifications/message", &params).await;
        }
    }

    async fn send(&self, method: &str, params: &Value) {
        let Some(outlet) = &self.outlet else { return };
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        // A client that has gone away hears nothing any more; whoever runs the tool notices and stops.
        let _ = outlet.send(Raw::value(&message).into()).await;
    }
}

/// The token by which the client tells progress notifications apart, if it wants any.
pub(super) fn progress_token(params: &Object) -> Option<Value> {
    params.object("_meta")?.get(meta::PROGRESS_TOKEN).map(|token| token.to_value())
}
