//! A call whose answer is on its way: judges each message, answers the server's own requests, and cancels the call when
//! nobody waits for it any more.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mcp::{Body, Message, Payload, Request};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::answer::{Answer, Received};
use super::events::EventStream;
use super::session::Session;
use crate::deadline::Deadline;
use crate::question::{Kind, Pause, Question};
use crate::relay::{Relay, Verdict, refusal};
use crate::{Event, Reply, UpstreamError};

/// How long after a question beside it the head of an answer may come.
const HEAD: Duration = Duration::from_secs(1);

/// A call whose answer is being streamed.
pub(crate) struct CallStream {
    events: Option<Box<EventStream>>,
    relay: Relay,
    deadline: Deadline,
    peer: Peer,
    pause: Pause,
    /// Questions that the server has asked so far.
    asked: usize,
}

/// What came of waiting for the next message.
enum Heard {
    Message(Message),
    /// The stream has ended.
    End,
    /// Whatever the server had asked is answered: it has to go on.
    Resolved,
}

/// What the server can be told meanwhile.
pub(super) enum Peer {
    /// Nothing: to a modern server a closed stream says it all, and it may not ask.
    Silent,
    /// Answers to its requests, and that the call is cancelled.
    Session(Unfinished),
}

/// A request that a legacy server has, or may have, and has not answered. Dropped, it cancels the request.
pub(super) struct Unfinished {
    session: Arc<Session>,
    id: u64,
    /// What the server asks beside the answer's own stream.
    beside: mpsc::Receiver<Box<Request>>,
    /// What it asked just before that stream began.
    early: Option<Box<Request>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Finished,
}

impl Unfinished {
    /// Before the request is sent.
    pub(super) fn new(session: Arc<Session>, id: u64) -> Self {
        let beside = session.calls().begin(id);
        Self { session, id, beside, early: None, state: State::Open }
    }

    /// Waits until the answer begins. A question that comes before has to be followed by its head at once: who answers with one
    /// JSON body says nothing until it is done, and would wait for the answer to its question until the call is over.
    pub(super) async fn begun<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        loop {
            let request = tokio::select! {
                biased;
                begun = &mut answer => return begun,
                request = self.beside() => request,
            };
            match timeout(HEAD, &mut answer).await {
                Ok(begun) => {
                    self.early = Some(request);
                    return begun;
                }
                Err(_) => self.session.answer_alone(&request),
            }
        }
    }

    /// What the server asks beside the answer's own stream. Cancel safe.
    async fn beside(&mut self) -> Box<Request> {
        if let Some(early) = self.early.take() {
            return early;
        }
        match self.beside.recv().await {
            Some(request) => request,
            None => pending().await,
        }
    }

    /// The request has its answer, or was never sent.
    pub(super) fn finish(mut self) {
        self.state = State::Finished;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.session.calls().end(self.id);
        while let Some(request) = self.early.take().or_else(|| self.beside.try_recv().ok()) {
            self.session.answer_alone(&request);
        }
        if self.state == State::Open {
            self.session.cancel(self.id);
        }
    }
}

impl Peer {
    /// What the server asks beside the call's own stream. Cancel safe.
    async fn beside(&mut self) -> Box<Request> {
        match self {
            Self::Silent => pending().await,
            Self::Session(unfinished) => unfinished.beside().await,
        }
    }

    fn answer(&self, answer: Payload) {
        match self {
            Self::Silent => tracing::debug!("a server asked its client something it may not ask; dropped"),
            Self::Session(unfinished) => unfinished.session.answer(answer),
        }
    }

    fn finish(&mut self) {
        if let Self::Session(unfinished) = std::mem::replace(self, Self::Silent) {
            unfinished.finish();
        }
    }
}

