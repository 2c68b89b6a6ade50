//! What the client of an exchange gets over HTTP: one JSON body, or a stream of events that ends with the answer.
//!
//! The status line waits for the first step: an answer that comes at once is JSON, anything before it makes a stream.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use mcp::{Era, Payload, sse};
use net::{Body, BodySender};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Answer, Exchange, Step};

/// Comments keep proxies from closing a stream on which nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client may take nothing of what waits for it. Over HTTP/2 the socket alone does not show that.
const STALL: Duration = Duration::from_secs(30);
/// Steps between a legacy exchange and its client's socket. Few, since one may be as large as a server's message may be.
const QUEUE: usize = 2;

/// Which forms of answer the client takes, and the gateway gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// One JSON body.
    Json,
    /// A stream of events, too.
    EventStream,
}

/// Presents an exchange to a modern client. The client's disconnecting is its cancelling (MCP 2026-07-28, Cancellation): it
/// drops this future, or the stream's reader. `held` lives as long as the exchange.
pub async fn modern<H: Send + 'static>(mut exchange: Exchange, accepts: Accepts, held: H) -> Response<Body> {
    let first = match accepts {
        Accepts::Json => return json(answer_of(exchange).await, Era::Modern),
        Accepts::EventStream => match timeout(KEEP_ALIVE, exchange.next()).await {
            Ok(Step::Final(answer)) => return json(answer, Era::Modern),
            Ok(Step::Notification(first)) => Some(first),
            Err(_) => None,
        },
    };
    let (sender, body) = Body::channel(net::body::Bounds::default());
    tokio::spawn(async move {
        let _held = held;
        tokio::select! {
            _ = pump(&mut exchange, &sender, first) => {}
            () = sender.closed() => {}
        }
    });
    event_stream(body)
}

/// The steps of a legacy exchange that runs on by itself. Dropping this does not cancel it: to a legacy server and client,
/// disconnecting is not cancelling (MCP 2025-06-18, Streamable HTTP).
#[derive(Debug)]
pub struct Steps(mpsc::Receiver<Step>);

/// Runs `exchange` in a task of its own until it is answered or `cancelled`; `held` lives until there is an answer.
pub fn run<F, H>(exchange: F, cancelled: CancellationToken, held: H) -> Steps
where
    F: Future<Output = Exchange> + Send + 'static,
    H: Send + 'static,
{
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut held = Some(held);
        let begun = tokio::select! {
            exchange = exchange => Some(exchange),
            () = cancelled.cancelled() => None,
        };
        let Some(mut exchange) = begun else { return };
        loop {
            let step = tokio::select! {
                step = exchange.next() => step,
                () = cancelled.cancelled() => return,
            };
            let last = matches!(step, Step::Final(_));
            if last {
                // Whoever has the answer may use the request's id again.
                drop(held.take());
            }
            tokio::select! {
                // A client that has gone away does not read; the call goes on, and its outcome is recorded.
                _ = sender.send(step) => {}
                () = cancelled.cancelled() => return,
            }
            if last {
                return;
            }
        }
    });
    Steps(receiver)
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
        Accepts::EventStream => match timeout(KEEP_ALIVE, steps.next()).await {
            Ok(Some(Step::Final(answer))) => return json(answer, Era::Legacy),
            Ok(None) => return cancelled(),
            Ok(Some(Step::Notification(first))) => Some(first),
            Err(_) => None,
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

async fn pump(exchange: &mut Exchange, sender: &BodySender, first: Option<Payload>) -> Result<(), net::Gone> {
    if let Some(first) = first {
        send(sender, first).await?;
    }
    loop {
        match timeout(KEEP_ALIVE, exchange.next()).await {
            Ok(Step::Notification(payload)) => send(sender, payload).await?,
            Ok(Step::Final(answer)) => return send(sender, answer.payload).await,
            Err(_) => sender.send(Bytes::from_static(sse::COMMENT_KEEP_ALIVE)).await?,
        }
    }
}

async fn answer_of(mut exchange: Exchange) -> Answer {
    loop {
        if let Step::Final(answer) = exchange.next().await {
            return answer;
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
