//! A server's event stream, message by message.

use std::collections::VecDeque;
use std::time::Duration;

use config::Limits;
use http::header::HeaderValue;
use http_body::Body as _;
use mcp::sse::{Decoder, Event, SseError};
use mcp::{Body, Message};
use net::ReplyBody;

use super::answer::frame;
use crate::UpstreamError;
use crate::deadline::Deadline;

/// How long the end of a stream is waited for after its last message, so that its connection can be used again.
const LINGER: Duration = Duration::from_secs(1);
/// Between the end of a stream and its resumption, where the server names no time, and the bounds where it does.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Bytes of an event id that are worth remembering.
const ID_MAX: usize = 1024;

/// An event stream. Holds at most one event of at most `limits.upstream_event` bytes.
pub(super) struct EventStream {
    body: ReplyBody,
    decoder: Decoder,
    waiting: VecDeque<Message>,
    depth_max: usize,
    last_id: Option<HeaderValue>,
    /// How long the server wants to be left alone before the stream is taken up again.
    pause: Duration,
}

impl EventStream {
    pub(super) fn new(body: ReplyBody, limits: &Limits) -> Self {
        Self {
            body,
            decoder: Decoder::new(limits.upstream_event),
            waiting: VecDeque::new(),
            depth_max: limits.json_depth,
            last_id: None,
            pause: PAUSE,
        }
    }

    /// The next message; `None` when the stream has ended. Cancel safe.
    ///
    /// # Errors
    /// The connection broke, a bound was passed, or an event is not MCP.
    pub(super) async fn next(&mut self, deadline: &Deadline) -> Result<Option<Message>, UpstreamError> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(Some(message));
            }
            match self.decoder.next_event() {
                Ok(Some(event)) => self.take(event)?,
                Ok(None) => match frame(&mut self.body, deadline).await? {
                    Some(bytes) => self.decoder.feed(bytes),
                    None => return Ok(None),
                },
                Err(SseError::EventTooLarge { max }) => return Err(UpstreamError::TooLarge(max)),
            }
        }
    }

    /// The id of the last event that had one: where the stream can be taken up again (MCP 2025-11-25, Resumability).
    pub(super) fn last_id(&self) -> Option<&HeaderValue> {
        self.last_id.as_ref()
    }

    /// How long to wait before that.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// The same stream as one that takes up where `before` ended.
    pub(super) fn after(mut self: Box<Self>, before: &Self) -> Box<Self> {
        self.last_id.clone_from(&before.last_id);
        self.pause = before.pause;
        self
    }

    /// Lets go of a stream that has said what it had to say. Servers end it right after the answer; waiting for that
    /// moment in the background keeps the connection.
    pub(super) fn finish(mut self) {
        if self.body.is_end_stream() {
            return;
        }
        tokio::spawn(async move {
            let deadline = Deadline::start(LINGER, LINGER);
            while let Ok(Some(_)) = frame(&mut self.body, &deadline).await {}
        });
    }

    fn take(&mut self, event: Event) -> Result<(), UpstreamError> {
        if let Some(id) = event.id {
            self.last_id = HeaderValue::from_str(&id).ok().filter(|id| (1..=ID_MAX).contains(&id.len()));
        }
        if let Some(retry) = event.retry {
            self.pause = Duration::from_millis(retry).clamp(PAUSE_MIN, PAUSE_MAX);
        }
        // Other event types are not MCP's, and an event without data only says where to resume.
        if event.event.is_some_and(|name| name != "message") || event.data.is_empty() {
            return Ok(());
        }
        let broke = |malformed: mcp::Malformed| UpstreamError::BrokeProtocol(malformed.to_string());
        match Body::from_server(event.data, self.depth_max).map_err(broke)? {
            Body::Single(message) => self.waiting.push_back(message),
            Body::Batch(messages) => {
                for message in messages {
                    self.waiting.push_back(message.map_err(broke)?);
                }
            }
        }
        Ok(())
    }
}
