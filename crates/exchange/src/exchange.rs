//! One call in progress, from its permit to its final answer.

use audit::{Outcome, Reaction};
use mcp::code::{ANSWER_TOO_LARGE, BACKEND_BROKE_PROTOCOL};
use mcp::{ErrorObject, Id, Object, Payload, Raw, Response};
use upstream::{Event, UpstreamError};

use crate::asked::{Asking, Given};
use crate::bridge::{self, Unfit};
use crate::desk::Full;
use crate::interim;
use crate::relayed::{Happening, Relayed, Turn, Work};
use crate::round;
use crate::status::Status;

#[cfg(test)]
mod tests;

/// One call in progress. Yields what the client is to see; the last step is the answer, and there is always one.
/// Dropping it unfinished cancels the call, and records that.
#[derive(Debug)]
pub struct Exchange {
    id: Id,
    open: Option<Open>,
    /// How it ended, when that is not recorded yet: it waited for its client at that time.
    unrecorded: Option<Outcome>,
    /// Questions that the client has not seen yet.
    ready: Vec<Asking>,
    /// What was told while it waited for its client.
    told: Option<Payload>,
}

#[derive(Debug)]
enum Open {
    /// The answer is there.
    Answered(Answer, Option<audit::Pending>),
    /// A server is at work.
    Relayed(Box<Relayed>),
}

/// What the client sees next.
#[derive(Debug)]
pub enum Step {
    /// A notification; more follows.
    Notification(Payload),
    /// A question, which [`Exchange::answer`] answers; more follows.
    Question(Asking),
    /// The question of this handle needs no answer any more; more follows.
    Withdrawn(u64),
    /// The answer; nothing follows.
    Final(Answer),
}

/// A whole response, and what kind it is.
#[derive(Debug)]
pub struct Answer {
    /// The response.
    pub payload: Payload,
    /// What its HTTP status depends on.
    pub status: Status,
}

impl Answer {
    /// A response with `result`.
    #[must_use]
    pub fn result(id: &Id, result: Payload) -> Self {
        Self { payload: mcp::code::result(id, result), status: Status::Ok }
    }

    /// A response with `error`.
    #[must_use]
    pub fn error(id: Option<&Id>, error: &ErrorObject) -> Self {
        Self { payload: error.response(id), status: Status::Error(error.code) }
    }
}

impl Exchange {
    /// An exchange that the gateway answers itself.
    #[must_use]
    pub fn answered(id: Id, answer: Answer) -> Self {
        Self { id, open: Some(Open::Answered(answer, None)), unrecorded: None, ready: Vec::new(), told: None }
    }

    /// An exchange that a server answers.
    #[must_use]
    pub fn relayed(id: Id, work: Work) -> Self {
        Self::of(id, Relayed::new(work))
    }

    pub(crate) fn of(id: Id, relayed: Relayed) -> Self {
        let open = Some(Open::Relayed(Box::new(relayed)));
        Self { id, open, unrecorded: None, ready: Vec::new(), told: None }
    }

