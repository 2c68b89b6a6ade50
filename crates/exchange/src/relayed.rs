//! A call that a server answers, with everything that may happen until it has.

#[cfg(test)]
mod bench;
mod tasks;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use audit::{Reaction, Trail};
use identity::PrincipalKey;
use mcp::code::{ErrorObject, POLICY_DENIED};
use mcp::{Edit, Era, Object, Raw};
use policy::Permit;
use tokio::time::{sleep, sleep_until};
use tokio_util::task::task_tracker::TaskTrackerToken;
use upstream::{
    Call, Caller, Event, ProgressToken, Question, QuestionKind as Kind, Reply, Upstream, UpstreamError,
};

use crate::asked::{Asked, Asking, Given, Settled, Way};
use crate::bridge::Bridge;
use crate::desk::{Desk, Sampled};
use crate::round::{self, Round};
use crate::rules::{Fair, Refused, Rules, Spent};
use crate::state::Binding;
use crate::task::{Seen, Tasks, Watch};

pub(crate) use tasks::Turn;

/// Before a call is sent again to a server that only asked to be asked again; doubled each time.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What it takes to carry a call to its end.
pub struct Work {
    /// The answer in progress.
    pub reply: Reply,
    /// Rewrites the answer for the client.
    pub bridge: Bridge,
    /// What is recorded of it.
    pub record: audit::Pending,
    /// While it is held, the target is not shut down under the call.
    pub lease: TaskTrackerToken,
    /// What the server may ask.
    pub rules: Rules,
    /// Whose call it is.
    pub principal: PrincipalKey,
    /// Where the calls of modern clients wait.
    pub desk: Desk,
    /// The request of a modern client that may be asked.
    pub binding: Option<Binding>,
    /// What the call has asked so far, when its client has brought answers already.
    pub spent: Spent,
    /// How a call is sent again, with the answers that are brought back here.
    pub again: Option<Again>,
    /// The client's progress token.
    pub progress: Option<ProgressToken>,
    /// What it has to do with tasks.
    pub tasks: Option<Tasks>,
}

/// A call as it was sent, to be sent again when its server asks for it (MCP 2026-07-28, Multi round-trip requests).
pub struct Again {
    /// The target.
    pub upstream: Upstream,
    /// What was permitted.
    pub permit: Permit,
    /// For whom.
    pub caller: Caller,
    /// What.
    pub call: Call,
}

/// See the module.
pub(crate) struct Relayed {
    source: Source,
    pub(crate) bridge: Bridge,
    pub(crate) rules: Rules,
    pub(crate) principal: PrincipalKey,
    pub(crate) desk: Desk,
    pub(crate) binding: Option<Binding>,
    pub(crate) record: Option<audit::Pending>,
    pub(crate) trail: Trail,
    pub(crate) asked: Asked,
    pub(crate) progress: Option<ProgressToken>,
    tasks: Option<Tasks>,
    /// A task that waits for its client.
    waiting: Option<Box<Watch>>,
    /// How often its client was told how far its task is.
    told: u64,
    again: Option<Arc<Again>>,
    answers: BTreeMap<String, Raw>,
    /// What a modern server wants to have back.
    state: Option<Raw>,
    pub(crate) spent: Spent,
    _lease: TaskTrackerToken,
}

/// Where the next event comes from.
enum Source {
    /// The server.
    Reply(Reply),
    /// The client: the server has asked, and waits to be asked again.
    Client,
    /// The server, as soon as it takes the call with the answers.
    Again(Pin<Box<dyn Future<Output = Result<Reply, UpstreamError>> + Send>>),
    /// The task that the server made of the call.
    Task(Box<Watch>),
    /// The call has failed, with this error object.
    Failed(Raw),
}

/// What happened next.
pub(crate) enum Happening {
    /// The server said something.
    Event(Result<Event, UpstreamError>),
    /// A task is this far.
    Progress(String),
    /// A task needs something of its client.
    TaskAsks(Object),
    /// A question was given up.
    Expired,
    /// The call has failed, with this error object.
    Failed(Raw),
}

