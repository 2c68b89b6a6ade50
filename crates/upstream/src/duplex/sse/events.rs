//! The stream: first where to post, then messages.

use std::time::Duration;

use bytes::Bytes;
use mcp::sse::{Decoder, Event, SseError};
use net::{ReplyBody, next_frame};

use crate::UpstreamError;
use crate::duplex::link::End;

/// A stream may be silent for as long as it is used. Whether its server is still there is found out by those who wait
/// for an answer.
const SILENCE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One stream, event by event.
pub(super) struct Events {
    body: ReplyBody,
    decoder: Decoder,
}

impl Events {
    pub(super) fn new(body: ReplyBody, limits: &config::Limits) -> Self {
        Self { body, decoder: Decoder::new(limits.upstream_event) }
    }

    /// The URL for posts, as the server wrote it. What comes before it is skipped.
    ///
    /// # Errors
    /// The stream ended without it.
    pub(super) async fn endpoint(&mut self) -> Result<String, UpstreamError> {
        loop {
            let event = self.event().await.map_err(|end| match end {
                End::TooLarge(max) => UpstreamError::TooLarge(max),
                End::Closed(why) => UpstreamError::BrokeProtocol(format!("it named no URL for posts: {why}")),
            })?;
            if event.event.as_deref() == Some("endpoint") {
                let url = std::str::from_utf8(&event.data);
                let url =
                    url.map_err(|_| UpstreamError::BrokeProtocol("the URL for posts is no text".to_owned()))?;
                return Ok(url.to_owned());
            }
        }
    }

    /// The next message. Cancel safe.
    ///
    /// # Errors
    /// There will be none.
    pub(super) async fn message(&mut self) -> Result<Bytes, End> {
        loop {
            let event = self.event().await?;
            // Other event types are not MCP's.
            if event.event.is_none_or(|name| name == "message") && !event.data.is_empty() {
                return Ok(event.data);
            }
        }
    }

    async fn event(&mut self) -> Result<Event, End> {
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(SseError::EventTooLarge { max }) => return Err(End::TooLarge(max)),
            }
            match next_frame(&mut self.body, SILENCE).await {
                Ok(Some(bytes)) => self.decoder.feed(bytes),
                Ok(None) => return Err(End::Closed("it ended its stream".to_owned())),
                Err(error) => return Err(End::Closed(format!("its stream broke: {error}"))),
            }
        }
    }
}
