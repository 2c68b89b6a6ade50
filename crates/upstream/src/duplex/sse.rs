//! HTTP+SSE of 2024-11-05: one stream for everything the server says, one URL to post to that the server names on it.
//!
//! The stream is the session; when it breaks, all is lost that was open on it. Posts go to the origin the operator
//! configured and to no other, whatever the server names: they carry the credential.

mod events;
mod post;

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use identity::Principal;
use net::{Body, ClientError, ReplyBody};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::link::{End, INCOMING_MAX, Incoming, Link, OUTGOING_MAX, Tally};
use crate::{Deps, UpstreamError};
use events::Events;
use post::Poster;

/// The path and query that a server names for posts, in bytes. It holds the session's secret, not more.
const ENDPOINT_MAX: usize = 8 * 1024;
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const PLAIN: HeaderValue = HeaderValue::from_static("identity");
const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));

/// One server that speaks HTTP+SSE.
#[derive(Clone)]
pub(super) struct Server {
    target: Arc<config::Target>,
    url: Url,
    deps: Deps,
}

impl Server {
    pub(super) fn new(target: &config::Target, url: &Url, deps: &Deps) -> Self {
        Self { target: Arc::new(target.clone()), url: url.clone(), deps: deps.clone() }
    }

    /// The target's name.
    pub(super) fn name(&self) -> &str {
        &self.target.name
    }

    /// Connections that callers may have at a time.
    pub(super) fn connections_max(&self) -> usize {
        self.deps.limits.sessions
    }

    /// Opens the stream and waits until the server has named the URL for posts.
    ///
    /// # Errors
    /// The server cannot be reached, refuses, or is no such server.
    pub(super) async fn open(
        &self,
        principal: Option<Arc<Principal>>,
        deadline: Instant,
        (tally, tasks): (&Arc<Tally>, &TaskTracker),
    ) -> Result<Link, UpstreamError> {
        let url = address(&self.url)?;
        let headers = HeaderMap::from_iter([(ACCEPT, STREAM)]);
        let limit = deadline.saturating_duration_since(Instant::now());
        let response =
            self.send((Method::GET, url), principal.as_deref(), headers, Body::empty(), limit).await?;
        let mut events = Events::new(accepted(response)?, &self.deps.limits);
        let named = timeout_at(deadline, events.endpoint()).await;
        let named = named.map_err(|_| UpstreamError::Timeout(self.target.connect_timeout))??;
        let post_url = self.own_origin(&named)?;

        let stop = CancellationToken::new();
        let (outgoing, to_post) = mpsc::channel(OUTGOING_MAX);
        let (tell, incoming) = mpsc::channel(INCOMING_MAX);
        let poster = Poster { server: self.clone(), url: post_url, tell: tell.clone(), stop: stop.clone() };
        tasks.spawn(poster.run(to_post, principal));
        tasks.spawn(read(events, self.clone(), tally.clone(), tell, stop.clone()));
        Ok(Link { server: self.name().into(), outgoing, incoming, stop })
    }

    /// The URL for posts that the server named, relative to the stream's or absolute.
    fn own_origin(&self, named: &str) -> Result<Uri, UpstreamError> {
        let broke = |what: &str| UpstreamError::BrokeProtocol(what.to_owned());
        if named.len() > ENDPOINT_MAX {
            return Err(broke("the URL it names for posts is too long"));
        }
        let url = self.url.join(named.trim()).map_err(|_| broke("what it names for posts is no URL"))?;
        if url.origin() != self.url.origin() {
            return Err(broke("the URL it names for posts has another origin than its stream"));
        }
        address(&url)
    }

    /// Sends a request under `principal`'s credential, or the gateway's own; resolves when the head has arrived.
    async fn send(
        &self,
        (verb, uri): (Method, Uri),
        principal: Option<&Principal>,
        own: HeaderMap,
        body: Body,
        limit: Duration,
    ) -> Result<Response<ReplyBody>, UpstreamError> {
        let outbound = &self.target.outbound;
        let credential = match principal {
            Some(principal) => self.deps.broker.credential(principal, outbound, self.deps.clock.now()).await,
            None => self.deps.broker.for_upkeep(outbound).await,
        };
        let credential = credential.map_err(|error| UpstreamError::NoCredential(error.to_string()))?;
        let mut request = Request::new(body);
        *request.method_mut() = verb;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        credential.apply(headers);
        // The protocol's own headers are set last: no configured header can stand in for them.
        headers.extend(own);
        headers.insert(ACCEPT_ENCODING, PLAIN);
        headers.insert(USER_AGENT, PRODUCT);
        self.deps.client.send(request, limit).await.map_err(|error| match error {
            error if error.nothing_sent() => UpstreamError::Unreachable(error.to_string()),
            ClientError::Timeout { limit, .. } => UpstreamError::Timeout(limit),
            error => UpstreamError::Lost(error.to_string()),
        })
    }
}

/// The stream, if it is one.
fn accepted(response: Response<ReplyBody>) -> Result<ReplyBody, UpstreamError> {
    let (head, body) = response.into_parts();
    match head.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(UpstreamError::Unauthorized(head.status.as_u16()));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            return Err(UpstreamError::Busy(format!("it answered HTTP {}", head.status.as_u16())));
        }
        status => {
            let what = format!("it answered HTTP {} to the GET that opens its stream", status.as_u16());
            return Err(UpstreamError::BrokeProtocol(what));
        }
    }
    let media = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let media = media.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if !media.eq_ignore_ascii_case(b"text/event-stream") || net::body::refuse_encoded(&head.headers).is_err()
    {
        return Err(UpstreamError::BrokeProtocol(
            "what it answers to a GET is no plain event stream".to_owned(),
        ));
    }
    Ok(body)
}

fn address(url: &Url) -> Result<Uri, UpstreamError> {
    let mut url = url.clone();
    url.set_fragment(None);
    url.as_str().parse().map_err(|_| UpstreamError::Unreachable("its URL cannot be used for HTTP".to_owned()))
}

/// Reads the stream to its end.
async fn read(
    mut events: Events,
    server: Server,
    tally: Arc<Tally>,
    tell: mpsc::Sender<Incoming>,
    stop: CancellationToken,
) {
    let reading = async {
        loop {
            let text = match events.message().await {
                Ok(text) => text,
                Err(end) => return end,
            };
            let Some(incoming) = Incoming::read(text, server.deps.limits.json_depth) else {
                tally.count_noise();
                continue;
            };
            if tell.send(incoming).await.is_err() {
                return End::Closed("the gateway ended the connection".to_owned());
            }
        }
    };
    let end = tokio::select! {
        end = reading => end,
        () = stop.cancelled() => End::Closed("the gateway ended the connection".to_owned()),
    };
    tracing::debug!(target.name = server.name(), ?end, "an event stream ended");
    stop.cancel();
    // The connection may be gone already; then there is nobody to tell.
    let _ = tell.send(Incoming::Ended(end)).await;
}