impl Relayed {
    pub(crate) fn new(work: Work) -> Self {
        let trail = work.record.trail();
        let mark = work.reply.mark();
        let mut tasks = work.tasks;
        if let Some(Tasks::Maker(maker)) = &mut tasks {
            maker.mark = mark;
        }
        Self {
            tasks,
            waiting: None,
            told: 0,
            source: Source::Reply(work.reply),
            bridge: work.bridge,
            rules: work.rules,
            principal: work.principal,
            desk: work.desk,
            binding: work.binding,
            record: Some(work.record),
            trail,
            asked: Asked::default(),
            progress: work.progress,
            again: work.again.map(Arc::new),
            answers: BTreeMap::new(),
            state: None,
            spent: work.spent,
            _lease: work.lease,
        }
    }

    /// Waits for what happens next. Cancel safe.
    pub(crate) async fn next(&mut self) -> Happening {
        match self.asked.expires() {
            None => self.source.next().await,
            Some(at) => tokio::select! {
                happening = self.source.next() => happening,
                () = sleep_until(at) => {
                    while let Some(handle) = self.asked.expired() {
                        self.answer_as(handle, Given::Nothing, Reaction::Expired);
                    }
                    Happening::Expired
                }
            },
        }
    }

    /// A legacy server's question. `None`: it does not reach the client, and is answered.
    pub(crate) fn ask(&mut self, question: Question) -> Option<Asking> {
        let kind = question.kind();
        let record = self.trail.question(kind.name());
        let judged = self.rules.judge(kind, question.params()).and_then(|fair| {
            let open = self.asked.weight() + question.params().text().as_bytes().len();
            if open > self.rules.round_bytes { Err(Refused::Large("round_bytes")) } else { Ok(fair) }
        });
        match judged.and_then(|fair| self.count(kind).map(|sampled| (fair, sampled))) {
            Ok((fair, sampled)) => {
                let fair = Fair { params: self.asked_in_task(fair.params), ..fair };
                Some(self.asked.open((kind, fair), Way::Server(question), record, self.patience(), sampled))
            }
            Err(refused) => {
                self.warn_of(&refused.to_string());
                record.close(Reaction::Refused);
                question.answer(no(kind, &refused));
                None
            }
        }
    }

    /// Opens a modern server's questions to a legacy client.
    ///
    /// # Errors
    /// The call ends with this error.
    pub(crate) fn ask_round(&mut self, round: Round) -> Result<Vec<Asking>, ErrorObject> {
        if self.again.is_none() {
            return Err(self.rules.error(&Refused::Malformed("it asks where nobody can be asked")));
        }
        self.state.clone_from(&round.state);
        let opened = self.open_round(round)?;
        if opened.is_empty() {
            let doubled = WAIT_MIN.saturating_mul(1 << self.spent.rounds.min(16));
            self.send_again(if self.answers.is_empty() { doubled.min(WAIT_MAX) } else { Duration::ZERO });
        } else {
            self.source = Source::Client;
        }
        Ok(opened)
    }

    /// Opens every question of a round that the gateway does not answer itself.
    ///
    /// # Errors
    /// One of them must not reach the client.
    fn open_round(&mut self, round: Round) -> Result<Vec<Asking>, ErrorObject> {
        self.answers.clear();
        self.spent.round(round.questions.len(), &self.rules).map_err(|refused| self.rules.error(&refused))?;
        let mut fair = Vec::new();
        for wanted in round.questions {
            if let Some(known) = self.rules.own_answer(wanted.kind) {
                self.answers.insert(wanted.key, known.clone());
                continue;
            }
            let judged = self.rules.judge(wanted.kind, &wanted.params);
            let judged = judged.and_then(|fair| self.count(wanted.kind).map(|sampled| (fair, sampled)));
            let (question, sampled) = judged.map_err(|refused| {
                self.trail.question(wanted.kind.name()).close(Reaction::Refused);
                self.rules.error(&refused)
            })?;
            fair.push((wanted.key, wanted.kind, question, sampled));
        }
        let open = |(key, kind, fair, sampled)| {
            let record = self.trail.question(Kind::name(kind));
            self.asked.open((kind, fair), Way::Round(key), record, self.patience(), sampled)
        };
        Ok(fair.into_iter().map(open).collect())
    }

