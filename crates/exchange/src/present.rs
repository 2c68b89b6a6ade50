//! What the client of an exchange gets over HTTP: one JSON body, or a stream of events that ends with the answer.
//!
//! The status line waits for the first step: an answer that comes at once is JSON, anything before it makes a stream.

mod modern;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use mcp::{Era, Payload, sse};
use net::{Body, BodySender};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::session::Session;
use crate::{Answer, Exchange, Given, Step};

/// Comments keep proxies from closing a stream on which nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client may take nothing of what waits for it. Over HTTP/2 the socket alone does not show that.
const STALL: Duration = Duration::from_secs(30);
/// Steps between a legacy exchange and its client's socket. Few, since one may be as large as a server's message may be.
const QUEUE: usize = 2;
/// Answers between a session and the exchange that takes them. One that finds no room waits for it.
const ANSWERS: usize = 16;

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

/// The steps of a legacy exchange that runs on by itself. Dropping this does not cancel it: to a legacy server and client,
/// disconnecting is not cancelling (MCP 2025-06-18, Streamable HTTP).
#[derive(Debug)]
pub struct Steps(mpsc::Receiver<Step>);

/// Runs `exchange` in a task of its own until it is answered or `cancelled`; `held` lives until there is an answer. Its
/// questions go to the client among the steps, and are answered in `line`; without one, nobody can be asked.
pub fn run<F, H>(exchange: F, line: Option<Arc<Session>>, cancelled: CancellationToken, held: H) -> Steps
where
    F: Future<Output = Exchange> + Send + 'static,
    H: Send + 'static,
{
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let begun = tokio::select! {
            exchange = exchange => Some(exchange),
            () = cancelled.cancelled() => None,
        };
        let Some(exchange) = begun else { return };
        tokio::select! {
            () = carry(exchange, line, &sender, held) => {}
            () = cancelled.cancelled() => {}
        }
    });
    Steps(receiver)
}

/// Carries an exchange to its end.
async fn carry<H>(mut exchange: Exchange, line: Option<Arc<Session>>, sender: &mpsc::Sender<Step>, held: H) {
    let mut held = Some(held);
    let (heard, mut answers) = mpsc::channel(ANSWERS);
    let mut open = HashMap::new();
    loop {
        let step = if open.is_empty() {
            exchange.next().await
        } else {
            tokio::select! {
                biased;
                Some((handle, given)) = answers.recv() => {
                    open.remove(&handle);
                    exchange.answer(handle, given);
                    continue;
                }
                step = exchange.next() => step,
            }
        };
        let step = match step {
            Step::Question(asking) => {
                let inquiry = line.as_ref().and_then(|line| line.ask(asking.handle, heard.clone()));
                let Some(inquiry) = inquiry else {
                    exchange.answer(asking.handle, Given::Nothing);
                    continue;
                };
                let request = inquiry.request(&asking);
                open.insert(asking.handle, inquiry);
                Step::Notification(request)
            }
            step => step,
        };
        let last = matches!(step, Step::Final(_));
        if last {
            // Whoever has the answer may use the request's id again.
            drop(held.take());
        }
        // A client that has gone away does not read; the call goes on, and its outcome is recorded.
        let _ = sender.send(step).await;
        if last {
            return;
        }
    }
}

impl Steps {
    /// The next step; `None` when the exchange was cancelled and no answer will come.
    pub async fn next(&mut self) -> Option<Step> {
        self.0.recv().await
    }

    /// The answer; `None` when the exchange was cancelled.
    pub async fn answer(mut self) -> Option<Answer> {
        while let Some(step) = self.next().await {
            if let Step::Final(answer) = step {
                return Some(answer);
            }
        }
        None
    }
}

/// Presents a legacy exchange to its client.
pub async fn legacy(mut steps: Steps, accepts: Accepts) -> Response<Body> {
    let first = match accepts {
        Accepts::Json => {
            return steps.answer().await.map_or_else(cancelled, |answer| json(answer, Era::Legacy));
        }
        Accepts::EventStream | Accepts::EventStreamFirst => match timeout(KEEP_ALIVE, steps.next()).await {
            Ok(Some(Step::Final(answer))) => return at_once(answer, Era::Legacy, accepts),
            Ok(None) => return cancelled(),
            Ok(Some(Step::Notification(first))) => Some(first),
            // Questions are notifications here: the task that runs the exchange has put them on the wire.
            Ok(Some(Step::Question(_))) | Err(_) => None,
        },
    };
    let (sender, body) = Body::channel(net::body::Bounds::default());
    tokio::spawn(async move {
        if let Some(first) = first
            && send(&sender, first).await.is_err()
        {
            return;
        }
        while let Some(step) = next_or_keep_alive(&mut steps, &sender).await {
            let (payload, last) = match step {
                Step::Notification(payload) => (payload, false),
                Step::Question(_) => continue,
                Step::Final(answer) => (answer.payload, true),
            };
            if send(&sender, payload).await.is_err() || last {
                return;
            }
        }
    });
    event_stream(body)
}

async fn next_or_keep_alive(steps: &mut Steps, sender: &BodySender) -> Option<Step> {
    loop {
        match timeout(KEEP_ALIVE, steps.next()).await {
            Ok(step) => return step,
            Err(_) => sender.send(Bytes::from_static(sse::COMMENT_KEEP_ALIVE)).await.ok()?,
        }
    }
}

/// Writes one message as one event.
///
/// # Errors
/// The client has gone away, or has taken nothing for so long that it counts as gone.
pub async fn send(sender: &BodySender, payload: Payload) -> Result<(), net::Gone> {
    for piece in sse::encode_event(payload, None, None) {
        timeout(STALL, sender.send(piece)).await.unwrap_or(Err(net::Gone))?;
    }
    Ok(())
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
