//! What a modern client gets of an exchange: an answer, or the questions that have to be answered first.

use std::collections::VecDeque;
use std::time::Duration;

use http::Response;
use mcp::{Era, Payload};
use net::{Body, Gone};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Accepts, at_once, event_stream, json};
use crate::steps::Said;
use crate::writer::{KEEP_ALIVE, Writer};
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
            Ok(Said::Answer(answer)) => return at_once(answer, Era::Modern, accepts),
            Ok(Said::Message(first)) => Some(first),
            Err(_) => None,
        },
    };
    // A call that cannot be taken up goes on until its answer, whose time its target bounds.
    let (writer, body) = Writer::open(None);
    tokio::spawn(async move {
        let _held = held;
        tokio::select! {
            _ = pump(&mut call, &writer, first) => {}
            () = writer.gone() => {}
        }
    });
    event_stream(body)
}

async fn pump(call: &mut Call, writer: &Writer, first: Option<Payload>) -> Result<(), Gone> {
    if let Some(first) = first {
        writer.say(first).await?;
    }
    loop {
        match timeout(KEEP_ALIVE, call.next()).await {
            Ok(Said::Message(payload)) => writer.say(payload).await?,
            Ok(Said::Answer(answer)) => return writer.say(answer.payload).await,
            Err(_) => writer.keep_alive().await?,
        }
    }
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
                return Said::Message(told);
            }
            let Some(exchange) = &mut self.exchange else { return std::future::pending().await };
            let step = match self.asked {
                None => exchange.next().await,
                Some(since) => match timeout_at(since + WINDOW, exchange.next()).await {
                    Ok(step) => step,
                    Err(_) => match self.park() {
                        Some(answer) => return Said::Answer(answer),
                        None => continue,
                    },
                },
            };
            match step {
                Step::Question(_) => {
                    self.asked.get_or_insert_with(Instant::now);
                }
                Step::Withdrawn(_) => {
                    if !exchange.has_questions() {
                        self.asked = None;
                    }
                }
                Step::Notification(told) => return Said::Message(told),
                Step::Final(answer) => {
                    self.exchange = None;
                    return Said::Answer(answer);
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
            if let Said::Answer(answer) = self.next().await {
                return answer;
            }
        }
    }
}