    /// Brings an answer back to whoever asked. One to no open question changes nothing.
    pub(crate) fn answer(&mut self, handle: u64, given: Given) {
        self.answer_as(handle, given, Reaction::Interrupted);
    }

    fn answer_as(&mut self, handle: u64, given: Given, unanswered: Reaction) {
        let given = self.given_in_task(given);
        match self.asked.answer(handle, given, unanswered) {
            None | Some(Settled::Sent) => return,
            Some(Settled::Kept(key, result)) => {
                self.answers.insert(key, result);
            }
            Some(Settled::Missing(error)) => self.source = Source::Failed(error),
        }
        if matches!(self.source, Source::Client) && self.asked.is_empty() {
            self.send_again(Duration::ZERO);
        }
    }

    /// What it holds while it waits for its client, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let request = self.binding.as_ref().map_or(0, |binding| binding.params.text().as_bytes().len());
        request + self.asked.weight()
    }

    /// A modern client's questions have their time at the desk, all together.
    fn patience(&self) -> Option<Duration> {
        (self.rules.era == Era::Legacy).then_some(self.rules.patience)
    }

    /// Counts a question to the client's model.
    fn count(&mut self, kind: Kind) -> Result<Option<Sampled>, Refused> {
        self.spent.ask(kind, &self.rules)?;
        let (Kind::Sampling, Some(bounds)) = (kind, self.rules.sampling) else { return Ok(None) };
        let sampled = self.desk.sampled(self.principal, &self.rules.target, bounds.nesting);
        sampled.map(Some).ok_or(Refused::Sampling("nesting"))
    }

    /// Tells the operator of something that did not reach the client.
    pub(crate) fn warn_of(&self, refused: &str) {
        tracing::warn!(target.name = %self.rules.target, item = self.trail.item(), refused, "a question was refused");
    }

    fn send_again(&mut self, wait: Duration) {
        if self.update_task() {
            return;
        }
        let Some(again) = self.again.clone() else { return };
        let mut call = again.call.clone();
        let mut edit = Edit::of(&again.call.params);
        edit = match (&self.state, self.answers.is_empty()) {
            (Some(state), _) => edit.set("requestState", state.clone()),
            (None, _) => edit.remove("requestState"),
        };
        edit = if self.answers.is_empty() {
            edit.remove("inputResponses")
        } else {
            edit.set("inputResponses", round::responses(&self.answers))
        };
        if let Some(params) = Object::of(&edit.finish().into_raw()) {
            call.params = params;
        }
        self.source = Source::Again(Box::pin(async move {
            sleep(wait).await;
            again.upstream.dispatch(&again.permit, &again.caller, call).await
        }));
    }
}

impl Source {
    async fn next(&mut self) -> Happening {
        loop {
            match self {
                Self::Reply(reply) => return Happening::Event(reply.next().await),
                Self::Client => return std::future::pending().await,
                Self::Failed(error) => return Happening::Failed(error.clone()),
                Self::Task(watch) => {
                    return match watch.next().await {
                        Seen::Event(event) => Happening::Event(event),
                        Seen::Progress(said) => Happening::Progress(said),
                        Seen::Asks(task) => Happening::TaskAsks(task),
                    };
                }
                Self::Again(sent) => match sent.await {
                    Ok(reply) => *self = Self::Reply(reply),
                    Err(error) => {
                        *self = Self::Client;
                        return Happening::Event(Err(error));
                    }
                },
            }
        }
    }
}

/// What a legacy server is answered whose question does not reach its client.
fn no(kind: Kind, refused: &Refused) -> Result<Raw, Raw> {
    match kind {
        Kind::Form | Kind::Url => Ok(Raw::value(&serde_json::json!({ "action": "decline" }))),
        Kind::Sampling | Kind::Roots => {
            let sentence = format!("The gateway did not ask its client: the server {refused}.");
            Err(ErrorObject::new(POLICY_DENIED, sentence).to_raw())
        }
    }
}

impl fmt::Debug for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relayed")
            .field("target", &self.rules.target)
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}
