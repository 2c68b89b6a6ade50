//! Bodies of messages we send: empty, one buffer, several buffers, a bounded channel, or another body.
//!
//! A body here cannot fail: whoever produces it says what went wrong inside the payload, or ends it early. Buffers
//! are handed to the socket as they are, never joined. Reading bodies others send is in [`read_body`] and
//! [`next_frame`].

mod channel;
mod read;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

pub use channel::{BodySender, Bounds, Gone};
pub use read::{BodyError, next_frame, read_body, refuse_encoded};

/// The body of a response we answer or a request we send.
#[derive(Default)]
pub struct Body {
    kind: Kind,
    /// What is given back when nobody has to take this body any more.
    held: Option<Box<dyn Send>>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Once(Bytes),
    Chunks {
        chunks: std::vec::IntoIter<Bytes>,
        bytes_left: u64,
    },
    Channel(channel::Receiver),
    Relay(Pin<Box<dyn http_body::Body<Data = Bytes, Error = Infallible> + Send>>),
}

impl Body {
    /// No bytes at all.
    #[must_use]
    pub fn empty() -> Self {
        Kind::Empty.into()
    }

    /// The same body, which keeps `held` until its last byte has been handed over, or its reader has gone away.
    #[must_use]
    pub fn holding(self, held: impl Send + 'static) -> Self {
        let before = self.held;
        Self { kind: self.kind, held: Some(Box::new((held, before))) }
    }

    /// Several buffers, written one after the other without being joined. The length is known, so HTTP/1.1 sends a
    /// `Content-Length`.
    #[must_use]
    pub fn chunks(chunks: Vec<Bytes>) -> Self {
        let bytes_left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Kind::Chunks { chunks: chunks.into_iter(), bytes_left }.into()
    }

    /// A body that somebody else feeds, holding at most `bounds` in between. The body ends when the sender is dropped;
    /// the sender learns through [`BodySender::closed`] that the other side has gone away.
    #[must_use]
    pub fn channel(bounds: Bounds) -> (BodySender, Self) {
        let (sender, receiver) = channel::channel(bounds);
        (sender, Kind::Channel(receiver).into())
    }

    /// A body pulled from `inner` as fast as the socket takes it: no task and no queue in between. Dropped when the other
    /// side goes away.
    #[must_use]
    pub fn relay<B>(inner: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        Kind::Relay(Box::pin(inner)).into()
    }
}

impl From<Kind> for Body {
    fn from(kind: Kind) -> Self {
        Self { kind, held: None }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Kind::Once(bytes).into() }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Empty => "empty",
            Kind::Once(_) => "once",
            Kind::Chunks { .. } => "chunks",
            Kind::Channel(_) => "channel",
            Kind::Relay(_) => "relay",
        };
        f.debug_tuple("Body").field(&kind).finish()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Once(bytes) => {
                let bytes = std::mem::take(bytes);
                self.kind = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Chunks { chunks, bytes_left } => {
                let chunk = chunks.find(|chunk| !chunk.is_empty());
                *bytes_left -= chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
            }
            Kind::Channel(receiver) => receiver.poll_recv(cx).map(|bytes| bytes.map(|b| Ok(Frame::data(b)))),
            Kind::Relay(inner) => inner.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Once(_) | Kind::Channel(_) => false,
            Kind::Chunks { bytes_left, .. } => *bytes_left == 0,
            Kind::Relay(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Once(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Chunks { bytes_left, .. } => SizeHint::with_exact(*bytes_left),
            Kind::Channel(_) => SizeHint::default(),
            Kind::Relay(inner) => inner.size_hint(),
        }
    }
}
