//! An answer in progress, whatever driver it comes from.

use mcp::{Outcome, Response};

use crate::{Event, Mark, UpstreamError, duplex, streamable};

/// An answer in progress: notifications while it lasts, and at last the response.
///
/// Dropping it unfinished cancels the call at its server: a modern one sees its stream closed, a legacy one gets
/// `notifications/cancelled`.
pub struct Reply {
    source: Source,
    mark: Option<Mark>,
}

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
        let event = match &mut self.source {
            Source::Stream(stream) => stream.next().await,
            Source::Duplex(stream) => stream.next().await,
            Source::Batch(events) => events.next().ok_or_else(over),
            Source::Whole(_) => match std::mem::replace(&mut self.source, Source::Over) {
                Source::Whole(response) => Ok(Event::Final(response)),
                _ => Err(over()),
            },
            Source::Over => Err(over()),
        };
        if matches!(event, Ok(Event::Final(_)) | Err(_)) {
            self.source = Source::Over;
        }
        event.and_then(checked)
    }

    /// The session or connection it comes from, where the server knows what was made in it nowhere else.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.mark
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
        Self::of(Source::Whole(response), None)
    }

    pub(crate) fn batch(events: Vec<Event>) -> Self {
        Self::of(Source::Batch(events.into_iter()), None)
    }

    pub(crate) fn streamed(stream: streamable::CallStream) -> Self {
        Self::of(Source::Stream(Box::new(stream)), None)
    }

    pub(crate) fn duplex(stream: duplex::CallStream) -> Self {
        let mark = Some(stream.mark());
        Self::of(Source::Duplex(Box::new(stream)), mark)
    }

    /// The same, from the session of this mark.
    pub(crate) fn marked(self, mark: Option<Mark>) -> Self {
        Self { mark, ..self }
    }

    fn of(source: Source, mark: Option<Mark>) -> Self {
        Self { source, mark }
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
        let source = match &self.source {
            Source::Whole(_) => "whole",
            Source::Batch(_) => "batch",
            Source::Stream(_) => "stream",
            Source::Duplex(_) => "duplex",
            Source::Over => "over",
        };
        f.debug_tuple("Reply").field(&source).finish()
    }
}
