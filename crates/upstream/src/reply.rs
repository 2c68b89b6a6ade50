//! An answer in progress, whatever driver it comes from.

use mcp::{Outcome, Response};

use crate::{Event, UpstreamError, duplex, streamable};

/// An answer in progress: notifications while it lasts, and at last the response.
///
/// Dropping it unfinished cancels the call at its server: a modern one sees its stream closed, a legacy one gets
/// `notifications/cancelled`.
pub struct Reply(Source);

enum Source {
    /// The whole answer came at once.
    Whole(Response),
    /// It came at once, in a batch with others.
    Batch(std::vec::IntoIter<Event>),
    /// It is being streamed over HTTP.
    Stream(Box<streamable::CallStream>),
    /// It comes over a connection that other calls share.
    Duplex(Box<duplex::CallStream>),
    /// Nothing more will come.
    Over,
}

impl Reply {
    /// The next event; [`Event::Final`] is the last. Cancel safe. What was sent is bounded by `limits.upstream_event`, and
    /// nothing is read ahead of the caller: a slow client slows its server down.
    ///
    /// # Errors
    /// The call failed, or ended already; it is over then, and cancelled at the server.
    pub async fn next(&mut self) -> Result<Event, UpstreamError> {
        let event = match &mut self.0 {
            Source::Stream(stream) => stream.next().await,
            Source::Duplex(stream) => stream.next().await,
            Source::Batch(events) => events.next().ok_or_else(over),
            Source::Whole(_) => match std::mem::replace(&mut self.0, Source::Over) {
                Source::Whole(response) => Ok(Event::Final(response)),
                _ => Err(over()),
            },
            Source::Over => Err(over()),
        };
        if matches!(event, Ok(Event::Final(_)) | Err(_)) {
            self.0 = Source::Over;
        }
        event.and_then(checked)
    }

    /// Waits for the response and leaves out what comes before it.
    ///
    /// # Errors
    /// As [`Reply::next`].
    pub async fn last(mut self) -> Result<Response, UpstreamError> {
        loop {
            if let Event::Final(response) = self.next().await? {
                return Ok(response);
            }
        }
    }

    pub(crate) fn whole(response: Response) -> Self {
        Self(Source::Whole(response))
    }

    pub(crate) fn batch(events: Vec<Event>) -> Self {
        Self(Source::Batch(events.into_iter()))
    }

    pub(crate) fn streamed(stream: streamable::CallStream) -> Self {
        Self(Source::Stream(Box::new(stream)))
    }

    pub(crate) fn duplex(stream: duplex::CallStream) -> Self {
        Self(Source::Duplex(Box::new(stream)))
    }
}

/// A result is an object in every revision; what is not would be read differently by each client.
fn checked(event: Event) -> Result<Event, UpstreamError> {
    match &event {
        Event::Final(Response { outcome: Outcome::Result(result), .. }) if !result.is_object() => {
            Err(UpstreamError::BrokeProtocol("its result is not an object".to_owned()))
        }
        _ => Ok(event),
    }
}

fn over() -> UpstreamError {
    UpstreamError::Lost("it has answered already".to_owned())
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = match &self.0 {
            Source::Whole(_) => "whole",
            Source::Batch(_) => "batch",
            Source::Stream(_) => "stream",
            Source::Duplex(_) => "duplex",
            Source::Over => "over",
        };
        f.debug_tuple("Reply").field(&source).finish()
    }
}