    /// Waits for what the client sees next. After [`Step::Final`] it says that the exchange is over. Cancel safe.
    pub async fn next(&mut self) -> Step {
        loop {
            if !self.ready.is_empty() {
                return Step::Question(self.ready.remove(0));
            }
            let Some(Open::Relayed(relayed)) = &mut self.open else { return Step::Final(self.take_answer()) };
            let step = match relayed.next().await {
                Happening::Expired => None,
                Happening::Event(Ok(Event::Notification(payload))) => Some(Step::Notification(payload)),
                Happening::Event(Ok(Event::OfTask(text))) => relayed.of_task(&text).map(Step::Notification),
                Happening::Progress(said) => relayed.progress(&said).map(Step::Notification),
                Happening::TaskAsks(task) => match relayed.ask_for_task(&task) {
                    Ok(questions) => {
                        self.ready = questions;
                        None
                    }
                    Err(error) => {
                        self.record(Outcome::Error(error.code));
                        Some(Step::Final(Answer::error(Some(&self.id), &error)))
                    }
                },
                Happening::Event(Ok(Event::Question(question))) => relayed.ask(question).map(Step::Question),
                Happening::Event(Ok(Event::Withdrawn(id))) => {
                    relayed.asked.withdraw(&id).map(Step::Withdrawn)
                }
                Happening::Event(Ok(Event::Final(response))) => self.settle(response).map(Step::Final),
                Happening::Event(Err(error)) => Some(Step::Final(self.fail(&error))),
                Happening::Failed(error) => Some(Step::Final(self.end_with(&error))),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Answers a question. One that is not open changes nothing.
    pub fn answer(&mut self, handle: u64, given: Given) {
        if let Some(Open::Relayed(relayed)) = &mut self.open {
            relayed.answer(handle, given);
        }
    }

    /// Gives up every open question: there is nobody to ask.
    pub(crate) fn give_up_questions(&mut self) {
        self.ready.clear();
        if let Some(Open::Relayed(relayed)) = &mut self.open {
            relayed.asked.give_up(Reaction::Interrupted);
        }
    }

    /// Lets the call wait for its client, which gets its questions with the answer.
    ///
    /// # Errors
    /// It cannot wait: there is no room, or no way back.
    pub(crate) fn park(mut self) -> Result<Answer, Box<Self>> {
        let Some(Open::Relayed(relayed)) = &mut self.open else { return Err(Box::new(self)) };
        let Some(binding) = &relayed.binding else { return Err(Box::new(self)) };
        let desk = relayed.desk.clone();
        let seat = match desk.seat(relayed.principal, relayed.weight()) {
            Ok(seat) => seat,
            Err(full) => {
                tracing::warn!(target.name = %relayed.rules.target, %full, "a call cannot wait for its client; its questions are dismissed");
                return Err(Box::new(self));
            }
        };
        let state = desk.seal(binding, &seat.continuation());
        let asked: Vec<_> = relayed.asked.all().map(|asking| (key(asking.handle), asking)).collect();
        let entries = asked
            .iter()
            .map(|(key, asking)| (key.as_str(), round::entry(asking.kind, asking.params.clone())));
        let result =
            round::result(&Object::empty(), &relayed.rules, Some(round::object(entries)), Some(&state));
        let answer = Answer::result(&self.id, result);
        if let Some(record) = relayed.record.take() {
            record.close(Outcome::InputRequired);
        }
        self.ready.clear();
        desk.keep(seat, self);
        Ok(answer)
    }

    /// Goes on, for a client that came back: with the id, the record and the progress token of its new request, and with
    /// what it answered. What does not fit, or was not answered, is asked again.
    pub fn resume(&mut self, id: Id, record: audit::Pending, progress: Option<Raw>, answers: &Object) {
        self.id = id;
        self.told = self.told.take().and_then(|told| under(&told, progress.as_ref()));
        match &mut self.open {
            Some(Open::Relayed(relayed)) => {
                relayed.trail = record.trail();
                relayed.record = Some(record);
                if let Some(token) = &relayed.progress {
                    token.set(progress);
                }
                let open: Vec<_> = relayed
                    .asked
                    .all()
                    .map(|asking| (key(asking.handle), asking.handle, asking.kind))
                    .collect();
                if answers.keys().any(|given| open.iter().all(|(key, ..)| *key != given)) {
                    relayed.trail.stray();
                }
                for (key, handle, kind) in open {
                    match answers.get(&key) {
                        Some(answer) if relayed.asked.fits(handle, &answer) => {
                            relayed.answer(handle, Given::Result(answer));
                        }
                        Some(_) => relayed.trail.question(kind.name()).close(Reaction::Invalid),
                        None => {}
                    }
                }
            }
            Some(Open::Answered(answer, held)) => {
                answer.payload = with_id(&answer.payload, &self.id);
                match self.unrecorded.take() {
                    Some(outcome) => record.close(outcome),
                    None => *held = Some(record),
                }
            }
            None => {}
        }
    }

    /// Keeps the newest of what was told while nobody listened, but not the message it came in.
    pub(crate) fn keep_told(&mut self, told: Payload) {
        self.told = Some(told.detached());
    }

    /// What it holds while it waits, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let open = match &self.open {
            Some(Open::Answered(answer, _)) => answer.payload.len(),
            Some(Open::Relayed(relayed)) => relayed.weight(),
            None => 0,
        };
        open + self.told.as_ref().map_or(0, Payload::len)
    }

    /// Lets go of what it can do without best; `false`: there is nothing any more.
    pub(crate) fn lighten(&mut self, full: Full) -> bool {
        if self.told.take().is_some() {
            return true;
        }
        match &mut self.open {
            Some(Open::Relayed(relayed)) => match relayed.asked.newest() {
                Some(handle) => relayed.answer(handle, Given::Nothing),
                None => return false,
            },
            Some(Open::Answered(answer, _)) if answer.status == Status::Error(ANSWER_TOO_LARGE) => {
                return false;
            }
            Some(Open::Answered(answer, _)) => {
                let sentence = format!("The answer came while the call waited for its client, and {full}.");
                *answer = Answer::error(Some(&self.id), &ErrorObject::new(ANSWER_TOO_LARGE, sentence));
                self.unrecorded = Some(Outcome::Error(ANSWER_TOO_LARGE));
            }
            None => return false,
        }
        true
    }

    /// What was told while nobody listened.
    pub(crate) fn take_told(&mut self) -> Option<Payload> {
        self.told.take()
    }

    /// Whether the client has yet to answer something.
    pub(crate) fn has_questions(&self) -> bool {
        matches!(&self.open, Some(Open::Relayed(relayed)) if !relayed.asked.is_empty())
    }

    /// As [`Exchange::next`], for a call that waits: its answer is kept, which `None` says.
    pub(crate) async fn listen(&mut self) -> Option<Step> {
        match self.next().await {
            Step::Final(answer) => {
                self.open = Some(Open::Answered(answer, None));
                None
            }
            step => Some(step),
        }
    }

    /// Ends a call that waited in vain.
    pub(crate) fn expire(&mut self) {
        if let Some(Open::Relayed(relayed)) = &mut self.open {
            relayed.asked.give_up(Reaction::Expired);
        }
        self.open = None;
    }

    fn take_answer(&mut self) -> Answer {
        match self.open.take() {
            Some(Open::Answered(answer, _)) => answer,
            _ => Answer::error(
                Some(&self.id),
                &ErrorObject::new(mcp::code::INTERNAL_ERROR, "The call is over; send a new request."),
            ),
        }
    }

    /// What the client gets for a server's response; `None`: the call goes on, with questions.
    fn settle(&mut self, response: Response) -> Option<Answer> {
        let Some(Open::Relayed(relayed)) = &mut self.open else { return Some(self.take_answer()) };
        let response = match relayed.turn(&self.id, response) {
            Turn::Answers(response) => response,
            Turn::Waits => return None,
            Turn::Tells(answer) => {
                self.record(Outcome::Ok);
                return Some(answer);
            }
            Turn::Unfit(unfit) => {
                let answer = refuse(&self.id, &relayed.rules.target, &unfit.to_string());
                self.record(Outcome::Error(BACKEND_BROKE_PROTOCOL));
                return Some(answer);
            }
            Turn::Fails(error) => {
                self.record(Outcome::Error(error.code));
                return Some(Answer::error(Some(&self.id), &error));
            }
        };
        let went = bridge::outcome(&response);
        let (answer, went) = match relayed.bridge.answer(&self.id, &response) {
            Ok(payload) => (Answer { payload, status: Status::relayed(went) }, went),
            Err(Unfit::Question) => match interim::settle(relayed, &self.id, &response) {
                interim::Settled::Asks(questions) => {
                    self.ready = questions;
                    return None;
                }
                interim::Settled::Answers(answer, went) => (answer, went),
            },
            Err(unfit) => {
                let answer = refuse(&self.id, &relayed.rules.target, &unfit.to_string());
                (answer, Outcome::Error(BACKEND_BROKE_PROTOCOL))
            }
        };
        self.record(went);
        Some(answer)
    }

    fn fail(&mut self, error: &UpstreamError) -> Answer {
        let Some(Open::Relayed(relayed)) = &self.open else { return self.take_answer() };
        let target = &relayed.rules.target;
        tracing::warn!(target.name = %target, %error, "call failed");
        let error = error.to_error(target);
        self.record(Outcome::Error(error.code));
        Answer::error(Some(&self.id), &error)
    }

    /// Ends with an error as the client itself wrote it.
    fn end_with(&mut self, error: &Raw) -> Answer {
        self.record(Outcome::Error(ErrorObject::read(error).code));
        Answer { payload: mcp::code::failed(&self.id, error.clone()), status: Status::Ok }
    }

    /// The call is over.
    fn record(&mut self, outcome: Outcome) {
        let Some(Open::Relayed(mut relayed)) = self.open.take() else { return };
        match relayed.record.take() {
            Some(record) => record.close(outcome),
            None => self.unrecorded = Some(outcome),
        }
    }
}

/// Under which key a modern client finds a question of a legacy server, which gave it none.
fn key(handle: u64) -> String {
    format!("question-{handle}")
}

fn refuse(id: &Id, target: &str, why: &str) -> Answer {
    tracing::warn!(target.name = %target, why, "answer withheld");
    let sentence = format!("The server `{target}` {why}; ask its operator.");
    Answer::error(Some(id), &ErrorObject::new(BACKEND_BROKE_PROTOCOL, sentence))
}

/// A progress notification under another token; `None`: nobody wants it any more.
fn under(told: &Payload, token: Option<&Raw>) -> Option<Payload> {
    let text = told.clone().into_raw();
    let before = Object::of(&text)?.object("params")?.get("progressToken")?;
    let mut splice = mcp::Splice::of(&text);
    splice.replace(&before, token?.clone());
    Some(splice.finish())
}

/// A response of the gateway's own with the id of another request.
fn with_id(response: &Payload, id: &Id) -> Payload {
    let text = response.clone().into_raw();
    let Some(whole) = Object::of(&text) else { return response.clone() };
    mcp::Edit::of(&whole).set("id", id.text().clone()).finish()
}
