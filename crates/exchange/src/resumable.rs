//! What a legacy client with a session gets for a request: one JSON body, or a stream that it can take up when it breaks.
//!
//! The call does not depend on its reader: it runs on, and what it says is kept, until somebody comes for it (MCP
//! 2025-11-25, Resumability and Redelivery).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use mcp::{Era, Payload, Version, sse};
use net::{Body, BodySender};
use tokio::time::{Instant, sleep_until, timeout};

use crate::events::{Live, Newcomer};
use crate::present::{self, Accepts, Steps};
use crate::window::Pieces;
use crate::{Session, Step};

/// Comments keep proxies from closing a stream on which nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long an answer may take before a client of 2025-11-25 gets a stream that it could take up. Earlier revisions know
/// no event without a message, so their stream begins with the first message.
const PRIME_AFTER: Duration = Duration::from_millis(100);
/// How long a client may take nothing of what waits for it. Over HTTP/2 the socket alone does not show that.
const STALL: Duration = Duration::from_secs(30);

/// Presents a legacy exchange to its client.
pub async fn answer(mut steps: Steps, accepts: Accepts, session: Option<Arc<Session>>) -> Response<Body> {
    let Some(session) = session.filter(|_| accepts.events()) else {
        return present::legacy(steps, accepts).await;
    };
    let primes = session.hello().is_some_and(|hello| hello.version >= Version::V2025_11_25);
    let patience = if primes { PRIME_AFTER } else { KEEP_ALIVE };
    let first = match timeout(patience, steps.next()).await {
        Ok(Some(Step::Final(answer))) => return present::at_once(answer, Era::Legacy, accepts),
        Ok(None) => return present::cancelled(),
        Ok(Some(Step::Notification(first))) => Some(first),
        // Questions are notifications here: the task that runs the exchange has put them on the wire.
        Ok(Some(Step::Question(_))) | Err(_) => None,
    };
    let (sender, body) = Body::channel(net::body::Bounds::default());
    let (number, live) = session.events().begin();
    let stream = Stream { session, number, live, reader: Some(sender) };
    let opening = if primes { stream.session.events().prime_stream(number) } else { Pieces::new() };
    tokio::spawn(stream.run(opening, first, steps));
    present::event_stream(body)
}

/// The answer to one call, as it is written.
struct Stream {
    session: Arc<Session>,
    number: u32,
    live: Arc<Live>,
    reader: Option<BodySender>,
}

impl Stream {
    async fn run(mut self, opening: Pieces, first: Option<Payload>, mut steps: Steps) {
        self.write(opening).await;
        if let Some(first) = first {
            self.say(first).await;
        }
        let mut quiet_since = Instant::now();
        loop {
            tokio::select! {
                () = self.live.arrived() => self.welcome().await,
                step = steps.next() => match step {
                    Some(Step::Notification(payload)) => self.say(payload).await,
                    Some(Step::Question(_)) => {}
                    Some(Step::Final(answer)) => {
                        self.say(answer.payload).await;
                        break;
                    }
                    None => break,
                },
                () = sleep_until(quiet_since + KEEP_ALIVE) => {
                    self.write(vec![Bytes::from_static(sse::COMMENT_KEEP_ALIVE)]).await;
                }
            }
            quiet_since = Instant::now();
        }
        while !self.session.events().finish(self.number, &self.live) {
            self.welcome().await;
        }
    }

    async fn say(&mut self, payload: Payload) {
        let event = self.session.events().push(self.number, payload);
        self.write(event).await;
    }

    /// Writes to the reader there is. One that is gone, or takes nothing, is let go; the event is kept for its successor.
    async fn write(&mut self, pieces: Pieces) {
        let Some(reader) = &self.reader else { return };
        let written = tokio::select! {
            written = write(reader, pieces) => written,
            // What the old reader did not get, the new one asks for.
            () = self.live.arrived() => Err(net::Gone),
        };
        if written.is_err() {
            self.reader = None;
        }
    }

    /// Gives the reader that came last what it has missed.
    async fn welcome(&mut self) {
        self.reader = None;
        let Some(Newcomer { sender, after }) = self.live.take_newcomer() else { return };
        // Events may have had to give way since it was let in; its stream ends, and its next attempt is told so.
        let Some(missed) = self.session.events().after(self.number, after) else { return };
        self.reader = Some(sender);
        for event in missed {
            self.write(event).await;
        }
    }
}

async fn write(reader: &BodySender, pieces: Pieces) -> Result<(), net::Gone> {
    for piece in pieces {
        timeout(STALL, reader.send(piece)).await.unwrap_or(Err(net::Gone))?;
    }
    Ok(())
}
