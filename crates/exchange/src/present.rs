//! What the client of an exchange gets over HTTP: one JSON body, or a stream of events that ends with the answer.
//!
//! The status line waits for the first step: an answer that comes at once is JSON, anything before it makes a stream.

mod modern;

use http::{HeaderValue, Response, StatusCode, header};
use mcp::{Era, Payload, sse};
use net::{Body, Gone};
use tokio::time::timeout;

use crate::Answer;
use crate::steps::{Said, Steps};
use crate::writer::{KEEP_ALIVE, Writer};

pub use modern::modern;

/// Which forms of answer the client takes, and the gateway gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// One JSON body.
    Json,
    /// A stream of events, too.
    EventStream,
    /// A stream of events rather than a JSON body.
    EventStreamFirst,
}

impl Accepts {
    /// Whether the client can be told something before its answer.
    #[must_use]
    pub fn events(self) -> bool {
        self != Self::Json
    }
}

/// Presents a legacy exchange to its client.
pub async fn legacy(mut steps: Steps, accepts: Accepts) -> Response<Body> {
    let first = match accepts {
        Accepts::Json => {
            return steps.answer().await.map_or_else(cancelled, |answer| json(answer, Era::Legacy));
        }
        Accepts::EventStream | Accepts::EventStreamFirst => match timeout(KEEP_ALIVE, steps.next()).await {
            Ok(Some(Said::Answer(answer))) => return at_once(answer, Era::Legacy, accepts),
            Ok(None) => return cancelled(),
            Ok(Some(Said::Message(first))) => Some(first),
            Err(_) => None,
        },
    };
    let (writer, body) = Writer::open(None);
    let steps = steps.in_a_task();
    tokio::spawn(async move { pass_on(first, steps, &writer).await });
    event_stream(body)
}

async fn pass_on(first: Option<Payload>, mut steps: Steps, writer: &Writer) -> Result<(), Gone> {
    if let Some(first) = first {
        writer.say(first).await?;
    }
    loop {
        match timeout(KEEP_ALIVE, steps.next()).await {
            Ok(Some(Said::Message(payload))) => writer.say(payload).await?,
            Ok(Some(Said::Answer(answer))) => return writer.say(answer.payload).await,
            Ok(None) => return Ok(()),
            Err(_) => writer.keep_alive().await?,
        }
    }
}

/// An answer before which there is nothing to say, in the form that its client likes best. What HTTP has a status for is JSON.
#[must_use]
pub fn at_once(answer: Answer, era: Era, accepts: Accepts) -> Response<Body> {
    if accepts == Accepts::EventStreamFirst && answer.status.http(era) == StatusCode::OK {
        event_stream(Body::chunks(sse::encode_event(answer.payload, None, None)))
    } else {
        json(answer, era)
    }
}

/// An answer as one JSON body.
#[must_use]
pub fn json(answer: Answer, era: Era) -> Response<Body> {
    let status = answer.status.http(era);
    let mut response = Response::new(Body::chunks(answer.payload.into_pieces()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The head of a stream of events.
#[must_use]
pub fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // MCP 2026-07-28, Streamable HTTP: reverse proxies must not hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A cancelled request gets no answer (MCP, Cancellation); the POST that carried it ends without a body.
pub(crate) fn cancelled() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
