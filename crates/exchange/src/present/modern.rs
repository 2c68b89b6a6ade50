//! What a modern client gets of an exchange: an answer, or the questions that have to be answered first.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use mcp::{Era, Payload, sse};
use net::{Body, BodySender};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Accepts, KEEP_ALIVE, at_once, event_stream, json, send};
use crate::{Answer, Exchange, Step};

/// How long a call is waited for after a question: a server that asks several things at once asks them one by one, and its
/// client should get them together.
const WINDOW: Duration = Duration::from_millis(30);

/// Presents an exchange to a modern client. The client's disconnecting is its cancelling (MCP 2026-07-28, Cancellation): it
/// drops this future, or the stream's reader. `held` lives as long as the exchange.
pub async fn modern<H: Send + 'static>(exchange: Exchange, accepts: Accepts, held: H) -> Response<Body> {
    let mut call = Call::new(exchange);
    let first = match accepts {
        Accepts::Json => return json(call.answer().await, Era::Modern),
        Accepts::EventStream | Accepts::EventStreamFirst => match timeout(KEEP_ALIVE, call.next()).await {
            Ok(Said::Final(answer)) => return at_once(answer, Era::Modern, accepts),
            Ok(Said::Notification(first)) => Some(first),
            Err(_) => None,
        },
    };
    let (sender, body) = Body::channel(net::body::Bounds::default());
    tokio::spawn(async move {
        let _held = held;
        tokio::select! {
            _ = pump(&mut call, &sender, first) => {}
            () = sender.closed() => {}
        }
    });
    event_stream(body)
}

async fn pump(call: &mut Call, sender: &BodySender, first: Option<Payload>) -> Result<(), net::Gone> {
    if let Some(first) = first {
        send(sender, first).await?;
    }
    loop {
        match timeout(KEEP_ALIVE, call.next()).await {
            Ok(Said::Notification(payload)) => send(sender, payload).await?,
            Ok(Said::Final(answer)) => return send(sender, answer.payload).await,
            Err(_) => sender.send(Bytes::from_static(sse::COMMENT_KEEP_ALIVE)).await?,
        }
    }
}

/// What goes on the wire.
enum Said {
    Notification(Payload),
    Final(Answer),
}

/// One request of a modern client, which no question leaves open.
struct Call {
    /// Taken when the request is answered.
    exchange: Option<Exchange>,
    /// Since when it is waited for more questions.
    asked: Option<Instant>,
    ready: VecDeque<Payload>,
}

impl Call {
    fn new(mut exchange: Exchange) -> Self {
        let ready = exchange.take_told().into_iter().collect();
        // A client that did not answer everything is asked again, unless the server goes on without.
        let asked = exchange.has_questions().then(Instant::now);
        Self { exchange: Some(exchange), asked, ready }
    }

    /// What goes on the wire next. Cancel safe.
    async fn next(&mut self) -> Said {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Said::Notification(told);
            }
            let Some(exchange) = &mut self.exchange else { return std::future::pending().await };
            let step = match self.asked {
                None => exchange.next().await,
                Some(since) => match timeout_at(since + WINDOW, exchange.next()).await {
                    Ok(step) => step,
                    Err(_) => match self.park() {
                        Some(answer) => return Said::Final(answer),
                        None => continue,
                    },
                },
            };
            match step {
                Step::Question(_) => {
                    self.asked.get_or_insert_with(Instant::now);
                }
                Step::Notification(told) => return Said::Notification(told),
                Step::Final(answer) => {
                    self.exchange = None;
                    return Said::Final(answer);
                }
            }
        }
    }

    /// Answers with the questions; where the call cannot wait, they are given up and it goes on.
    fn park(&mut self) -> Option<Answer> {
        self.asked = None;
        let exchange = self.exchange.take()?;
        if !exchange.has_questions() {
            self.exchange = Some(exchange);
            return None;
        }
        match exchange.park() {
            Ok(answer) => Some(answer),
            Err(mut exchange) => {
                exchange.give_up_questions();
                self.exchange = Some(*exchange);
                None
            }
        }
    }

    async fn answer(&mut self) -> Answer {
        loop {
            if let Said::Final(answer) = self.next().await {
                return answer;
            }
        }
    }
}
