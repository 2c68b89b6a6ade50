//! The HTTP client for everything behind the gateway: targets, identity providers, documents.
//!
//! Every connection goes to an address the egress guard has judged, and to no other. Redirects are never followed,
//! nothing is decompressed, and a request is sent a second time only when not a byte of it was sent the first time.

mod connect;
mod error;
mod pool;
mod reply;
mod sender;
mod target;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use tokio::time::{Instant, timeout_at};

use crate::body::{Body, read_body};
use crate::egress::{Guard, Provenance};
use connect::Connector;
use pool::Pool;
use sender::{Connection, Unsent};
use target::Target;

pub use error::{ClientError, Phase};
pub use reply::ReplyBody;
pub use tls::{InvalidRoots, Tls};

/// The bounds of a client.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// For resolving, connecting and the TLS handshake together. Default 5 s.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept. Shorter than what servers commonly allow, so that they rarely close
    /// a connection we are about to use. Default 20 s.
    pub idle_timeout: Duration,
    /// Unused HTTP/1.1 connections kept for one host and port. Default 256.
    pub idle_per_host_max: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(20),
            idle_per_host_max: 256,
        }
    }
}

/// An HTTP client with its own pool. Clones share the pool; two clients never share a connection, so one that was opened
/// under the operator's rules never serves a learned URL.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    connector: Connector,
    pool: Pool,
}

impl Client {
    /// A client for URLs the operator wrote: private addresses are open, link-local and metadata services are not.
    #[must_use]
    pub fn operator(guard: Guard, tls: Tls, options: &ClientOptions) -> Self {
        Self::new(guard, Provenance::Operator, tls, options)
    }

    /// A client for URLs learned from servers, tokens or documents: https and public addresses, unless
    /// `egress.allow` names the host or the range.
    #[must_use]
    pub fn learned(guard: Guard, tls: Tls, options: &ClientOptions) -> Self {
        Self::new(guard, Provenance::Learned, tls, options)
    }

    fn new(guard: Guard, provenance: Provenance, tls: Tls, options: &ClientOptions) -> Self {
        let connector = Connector::new(guard, provenance, tls, options.connect_timeout);
        Self(Arc::new(Inner { connector, pool: Pool::new(options) }))
    }

    /// Sends a request to its absolute URI and returns when the head of the response has arrived, whatever its status.
    ///
    /// `head_limit` covers everything up to then. `Host` is set from the URI. Dropping the future, or the body of the
    /// response before its end, cancels the exchange: HTTP/1.1 closes the connection, HTTP/2 resets the stream.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::nothing_sent`] says whether the same request may be sent again without a risk.
    pub async fn send(
        &self,
        request: Request<Body>,
        head_limit: Duration,
    ) -> Result<Response<ReplyBody>, ClientError> {
        let deadline = Instant::now() + head_limit;
        let uri = request.uri().clone();
        let target = Target::of(&uri)?;
        self.0.connector.check(&target)?;
        let mut request = request;
        loop {
            let connecting = timeout_at(deadline, self.connection(&target));
            let connection =
                connecting.await.map_err(|_| timed_out(&target, Phase::Connect, head_limit))??;
            let reused = connection.reused();
            let sending = timeout_at(deadline, connection.send(&target, request, &self.0.pool));
            match sending.await.map_err(|_| timed_out(&target, Phase::Head, head_limit))? {
                Ok(response) => return Ok(response),
                Err(Unsent::Returned { request: unsent, .. }) if reused => {
                    request = *unsent;
                    *request.uri_mut() = uri.clone();
                }
                Err(unsent) => return Err(unsent.into_error(&target)),
            }
        }
    }

    /// Fetches a document of at most `bytes_max` bytes, such as a key set or a discovery document, within `limit` in all.
    ///
    /// # Errors
    /// [`ClientError::Status`] for any status but 200, redirects included; [`ClientError::Body`] when it is too large, too
    /// slow or encoded; the others as in [`Client::send`].
    pub async fn get_bounded(
        &self,
        url: &str,
        bytes_max: usize,
        limit: Duration,
    ) -> Result<Bytes, ClientError> {
        let started = Instant::now();
        let uri: Uri = url.parse().map_err(|_| ClientError::Url)?;
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let (head, body) = self.send(request, limit).await?.into_parts();
        if head.status != StatusCode::OK {
            return Err(ClientError::Status { status: head.status });
        }
        let left = limit.saturating_sub(started.elapsed());
        Ok(read_body(&head.headers, body, bytes_max, left).await?)
    }

    /// A pooled connection, or a new one.
    async fn connection(&self, target: &Target) -> Result<Connection, ClientError> {
        let Inner { connector, pool } = &*self.0;
        if let Some(connection) = pool.checkout(&target.key) {
            return Ok(connection);
        }
        let Some(turn) = pool.turn(&target.key) else {
            return Box::pin(connector.connect(target, pool)).await;
        };
        // One connection serves many HTTP/2 requests: whoever comes first opens it, the others wait for it, but
        // not longer than opening their own could take.
        let turn = timeout_at(Instant::now() + connector.limit(), turn.lock_owned()).await.ok();
        if let Some(connection) = pool.checkout(&target.key) {
            return Ok(connection);
        }
        if pool.speaks_http1(&target.key) {
            drop(turn);
        }
        // Boxed, so that a request on a connection that is there already does not carry the room for opening one.
        Box::pin(connector.connect(target, pool)).await
    }
}

fn timed_out(target: &Target, phase: Phase, limit: Duration) -> ClientError {
    ClientError::Timeout { host: target.host().to_owned(), phase, limit }
}
