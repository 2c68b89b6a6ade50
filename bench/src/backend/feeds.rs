//! What `/live/mcp` tells of: its list changes once, and everybody who listens is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Response;
use tokio::sync::mpsc;

use super::body::Body;
use super::events;
use super::tools::event;

/// The path of the server that has something to tell.
pub(super) const PATH: &str = "/live/mcp";

#[derive(Default)]
pub(super) struct Feeds {
    changed: AtomicBool,
    open: Mutex<Vec<Feed>>,
}

/// A stream, and what is written to it when the list changes.
struct Feed {
    sender: mpsc::Sender<Bytes>,
    notice: Bytes,
}

impl Feeds {
    /// The GET stream of a legacy session.
    pub(super) fn standing(&self) -> Response<Body> {
        self.open("{}", None)
    }

    /// `subscriptions/listen`, the request `id`.
    pub(super) fn listen(&self, id: &str) -> Response<Body> {
        let meta = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#);
        let acknowledged = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{{meta},"notifications":{{"toolsListChanged":true}}}}}}"#
        );
        self.open(&format!("{{{meta}}}"), Some(event(&acknowledged)))
    }

    /// Changes the list, and says so.
    pub(super) fn change(&self) {
        self.changed.store(true, Ordering::Release);
        for feed in self.lock().drain(..) {
            // Who is gone needs no notice, and a queue that was empty has room.
            let _ = feed.sender.try_send(feed.notice);
        }
    }

    /// Whether it has.
    pub(super) fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    fn open(&self, params: &str, first: Option<Bytes>) -> Response<Body> {
        let (sender, body) = Body::events();
        if let Some(first) = first {
            // The queue is empty.
            let _ = sender.try_send(first);
        }
        let notice =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{params}}}"#);
        let mut open = self.lock();
        open.retain(|feed| !feed.sender.is_closed());
        open.push(Feed { sender, notice: event(&notice) });
        events(body)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Feed>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
