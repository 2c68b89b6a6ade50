//! One request through the handler: counted while it lasts, survived when the handler panics.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::framing::Framing;
use super::pace;
use super::watch::{Flight, Watch};
use super::{Peer, Room};
use crate::body::Body;

/// The most that waits for the window of one HTTP/2 stream; more stays with the body.
const H2_PIECE_MAX: usize = 16 * 1024;
/// The same for the socket of an HTTP/1.1 client. A body lives, with what it holds, for as long as its reader leaves most
/// of it there.
const H1_PIECE_MAX: usize = 64 * 1024;

/// The body of an answer, which keeps its request counted until the last byte has been taken.
pub(super) struct Counted {
    body: Body,
    /// What is left of a frame that is larger than one piece.
    rest: Bytes,
    piece_max: usize,
    flight: Flight,
}

pub(super) async fn answer<H, F>(
    room: Arc<Room<H>>,
    watch: Arc<Watch>,
    request: Request<Incoming>,
    peer: Peer,
) -> Result<Response<Counted>, Infallible>
where
    H: Fn(Request<Incoming>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let framing = watch.take_framing();
    let flight = Flight::start(watch);
    let http1 = request.version() < Version::HTTP_2;
    let chunked = request.headers().contains_key(TRANSFER_ENCODING);
    let (mut response, last) = if http1 && framing == Framing::Ambiguous {
        (status(StatusCode::BAD_REQUEST), true)
    } else if request.headers().len() > room.options.header_count_max {
        // HTTP/1.1 counts while it parses; HTTP/2 bounds the size only, and small headers cost more than their size.
        (status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE), false)
    } else {
        let unclear = chunked && framing == Framing::Unseen;
        (guarded(&room, request, peer).await, unclear || room.drain.is_draining())
    };
    if http1 && last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let piece_max = if http1 { H1_PIECE_MAX } else { H2_PIECE_MAX };
    Ok(response.map(|body| Counted { body, rest: Bytes::new(), piece_max, flight }))
}

async fn guarded<H, F>(room: &Room<H>, request: Request<Incoming>, peer: Peer) -> Response<Body>
where
    H: Fn(Request<Incoming>, Peer) -> F,
    F: Future<Output = Response<Body>>,
{
    let handling = async { (room.handler)(request, peer).await };
    // What the handler leaves behind is dropped with it; shared state behind std mutexes is poisoned, which its
    // owners handle, so nothing half-changed is seen here.
    AssertUnwindSafe(handling).catch_unwind().await.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a value that is not text");
        tracing::error!(peer = %peer.addr, panic = message, "a request handler panicked; its connection is closed");
        let mut response = status(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    })
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        pace::piece_gone();
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let length = self.rest.len().min(self.piece_max);
        let piece = self.rest.split_to(length);
        pace::piece_handed_out();
        self.flight.answer_progressed();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
