//! What a legacy client with a session gets for a request: one JSON body, or a stream that it can take up when it breaks.
//!
//! The call does not depend on its reader: it runs on, and what it says is kept, until somebody comes for it (MCP
//! 2025-11-25, Resumability and Redelivery).

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use mcp::{Era, Payload, Version};
use net::Body;
use tokio::time::{Instant, sleep_until, timeout};

use crate::Session;
use crate::budget::Pieces;
use crate::events::{Live, Newcomer};
use crate::present::{self, Accepts};
use crate::steps::{Said, Steps};
use crate::writer::{KEEP_ALIVE, Writer, over};

/// How long an answer may take before a client of 2025-11-25 gets a stream that it could take up. Earlier revisions know
/// no event without a message, so their stream begins with the first message.
const PRIME_AFTER: Duration = Duration::from_millis(100);

/// Presents what is said to a legacy client, whose credential ends at `until`.
pub async fn answer(
    mut steps: Steps,
    accepts: Accepts,
    session: Option<Arc<Session>>,
    until: Option<Instant>,
) -> Response<Body> {
    let Some(session) = session.filter(|_| accepts.events()) else {
        return present::legacy(steps, accepts).await;
    };
    let primes = session.hello().is_some_and(|hello| hello.version >= Version::V2025_11_25);
    let patience = if primes { PRIME_AFTER } else { KEEP_ALIVE };
    let first = match timeout(patience, steps.next()).await {
        Ok(Some(Said::Answer(answer))) => return present::at_once(answer, Era::Legacy, accepts),
        Ok(None) => return present::cancelled(),
        Ok(Some(Said::Message(first))) => Some(first),
        Err(_) => None,
    };
    let (writer, body) = Writer::open(until);
    let (number, live) = session.events().begin();
    let stream = Stream { session, number, live, reader: Some(writer), due: None };
    let opening = primes.then(|| stream.session.events().prime_stream(number));
    tokio::spawn(stream.run(opening, first, steps.in_a_task()));
    present::event_stream(body)
}

/// The answer to one call, as it is written.
struct Stream {
    session: Arc<Session>,
    number: u32,
    live: Arc<Live>,
    reader: Option<Writer>,
    /// When the reader has to come back with a new credential; `None` also while it has no event to come back from.
    due: Option<Instant>,
}

impl Stream {
    async fn run(mut self, opening: Option<Pieces>, first: Option<Payload>, mut steps: Steps) {
        if let Some(opening) = opening {
            self.tell(opening).await;
        }
        if let Some(first) = first {
            self.say(first).await;
        }
        let mut quiet_since = Instant::now();
        loop {
            tokio::select! {
                () = self.live.arrived() => self.welcome().await,
                () = over(self.due) => self.let_go(),
                said = steps.next() => match said {
                    Some(Said::Message(payload)) => self.say(payload).await,
                    Some(Said::Answer(answer)) => {
                        self.say(answer.payload).await;
                        break;
                    }
                    None => break,
                },
                () = sleep_until(quiet_since + KEEP_ALIVE) => self.keep_alive().await,
            }
            quiet_since = Instant::now();
        }
        while !self.session.events().finish(self.number, &self.live) {
            self.welcome().await;
        }
    }

    async fn say(&mut self, payload: Payload) {
        let event = self.session.events().push(self.number, payload);
        self.tell(event).await;
    }

    /// Writes an event to the reader there is. One that is gone, or takes nothing, is let go; the event is kept for its
    /// successor.
    async fn tell(&mut self, event: Pieces) {
        let Some(reader) = &self.reader else { return };
        let written = tokio::select! {
            written = reader.write(event) => written,
            // What the old reader did not get, the new one asks for.
            () = self.live.arrived() => Err(net::Gone),
        };
        match written {
            Ok(()) => self.due = reader.until(),
            Err(net::Gone) => self.let_go(),
        }
    }

    async fn keep_alive(&mut self) {
        if let Some(reader) = &self.reader
            && reader.keep_alive().await.is_err()
        {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        (self.reader, self.due) = (None, None);
    }

    /// Gives the reader that came last what it has missed.
    async fn welcome(&mut self) {
        self.let_go();
        let Some(Newcomer { writer, after }) = self.live.take_newcomer() else { return };
        // Events may have had to give way since it was let in; its stream ends, and its next attempt is told so.
        let Some(missed) = self.session.events().after(self.number, after) else { return };
        self.due = writer.until();
        self.reader = Some(writer);
        for event in missed {
            self.tell(vec![event]).await;
        }
    }
}
