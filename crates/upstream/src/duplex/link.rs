//! What a connection and its transport say to each other.
//!
//! A transport moves whole messages and knows when its server is gone. It never knows which message belongs to whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use identity::Principal;
use mcp::{Body, Malformed, Payload};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::waiter::{GivenUp, Waiter};
use crate::UpstreamError;

/// Messages on their way to the server.
pub(super) const OUTGOING_MAX: usize = 32;
/// Messages read and not yet sorted. Few, because each may be as large as `limits.upstream_event`.
pub(super) const INCOMING_MAX: usize = 4;

/// A connection's end of its transport.
#[derive(Debug)]
pub(super) struct Link {
    /// The target's name, for the log.
    pub(super) server: Arc<str>,
    pub(super) outgoing: mpsc::Sender<Outgoing>,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    /// Cancelled by either side: take no new request, end what runs.
    pub(super) stop: CancellationToken,
}

/// A message for the server.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) text: Payload,
    /// The request it is, when it is one.
    pub(super) request: Option<Arc<Waiter>>,
    /// Whose credential goes with it, where the transport carries one; the last one's when absent.
    pub(super) principal: Option<Arc<Principal>>,
}

/// What a transport has to tell.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message, or a batch of them.
    Body(Body),
    /// A message that cannot be trusted to mean one thing.
    Broken(Malformed),
    /// A message could not be delivered to the server; its request is lost, the connection is not.
    Undelivered(Arc<Waiter>, UpstreamError),
    /// Nothing will come any more.
    Ended(End),
}

/// Why nothing will come any more.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum End {
    /// The server went away, or was stopped.
    #[error("{0}")]
    Closed(String),
    /// One message was larger than this many bytes.
    #[error("a message was larger than {0} bytes")]
    TooLarge(usize),
}

/// What was not delivered, in numbers. Shared by every connection of one target.
#[derive(Debug, Default)]
pub(super) struct Tally {
    noise: AtomicU64,
    stray: AtomicU64,
    thinned: AtomicU64,
}

impl End {
    /// What becomes of a request when its connection ends.
    pub(super) fn error(&self, how_far: GivenUp) -> UpstreamError {
        match (self, how_far) {
            (Self::TooLarge(max), GivenUp::Sent) => UpstreamError::TooLarge(*max),
            (Self::TooLarge(_), GivenUp::Unsent) => UpstreamError::Unreachable(
                "the connection was closed, because a message was too large".to_owned(),
            ),
            (Self::Closed(why), GivenUp::Sent) => UpstreamError::Lost(why.clone()),
            (Self::Closed(why), GivenUp::Unsent) => UpstreamError::Unreachable(why.clone()),
        }
    }
}

impl Incoming {
    /// Reads one text. `None`: it is noise, something a server printed that was never meant as a message.
    pub(super) fn read(text: Bytes, depth_max: usize) -> Option<Self> {
        match Body::from_server(text.clone(), depth_max) {
            Ok(body) => Some(Self::Body(body)),
            Err(malformed) => looks_like_rpc(&text).then_some(Self::Broken(malformed)),
        }
    }
}

impl Tally {
    /// Lines on stdout, or events, that are no messages.
    pub(super) fn noise(&self) -> u64 {
        self.noise.load(Ordering::Relaxed)
    }

    /// Messages that belong to no open request: unknown ids and tokens, logs that could be anyone's.
    pub(super) fn stray(&self) -> u64 {
        self.stray.load(Ordering::Relaxed)
    }

    /// Progress and log messages that a consumer was too slow for.
    pub(super) fn thinned(&self) -> u64 {
        self.thinned.load(Ordering::Relaxed)
    }

    /// Counts one; answers how many there were before.
    pub(super) fn count_noise(&self) -> u64 {
        self.noise.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn count_stray(&self) {
        self.stray.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_thinned(&self, many: usize) {
        self.thinned.fetch_add(many as u64, Ordering::Relaxed);
    }
}

/// A structured log line is an object too; only what names the protocol was meant as a message.
fn looks_like_rpc(text: &[u8]) -> bool {
    const NAME: &[u8] = b"\"jsonrpc\"";
    let start = text.trim_ascii_start();
    matches!(start.first(), Some(b'{' | b'[')) && start.windows(NAME.len()).any(|part| part == NAME)
}
