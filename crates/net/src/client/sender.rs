//! One connection, ready to carry a request.

use std::error::Error;
use std::pin::pin;

use http::header::HOST;
use http::{Request, Response, Uri, Version};
use hyper::client::conn::{TrySendError, http1, http2};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::ClientError;
use super::pool::{Pool, Stream};
use super::reply::ReplyBody;
use super::target::Target;
use crate::body::Body;

pub(super) struct Connection {
    sender: Sender,
    origin: Origin,
}

pub(super) enum Sender {
    Http1(Lane<http1::SendRequest<Body>>),
    Http2(Lane<http2::SendRequest<Body>>, Stream),
}

/// Hands requests to the task that drives a connection.
#[derive(Clone)]
pub(super) struct Lane<S> {
    pub(super) sender: S,
    /// Cancelled once that task has ended.
    ended: CancellationToken,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Fresh,
    Pooled,
}

/// A request that got no answer.
pub(super) enum Unsent {
    /// Not a byte was written; here it is again, its URI in the form of the connection.
    Returned { request: Box<Request<Body>>, source: hyper::Error },
    /// The server says that it did not act on it (RFC 9113, 8.7).
    Refused(hyper::Error),
    /// It may have been sent.
    Unknown(hyper::Error),
    /// It could not be put into the form of the connection.
    Unfit(ClientError),
}

impl Connection {
    pub(super) fn fresh(sender: Sender) -> Self {
        Self { sender, origin: Origin::Fresh }
    }

    pub(super) fn pooled(sender: Sender) -> Self {
        Self { sender, origin: Origin::Pooled }
    }

    /// Whether it has carried a request before, so the server may have closed it meanwhile.
    pub(super) fn reused(&self) -> bool {
        self.origin == Origin::Pooled
    }

    pub(super) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Sends one request and waits for the head of its response.
    pub(super) async fn send(
        self,
        target: &Target,
        mut request: Request<Body>,
        pool: &Pool,
    ) -> Result<Response<ReplyBody>, Unsent> {
        match self.sender {
            Sender::Http1(mut lane) => {
                into_http1(target, &mut request).map_err(Unsent::Unfit)?;
                let sending = lane.sender.try_send_request(request);
                let (response, lane) = lane.settle(sending).await;
                let response = response.map_err(Unsent::of)?;
                Ok(response.map(|incoming| ReplyBody::http1(incoming, pool, &target.key, lane)))
            }
            Sender::Http2(mut lane, stream) => {
                request.headers_mut().remove(HOST);
                *request.version_mut() = Version::HTTP_2;
                let sending = lane.sender.try_send_request(request);
                let (response, lane) = lane.settle(sending).await;
                if lane.is_none() {
                    pool.drop_ended(&target.key);
                }
                Ok(response.map_err(Unsent::of)?.map(|incoming| ReplyBody::http2(incoming, stream)))
            }
        }
    }
}

impl<S> Lane<S> {
    /// A lane and what the driving task drops when it ends.
    pub(super) fn new(sender: S) -> (Self, DropGuard) {
        let ended = CancellationToken::new();
        (Self { sender, ended: ended.clone() }, ended.drop_guard())
    }

    /// Waits for `response`; returns the lane too, unless the connection ended meanwhile.
    ///
    /// A request handed over in the very moment in which the driving task ends stays in the channel between the two,
    /// and is given back only when the last sender is dropped. So the sender goes as soon as the task has.
    async fn settle<R: Future>(self, response: R) -> (R::Output, Option<Self>) {
        let mut response = pin!(response);
        let ended = self.ended.clone();
        tokio::select! {
            biased;
            response = &mut response => return (response, Some(self)),
            () = ended.cancelled() => {}
        }
        drop(self);
        (response.await, None)
    }
}

impl Unsent {
    pub(super) fn into_error(self, target: &Target) -> ClientError {
        let host = target.host().to_owned();
        match self {
            Self::Returned { source, .. } | Self::Refused(source) => {
                ClientError::NothingSent { host, source }
            }
            Self::Unknown(source) => ClientError::Broken { host, source },
            Self::Unfit(error) => error,
        }
    }

    fn of(mut error: TrySendError<Request<Body>>) -> Self {
        let returned = error.take_message();
        let source = error.into_error();
        match returned {
            Some(request) => Self::Returned { request: Box::new(request), source },
            None if refused_stream(&source) => Self::Refused(source),
            None => Self::Unknown(source),
        }
    }
}

fn into_http1(target: &Target, request: &mut Request<Body>) -> Result<(), ClientError> {
    request.headers_mut().insert(HOST, target.host_header()?);
    *request.version_mut() = Version::HTTP_11;
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    Ok(())
}

fn refused_stream(error: &hyper::Error) -> bool {
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    h2.and_then(h2::Error::reason) == Some(h2::Reason::REFUSED_STREAM)
}
