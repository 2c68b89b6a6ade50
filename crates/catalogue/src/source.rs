//! Where lists come from. The product has one source, a target's driver; the seam is here so that slow, lying and dead
//! servers can be played in tests without a socket.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use mcp::{Kind, Response};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use upstream::{Caller, ServerFacts, Upkeep, Upstream, UpstreamError};

/// One target, as far as its lists are concerned.
pub trait Source: Send + Sync {
    /// One page of a list, under the caller's identity or the gateway's own.
    fn page<'a>(
        &'a self,
        caller: Option<&'a Caller>,
        kind: Kind,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<Response, UpstreamError>>;

    /// What the server says about itself.
    fn facts<'a>(
        &'a self,
        caller: Option<&'a Caller>,
    ) -> BoxFuture<'a, Result<Arc<ServerFacts>, UpstreamError>>;

    /// Sends the kind of each list that changed, until `stop`.
    fn feed(&self, changed: mpsc::Sender<Kind>, stop: CancellationToken) -> BoxFuture<'_, ()>;
}

impl Source for Upstream {
    fn page<'a>(
        &'a self,
        caller: Option<&'a Caller>,
        kind: Kind,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<Response, UpstreamError>> {
        Box::pin(self.upkeep(caller, Upkeep::List { kind, cursor }))
    }

    fn facts<'a>(
        &'a self,
        caller: Option<&'a Caller>,
    ) -> BoxFuture<'a, Result<Arc<ServerFacts>, UpstreamError>> {
        Box::pin(self.facts(caller))
    }

    fn feed(&self, changed: mpsc::Sender<Kind>, stop: CancellationToken) -> BoxFuture<'_, ()> {
        Box::pin(self.feed(changed, stop))
    }
}