impl CallStream {
    /// The next event. Cancel safe.
    ///
    /// # Errors
    /// The stream broke, ended without the answer, or passed a bound.
    pub(crate) async fn next(&mut self) -> Result<Event, UpstreamError> {
        loop {
            let message = match self.hear().await {
                Ok(Heard::Message(message)) => message,
                Ok(Heard::Resolved) => continue,
                Ok(Heard::End) => {
                    let ended = UpstreamError::Lost("it ended the stream without an answer".to_owned());
                    Box::pin(self.resume(ended)).await?;
                    continue;
                }
                Err(broken @ UpstreamError::Lost(_)) => {
                    Box::pin(self.resume(broken)).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match self.relay.judge(message) {
                Verdict::Deliver(event) => {
                    if let Event::Final(_) = event {
                        self.peer.finish();
                        self.events.take().into_iter().for_each(|events| events.finish());
                    }
                    return Ok(event);
                }
                Verdict::Ask(request, kind) => return self.ask(request, kind).map(Event::Question),
                Verdict::Lacks(answer, needs) => {
                    self.peer.answer(answer);
                    return Err(UpstreamError::Lacks(needs));
                }
                Verdict::Answer(answer) => self.peer.answer(answer),
                Verdict::Drop(why) => tracing::debug!(why, "a server's message was dropped"),
            }
        }
    }

    /// The next message, for which the server has its time, unless it waits for an answer itself.
    async fn hear(&mut self) -> Result<Heard, UpstreamError> {
        let events = self.events.as_mut().ok_or(UpstreamError::Cancelled)?;
        let waits = self.asked > 0 && self.pause.is_open();
        let deadline = if waits { Deadline::none() } else { self.deadline.later(self.pause.total()) };
        let message = tokio::select! {
            biased;
            message = events.next(&deadline) => message?,
            request = self.peer.beside() => Some(Message::Request(*request)),
            () = self.pause.over(), if waits => return Ok(Heard::Resolved),
        };
        Ok(message.map_or(Heard::End, Heard::Message))
    }

    fn ask(&mut self, request: Request, kind: Kind) -> Result<Question, UpstreamError> {
        self.asked += 1;
        if self.asked > self.relay.asks.most {
            return Err(too_many(self.relay.asks.most));
        }
        let Peer::Session(unfinished) = &self.peer else { return Err(UpstreamError::Cancelled) };
        let session = unfinished.session.clone();
        Ok(Question::new(request, kind, Box::new(move |answer| session.reply(answer)), &self.pause))
    }

    /// Takes the stream up where it ended. Servers of 2025-11-25 may end it at any time to save a connection, and said
    /// before from where it goes on. The request is not sent again.
    async fn resume(&mut self, why: UpstreamError) -> Result<(), UpstreamError> {
        let (Some(events), Peer::Session(unfinished)) = (&self.events, &self.peer) else { return Err(why) };
        let Some(from) = events.last_id() else { return Err(why) };
        let deadline =
            if self.pause.is_open() { Deadline::none() } else { self.deadline.later(self.pause.total()) };
        deadline.within(sleep(events.pause())).await?;
        let resumed = unfinished.session.listen(Some(from), &deadline).await;
        // The server has the request all the same: nothing may say that it was not sent.
        let received = resumed.map_err(|error| match error {
            error if error.nothing_sent() => {
                UpstreamError::Lost(format!("its stream cannot be taken up: {error}"))
            }
            error => error,
        })?;
        match received.answer {
            Answer::Stream(next) => self.events = Some(next.after(events)),
            _ => return Err(why),
        }
        Ok(())
    }
}

/// Makes a reply of what came back for a request.
///
/// # Errors
/// It is no answer to this request. Nothing is cancelled then: the server is done with it.
pub(super) fn reply(
    received: Received,
    relay: Relay,
    mut peer: Peer,
    deadline: Deadline,
) -> Result<Reply, UpstreamError> {
    let event = match received.answer {
        Answer::Stream(events) => {
            let pause = Pause::default();
            return Ok(Reply::streamed(CallStream {
                events: Some(events),
                relay,
                deadline,
                peer,
                pause,
                asked: 0,
            }));
        }
        Answer::Json(Body::Batch(messages)) => {
            let messages = messages.into_iter().flatten();
            let events = messages.filter_map(|message| judge(&relay, &peer, message)).collect();
            peer.finish();
            return batch(events);
        }
        Answer::Json(Body::Single(message)) => judge(&relay, &peer, message),
        answer => {
            peer.finish();
            return Err(answer.failure(received.status));
        }
    };
    peer.finish();
    match event {
        Some(Event::Final(response)) => Ok(Reply::whole(response)),
        _ => Err(no_answer()),
    }
}

/// What a server says in the same breath as the answer precedes it, in whatever order it was written.
fn batch(mut events: Vec<Event>) -> Result<Reply, UpstreamError> {
    let is_final = |event: &Event| matches!(event, Event::Final(_));
    let answer = events.iter().position(is_final).map(|at| events.remove(at)).ok_or_else(no_answer)?;
    events.retain(|event| !is_final(event));
    events.push(answer);
    Ok(Reply::batch(events))
}

fn no_answer() -> UpstreamError {
    UpstreamError::BrokeProtocol("it answered something else than this request".to_owned())
}

/// What is wrong with a server that asks without end.
pub(crate) fn too_many(most: usize) -> UpstreamError {
    UpstreamError::BrokeProtocol(format!(
        "it asked more than {most} questions in one call (`limits.questions`)"
    ))
}

/// Judges a message of an answer that came in one piece: too late to ask anything.
fn judge(relay: &Relay, peer: &Peer, message: Message) -> Option<Event> {
    match relay.judge(message) {
        Verdict::Deliver(event) => return Some(event),
        Verdict::Ask(request, _) => peer.answer(refusal(&request)),
        Verdict::Answer(answer) | Verdict::Lacks(answer, _) => peer.answer(answer),
        Verdict::Drop(why) => tracing::debug!(why, "a server's message was dropped"),
    }
    None
}
