//! One client of a closed loop: its connections, its session, and what it does over and over.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use memchr::memmem;

use super::{EVENTS, Load, Operation};
use crate::wire::{Connection, Era, Session, Template};

pub(super) struct Client {
    load: Load,
    connection: Connection,
    session: Option<Session>,
    request: Template,
    /// For answers, while the stream of the call is open on the other.
    beside: Option<Connection>,
}

impl Client {
    /// Connects, and shakes hands where its era does.
    pub(super) async fn open(load: &Load) -> anyhow::Result<Self> {
        let mut connection = Connection::open(load.place.addr).await?;
        let session = match load.era {
            Era::Legacy => Some(Session::open(&mut connection, &load.place).await?),
            Era::Modern => None,
        };
        let request = load.template(session.as_ref().map(|session| session.id.as_str()));
        let beside = match load.operation {
            Operation::Ask(_) => Some(Connection::open(load.place.addr).await?),
            _ => None,
        };
        Ok(Self { load: load.clone(), connection, session, request, beside })
    }

    /// Does it once. Answers how long it took: of a stream to the first event, otherwise to the end.
    pub(super) async fn once(&mut self) -> anyhow::Result<Duration> {
        let sent = Instant::now();
        match (&self.load.operation, &self.session) {
            (Operation::Stream { .. }, _) => return self.stream(sent).await,
            (Operation::Ask(_), Some(_)) => self.answer_on_stream().await?,
            (Operation::Ask(tool), None) => {
                let tool = *tool;
                self.answer_in_retry(tool).await?;
            }
            (Operation::Call(_) | Operation::List, _) => {
                let reply = self.connection.exchange(self.request.next()).await?;
                let took = sent.elapsed();
                reply.expect_result(self.request.id())?;
                return Ok(took);
            }
        }
        Ok(sent.elapsed())
    }

    /// Ends the session.
    pub(super) async fn close(mut self) -> anyhow::Result<()> {
        match self.session {
            Some(session) => session.close(&mut self.connection, &self.load.place).await,
            None => Ok(()),
        }
    }

    async fn stream(&mut self, sent: Instant) -> anyhow::Result<Duration> {
        const PROGRESS: &[u8] = br#""notifications/progress""#;
        self.connection.begin(self.request.next()).await?;
        self.connection.until(PROGRESS).await?;
        let took = sent.elapsed();
        let reply = self.connection.rest().await?;
        reply.expect_result(self.request.id())?;
        let events = memmem::find_iter(reply.body, PROGRESS).count();
        ensure!(events == EVENTS, "{events} of {EVENTS} events of a stream arrived");
        Ok(took)
    }

    async fn answer_on_stream(&mut self) -> anyhow::Result<()> {
        self.connection.begin(self.request.next()).await?;
        let seen = self.connection.until(br#""elicitation/create""#).await?;
        let question = question_id(seen).context("a question without an id")?;
        let session = self.session.as_ref().context("a session")?;
        let answer = session.answer(&self.load.place, question, ACCEPT);
        let beside = self.beside.as_mut().context("a second connection")?;
        let status = beside.exchange(&answer).await?.status;
        ensure!(status == 202, "HTTP {status} for an answer");
        self.connection.rest().await?.expect_result(self.request.id())
    }

    async fn answer_in_retry(&mut self, tool: &str) -> anyhow::Result<()> {
        let reply = self.connection.exchange(self.request.next()).await?;
        reply.expect_result(self.request.id())?;
        let state = state(reply.body).context("no question, or one without `requestState`")?;
        let mut retry = Template::retry(&self.load.place, tool, state, ACCEPT);
        let reply = self.connection.exchange(retry.next()).await?;
        reply.expect_result(retry.id())?;
        ensure!(memmem::find(reply.body, b"input_required").is_none(), "an answer was asked for again");
        Ok(())
    }
}

const ACCEPT: &str = r#"{"action":"accept","content":{"renew":true,"remark":"for one year"}}"#;

/// The id of the question that stands last in `seen`.
fn question_id(seen: &[u8]) -> Option<u64> {
    let method = memmem::rfind(seen, br#""elicitation/create""#)?;
    let at = memmem::rfind(&seen[..method], br#""id":"#)? + 5;
    let digits = seen[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&seen[at..at + digits]).ok()?.parse().ok()
}

/// The `requestState` of a result.
fn state(body: &[u8]) -> Option<&str> {
    const KEY: &[u8] = br#""requestState":""#;
    let at = memmem::find(body, KEY)? + KEY.len();
    let length = memmem::find(&body[at..], b"\"")?;
    std::str::from_utf8(&body[at..at + length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_question_of_a_stream_is_answered() {
        let seen = br#"id: 7
data: {"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}

data: {"jsonrpc":"2.0","id":23,"method":"elicitation/create","params":{"_meta":{"id":9}}}"#;
        assert_eq!(question_id(seen), Some(23));
        assert_eq!(question_id(br#"data: {"id":1,"result":{}}"#), None);
    }

    #[test]
    fn the_state_of_a_result_is_found() {
        assert_eq!(state(br#"{"result":{"requestState":"a-b_c","x":1}}"#), Some("a-b_c"));
        assert_eq!(state(br#"{"result":{}}"#), None);
    }
}
