//! The URL of one server: what is sent there, under whose credential, and what a failure to send means.
//!
//! Every request of this room goes through [`Endpoint::send`]. The client's own headers never do.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use broker::Credential;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, Uri};
use identity::Principal;
use mcp::header::{LAST_EVENT_ID, MCP_PROTOCOL_VERSION, MCP_SESSION_ID};
use mcp::{Payload, Raw};
use net::{Body, ClientError, ReplyBody};

use super::answer::{self, Received};
use crate::deadline::Deadline;
use crate::{Deps, UpstreamError};

pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static(MCP_PROTOCOL_VERSION);
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static(MCP_SESSION_ID);
pub(super) const RESUME_FROM: HeaderName = HeaderName::from_static(LAST_EVENT_ID);
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: HeaderValue = HeaderValue::from_static("identity");
const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));

/// One server's URL.
pub(super) struct Endpoint {
    pub(super) target: config::Target,
    pub(super) deps: Deps,
    uri: Result<Uri, UpstreamError>,
    ids: AtomicU64,
}

/// What is sent, and for whom.
pub(super) struct Parcel<'a> {
    /// Whose credential goes with it; the gateway's own when `None`.
    pub(super) principal: Option<&'a Principal>,
    /// The protocol's own headers.
    pub(super) headers: HeaderMap,
    /// The message.
    pub(super) message: Payload,
    /// Whether it may be sent again.
    pub(super) repeat: Repeat,
}

/// Whether a request may go out a second time when the connection broke before the first byte of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The server does no more when it is asked twice.
    Safe,
    /// The server may have carried it out.
    Never,
}

impl Endpoint {
    pub(super) fn new(target: config::Target, url: &str, deps: Deps) -> Self {
        let uri =
            url.parse().map_err(|_| UpstreamError::Unreachable("its URL cannot be used for HTTP".to_owned()));
        Self { target, deps, uri, ids: AtomicU64::new(1) }
    }

    /// A request id that no other request to this server has.
    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// What a legacy server that asks for roots is told without its client.
    pub(super) fn roots(&self) -> Option<Raw> {
        crate::abilities::roots(&self.target)
    }

    /// The bounds of a call.
    pub(super) fn call_deadline(&self) -> Deadline {
        Deadline::start(self.target.call_timeout, self.target.idle_timeout)
    }

    /// The bounds of a handshake, a probe or a farewell.
    pub(super) fn connect_deadline(&self) -> Deadline {
        Deadline::start(self.target.connect_timeout, self.target.connect_timeout)
    }

    /// Sends a message and reads what comes back, up to the start of a stream.
    ///
    /// # Errors
    /// [`UpstreamError`]; an answer that is not MCP is no error here but [`answer::Answer::NotMcp`].
    pub(super) async fn post(
        &self,
        mut parcel: Parcel<'_>,
        deadline: &Deadline,
    ) -> Result<Received, UpstreamError> {
        parcel.headers.insert(CONTENT_TYPE, JSON);
        parcel.headers.insert(ACCEPT, BOTH);
        let response = self.send(Method::POST, parcel, deadline).await?;
        answer::read(response, &self.deps.limits, deadline).await
    }

    /// Opens the stream that `headers` name: of messages that belong to no request, or one that is taken up (legacy).
    ///
    /// # Errors
    /// As [`Endpoint::post`].
    pub(super) async fn get(
        &self,
        principal: Option<&Principal>,
        mut headers: HeaderMap,
        deadline: &Deadline,
    ) -> Result<Received, UpstreamError> {
        headers.insert(ACCEPT, STREAM);
        let response = self.send(Method::GET, Parcel::bare(principal, headers), deadline).await?;
        answer::read(response, &self.deps.limits, deadline).await
    }

    /// Ends the session that `headers` name (legacy). Whether the server obliges does not matter.
    pub(super) async fn delete(&self, principal: Option<&Principal>, headers: HeaderMap) {
        let deadline = self.connect_deadline();
        let sent = self.send(Method::DELETE, Parcel::bare(principal, headers), &deadline).await;
        if let Err(error) = sent {
            tracing::debug!(target.name = %self.target.name, %error, "an upstream session was not ended");
        }
    }

    /// What the server is shown instead of the client's own credential.
    async fn credential(&self, principal: Option<&Principal>) -> Result<Credential, UpstreamError> {
        let (broker, outbound) = (&self.deps.broker, &self.target.outbound);
        let credential = match principal {
            Some(principal) => broker.credential(principal, outbound, self.deps.clock.now()).await,
            None => broker.for_upkeep(outbound).await,
        };
        credential.map_err(|error| UpstreamError::NoCredential(error.to_string()))
    }

    async fn send(
        &self,
        verb: Method,
        parcel: Parcel<'_>,
        deadline: &Deadline,
    ) -> Result<Response<ReplyBody>, UpstreamError> {
        let uri = self.uri.clone()?;
        let mut headers = HeaderMap::with_capacity(16);
        self.credential(parcel.principal).await?.apply(&mut headers);
        // The protocol's own headers are set last: no configured header can stand in for them.
        headers.extend(parcel.headers);
        headers.insert(ACCEPT_ENCODING, PLAIN);
        headers.insert(USER_AGENT, PRODUCT);
        let pieces = parcel.message.into_pieces();
        let spare = (parcel.repeat == Repeat::Safe).then(|| (headers.clone(), pieces.clone()));

        let (limit, bound) = deadline.next();
        let sent = self.deps.client.send(request(&verb, &uri, headers, pieces), limit).await;
        match (sent, spare) {
            (Ok(response), _) => Ok(response),
            (Err(ClientError::Broken { .. }), Some((headers, pieces))) => {
                let (limit, bound) = deadline.next();
                let again = self.deps.client.send(request(&verb, &uri, headers, pieces), limit);
                Box::pin(again).await.map_err(|error| failed(&error, bound))
            }
            (Err(error), _) => Err(failed(&error, bound)),
        }
    }
}

impl<'a> Parcel<'a> {
    fn bare(principal: Option<&'a Principal>, headers: HeaderMap) -> Self {
        Self { principal, headers, message: Payload::default(), repeat: Repeat::Safe }
    }
}

fn request(verb: &Method, uri: &Uri, headers: HeaderMap, pieces: Vec<Bytes>) -> Request<Body> {
    let mut request = Request::new(Body::chunks(pieces));
    *request.method_mut() = verb.clone();
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers;
    request
}

fn failed(error: &ClientError, bound: std::time::Duration) -> UpstreamError {
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        cause.push_str(": ");
        cause.push_str(&inner.to_string());
        source = inner.source();
    }
    match error {
        error if error.nothing_sent() => UpstreamError::Unreachable(cause),
        ClientError::Timeout { .. } => UpstreamError::Timeout(bound),
        _ => UpstreamError::Lost(cause),
    }
}
