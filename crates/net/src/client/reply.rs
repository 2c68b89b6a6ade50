//! The body of a response, which gives its connection back to the pool when it has been read to the end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;

use super::pool::{Pool, Stream};
use super::sender::Lane;
use super::target::Key;

/// The body of a response from another server. Dropped before its end, it cancels what is left: an HTTP/1.1 connection
/// is closed, an HTTP/2 stream is reset.
#[derive(Debug)]
pub struct ReplyBody {
    incoming: Incoming,
    lease: Option<Lease>,
}

#[derive(Debug)]
enum Lease {
    Http1(Exclusive),
    Http2(#[expect(dead_code, reason = "counts until it is dropped")] Stream),
}

struct Exclusive {
    pool: Pool,
    key: Key,
    lane: Lane<http1::SendRequest<crate::Body>>,
}

impl ReplyBody {
    /// `lane` is absent when the connection has ended already, as it does after `Connection: close`.
    pub(super) fn http1(
        incoming: Incoming,
        pool: &Pool,
        key: &Key,
        lane: Option<Lane<http1::SendRequest<crate::Body>>>,
    ) -> Self {
        let lease = lane.map(|lane| Lease::Http1(Exclusive { pool: pool.clone(), key: key.clone(), lane }));
        let mut body = Self { incoming, lease };
        if body.incoming.is_end_stream() {
            body.release();
        }
        body
    }

    pub(super) fn http2(incoming: Incoming, stream: Stream) -> Self {
        Self { incoming, lease: Some(Lease::Http2(stream)) }
    }

    fn release(&mut self) {
        if let Some(Lease::Http1(Exclusive { pool, key, lane })) = self.lease.take() {
            pool.release(key, lane);
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            Some(Ok(_)) if !self.incoming.is_end_stream() => {}
            // An error closed the connection; there is nothing to give back.
            Some(Err(_)) => self.lease = None,
            Some(Ok(_)) | None => self.release(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl std::fmt::Debug for Exclusive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exclusive").field("key", &self.key).finish_non_exhaustive()
    }
}
