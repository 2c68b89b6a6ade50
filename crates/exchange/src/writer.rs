//! The writing end of a client's event stream: kept alive while nothing happens, given up when nothing is taken.
//!
//! Knows no protocol beyond events. Who writes what on a stream is for its owner to say.

use std::time::Duration;

use bytes::Bytes;
use mcp::{Payload, sse};
use net::{Body, BodySender, Gone};
use tokio::time::{Instant, sleep_until, timeout};

/// Comments keep proxies from closing a stream on which nothing happens.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client may take nothing of what waits for it. Over HTTP/2 the socket alone does not show that.
const STALL: Duration = Duration::from_secs(30);

/// The writing end of one event stream.
#[derive(Debug)]
pub struct Writer {
    sender: BodySender,
    until: Option<Instant>,
}

impl Writer {
    /// A stream for a client whose credential ends at `until`, and the body in which it arrives.
    #[must_use]
    pub fn open(until: Option<Instant>) -> (Self, Body) {
        let (sender, body) = Body::channel(net::body::Bounds::default());
        (Self { sender, until }, body)
    }

    /// When the client's credential ends.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Writes pieces one after the other. Who else writes on the stream meanwhile may come between them.
    ///
    /// # Errors
    /// The client has gone away, or has taken nothing for so long that it counts as gone.
    pub async fn write(&self, pieces: Vec<Bytes>) -> Result<(), Gone> {
        for piece in pieces {
            timeout(STALL, self.sender.send(piece)).await.unwrap_or(Err(Gone))?;
        }
        Ok(())
    }

    /// Writes one message as one event.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn say(&self, payload: Payload) -> Result<(), Gone> {
        self.write(sse::encode_event(payload, None, None)).await
    }

    /// Writes a comment.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn keep_alive(&self) -> Result<(), Gone> {
        self.write(vec![Bytes::from_static(sse::COMMENT_KEEP_ALIVE)]).await
    }

    /// Resolves when the client has gone away. Cancel safe.
    pub async fn gone(&self) {
        self.sender.closed().await;
    }

    /// Resolves when the client's credential has ended. Cancel safe.
    pub async fn over(&self) {
        over(self.until).await;
    }
}

/// Resolves when a credential has ended. Cancel safe.
pub(crate) async fn over(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
