//! Posts messages to the server.
//!
//! Requests may overtake each other, as they may anyway. Everything else is delivered before what comes after it, so
//! that no call arrives before `notifications/initialized`.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Uri};
use identity::Principal;
use mcp::Payload;
use net::{Body, read_body};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Server;
use crate::UpstreamError;
use crate::duplex::link::{Incoming, Outgoing};
use crate::duplex::waiter::Waiter;

/// Posts in progress at a time. Some servers answer a post only when they have done what it asks.
const POSTS_MAX: usize = 64;
/// What a server says to a post is read, so that the connection can be used again, and never looked at.
const ANSWER_MAX: usize = 64 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Everything that goes to the server.
#[derive(Clone)]
pub(super) struct Poster {
    pub(super) server: Server,
    pub(super) url: Uri,
    pub(super) tell: mpsc::Sender<Incoming>,
    pub(super) stop: CancellationToken,
}

impl Poster {
    /// Posts what comes, until the connection ends. `principal` is whose credential goes with what names nobody.
    pub(super) async fn run(
        self,
        mut outgoing: mpsc::Receiver<Outgoing>,
        mut principal: Option<Arc<Principal>>,
    ) {
        let mut posts = JoinSet::new();
        loop {
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(_) = posts.join_next(), if !posts.is_empty() => continue,
                next = outgoing.recv(), if posts.len() < POSTS_MAX => next,
            };
            let Some(Outgoing { text, request, principal: whose }) = next else { break };
            // A user's credential is renewed from time to time; what is sent for nobody in particular takes the newest.
            principal = whose.or(principal);
            match request {
                Some(waiter) if waiter.begin_write() => {
                    posts.spawn(self.clone().request(waiter, text, principal.clone()));
                }
                Some(_) => {}
                None => tokio::select! {
                    () = self.stop.cancelled() => break,
                    posted = self.post(text, principal.as_deref(), self.server.target.connect_timeout) => self.note(posted),
                },
            }
        }
        self.stop.cancel();
    }

    async fn request(self, waiter: Arc<Waiter>, text: Payload, principal: Option<Arc<Principal>>) {
        match self.post(text, principal.as_deref(), self.server.target.idle_timeout).await {
            Ok(()) => waiter.written(),
            Err(error) => {
                // Nobody is told twice: a connection that has ended told the request already.
                let _ = self.tell.send(Incoming::Undelivered(waiter, error)).await;
            }
        }
    }

    fn note(&self, posted: Result<(), UpstreamError>) {
        if let Err(error) = posted {
            tracing::debug!(target.name = self.server.name(), %error, "a notification was not delivered");
        }
    }

    async fn post(
        &self,
        text: Payload,
        principal: Option<&Principal>,
        limit: Duration,
    ) -> Result<(), UpstreamError> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
        let body = Body::chunks(text.into_pieces());
        let response =
            self.server.send((Method::POST, self.url.clone()), principal, headers, body, limit).await?;
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        match head.status {
            accepted if accepted.is_success() => {
                // Whether it can be read changes nothing: the answer comes on the stream.
                let _ = read_body(&head.headers, body, ANSWER_MAX, limit).await;
                Ok(())
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(UpstreamError::Unauthorized(status)),
            StatusCode::TOO_MANY_REQUESTS => Err(UpstreamError::Busy("it answered HTTP 429".to_owned())),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                // Its stream may still be open, but leads nowhere.
                self.stop.cancel();
                Err(UpstreamError::Unreachable("it does not know the session any more".to_owned()))
            }
            failed if failed.is_server_error() => {
                Err(UpstreamError::Lost(format!("it answered HTTP {status}")))
            }
            _ => Err(UpstreamError::BrokeProtocol(format!("it refused a message with HTTP {status}"))),
        }
    }
}
