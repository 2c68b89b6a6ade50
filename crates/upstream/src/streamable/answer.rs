//! What came back for one HTTP request: a JSON text, a stream, a nod, or nothing that MCP knows.
//!
//! Response headers end here, except the session id. The server's own 401 or 403 ends here too: it is about the
//! gateway's credential, and a client that saw it would go and log in somewhere else.

use bytes::{Bytes, BytesMut};
use config::Limits;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body as _;
use net::{BodyError, ReplyBody, next_frame};

use super::endpoint::SESSION_ID;
use super::events::EventStream;
use crate::UpstreamError;
use crate::deadline::Deadline;

/// An answer and the session id that came with it.
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) session: Option<HeaderValue>,
    pub(super) answer: Answer,
}

/// The form of an answer.
pub(super) enum Answer {
    /// A JSON-RPC text, whatever the HTTP status.
    Json(mcp::Body),
    /// An event stream, not read yet.
    Stream(Box<EventStream>),
    /// Taken, and nothing to say.
    Accepted,
    /// Something else: an HTML page, a bare status, JSON that is no message.
    NotMcp(String),
}

/// Reads an answer; of a stream only the head.
///
/// # Errors
/// The connection broke, a bound was passed, the server refuses the credential or points elsewhere.
pub(super) async fn read(
    response: Response<ReplyBody>,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Received, UpstreamError> {
    let (head, body) = response.into_parts();
    let status = head.status;
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(UpstreamError::Unauthorized(status.as_u16()));
        }
        StatusCode::TOO_MANY_REQUESTS => return Err(UpstreamError::Busy("it answered HTTP 429".to_owned())),
        status if status.is_redirection() => {
            return Err(UpstreamError::BrokeProtocol(format!(
                "it answered HTTP {}; redirects are not followed, configure the final URL",
                status.as_u16()
            )));
        }
        _ => {}
    }
    if net::body::refuse_encoded(&head.headers).is_err() {
        tracing::warn!("a server compressed its answer although it was asked not to; the answer is refused");
        return Err(UpstreamError::TooLarge(limits.upstream_event));
    }
    let mut session = head.headers.get(SESSION_ID).cloned();
    if let Some(session) = &mut session {
        session.set_sensitive(true);
    }
    let answer = match media_type(&head.headers) {
        Some(Media::EventStream) => Answer::Stream(Box::new(EventStream::new(body, limits))),
        media => message(status, media, collect(body, limits.upstream_event, deadline).await?, limits),
    };
    Ok(Received { status, session, answer })
}

impl Answer {
    /// The failure to report when this is not what was asked for.
    pub(super) fn failure(&self, status: StatusCode) -> UpstreamError {
        let code = status.as_u16();
        match self {
            Self::NotMcp(_) if status.is_server_error() => {
                UpstreamError::Lost(format!("it answered HTTP {code}"))
            }
            Self::NotMcp(why) => UpstreamError::BrokeProtocol(format!("it answered HTTP {code}: {why}")),
            Self::Json(_) | Self::Accepted | Self::Stream(_) => {
                UpstreamError::BrokeProtocol(format!("it answered HTTP {code} without what was asked for"))
            }
        }
    }
}

fn message(status: StatusCode, media: Option<Media>, text: Bytes, limits: &Limits) -> Answer {
    if text.is_empty() {
        return if status.is_success() { Answer::Accepted } else { Answer::NotMcp("no body".to_owned()) };
    }
    // Some servers label an error's JSON carelessly; what a success says has to be what it claims to be.
    if status.is_success() && media != Some(Media::Json) {
        return Answer::NotMcp("neither JSON nor an event stream".to_owned());
    }
    match mcp::Body::from_server(text, limits.json_depth) {
        Ok(body) => Answer::Json(body),
        Err(malformed) => Answer::NotMcp(malformed.to_string()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    EventStream,
    Other,
}

fn media_type(headers: &HeaderMap) -> Option<Media> {
    let value = headers.get(CONTENT_TYPE)?.as_bytes();
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    Some(match essence {
        essence if essence.eq_ignore_ascii_case(b"application/json") => Media::Json,
        essence if essence.eq_ignore_ascii_case(b"text/event-stream") => Media::EventStream,
        _ => Media::Other,
    })
}

/// The whole body, at most `max` bytes, with no gap longer than the idle bound. A body that arrives at once is not copied.
async fn collect(mut body: ReplyBody, max: usize, deadline: &Deadline) -> Result<Bytes, UpstreamError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > max as u64 {
        return Err(UpstreamError::TooLarge(max));
    }
    let Some(first) = frame(&mut body, deadline).await? else { return Ok(Bytes::new()) };
    if first.len() > max {
        return Err(UpstreamError::TooLarge(max));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = frame(&mut body, deadline).await? else { return Ok(first) };
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(max);
    let mut whole = BytesMut::with_capacity((first.len() + second.len()).saturating_add(declared).min(max));
    whole.extend_from_slice(&first);
    drop(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if piece.len() > max - whole.len() {
            return Err(UpstreamError::TooLarge(max));
        }
        whole.extend_from_slice(&piece);
        next = frame(&mut body, deadline).await?;
    }
    Ok(whole.freeze())
}

/// The next piece of a body; `None` at its end. Cancel safe.
pub(super) async fn frame(body: &mut ReplyBody, deadline: &Deadline) -> Result<Option<Bytes>, UpstreamError> {
    let (left, bound) = deadline.next();
    next_frame(body, left).await.map_err(|error| match error {
        BodyError::Timeout { .. } => UpstreamError::Timeout(bound),
        error => UpstreamError::Lost(error.to_string()),
    })
}
