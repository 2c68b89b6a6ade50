//! What the client of an exchange gets over HTTP: one JSON body, or a stream of events that ends with the answer.
//!
//! The status line waits for the first step: an answer that comes at once is JSON, anything before it makes a stream.

mod modern;

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use mcp::{Era, Payload, sse};
use net::{Body, Gone};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::session::{Inquiry, Session};
use crate::writer::{KEEP_ALIVE, Writer};
use crate::{Answer, Exchange, Given, Step};

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

/// What goes on the wire next.
#[derive(Debug)]
pub enum Said {
    /// A notification, or a question; more follows.
    Message(Payload),
    /// The answer; nothing follows.
    Answer(Answer),
}

impl Said {
    /// What is written.
    #[must_use]
    pub fn into_payload(self) -> Payload {
        match self {
            Self::Message(payload) => payload,
            Self::Answer(answer) => answer.payload,
        }
    }
}

/// What legacy exchanges say, which run on by themselves. Dropping this does not cancel them: to a legacy server and client,
/// disconnecting is not cancelling (MCP 2025-06-18, Streamable HTTP).
#[derive(Debug)]
pub struct Steps(mpsc::Receiver<Said>);

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
async fn carry<H>(mut exchange: Exchange, line: Option<Arc<Session>>, sender: &mpsc::Sender<Said>, held: H) {
    let mut asked: Option<Asked> = None;
    loop {
        let step = match asked.as_mut().filter(|asked| !asked.open.is_empty()) {
            None => exchange.next().await,
            Some(asked) => tokio::select! {
                biased;
                Some((handle, given)) = asked.answers.recv() => {
                    asked.open.remove(&handle);
                    exchange.answer(handle, given);
                    continue;
                }
                step = exchange.next() => step,
            },
        };
        // A client that has gone away does not read; the call goes on, and its outcome is recorded.
        match step {
            Step::Notification(payload) => drop(sender.send(Said::Message(payload)).await),
            Step::Question(asking) => {
                let asked = asked.get_or_insert_with(Asked::default);
                let inquiry = line.as_ref().and_then(|line| line.ask(asking.handle, asked.heard.clone()));
                let Some(inquiry) = inquiry else {
                    exchange.answer(asking.handle, Given::Nothing);
                    continue;
                };
                let request = inquiry.request(&asking);
                asked.open.insert(asking.handle, inquiry);
                let _ = sender.send(Said::Message(request)).await;
            }
            Step::Withdrawn(handle) => {
                let inquiry = asked.as_mut().and_then(|asked| asked.open.remove(&handle));
                if let Some(inquiry) = inquiry {
                    let _ = sender.send(Said::Message(inquiry.withdrawal())).await;
                }
            }
            Step::Final(answer) => {
                // Whoever has the answer may use the request's id again.
                drop(held);
                let _ = sender.send(Said::Answer(answer)).await;
                return;
            }
        }
    }
}

/// The questions of one exchange to its client, and where their answers come in.
struct Asked {
    open: HashMap<u64, Inquiry>,
    heard: mpsc::Sender<(u64, Given)>,
    answers: mpsc::Receiver<(u64, Given)>,
}

impl Default for Asked {
    fn default() -> Self {
        let (heard, answers) = mpsc::channel(ANSWERS);
        Self { open: HashMap::new(), heard, answers }
    }
}

impl Steps {
    /// What several exchanges say, one message after the other as they come; nothing of it is the last. `ready` comes
    /// first.
    #[must_use]
    pub fn together(all: Vec<Self>, ready: Vec<Payload>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            for payload in ready {
                let _ = sender.send(Said::Message(payload)).await;
            }
            for mut steps in all {
                let sender = sender.clone();
                tokio::spawn(async move {
                    while let Some(said) = steps.next().await {
                        let _ = sender.send(Said::Message(said.into_payload())).await;
                    }
                });
            }
        });
        Self(receiver)
    }

    /// What is said next; `None` when the exchange was cancelled and no answer will come.
    pub async fn next(&mut self) -> Option<Said> {
        self.0.recv().await
    }

    /// The answer; `None` when the exchange was cancelled.
    pub async fn answer(mut self) -> Option<Answer> {
        while let Some(said) = self.next().await {
            if let Said::Answer(answer) = said {
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
            Ok(Some(Said::Answer(answer))) => return at_once(answer, Era::Legacy, accepts),
            Ok(None) => return cancelled(),
            Ok(Some(Said::Message(first))) => Some(first),
            Err(_) => None,
        },
    };
    let (writer, body) = Writer::open(None);
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
