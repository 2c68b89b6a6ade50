//! Looks after a task until it has come to its end, for a client that does not know it as a task.
//!
//! Asks the server how it is, as often as the server wants to be asked. Dropped before the end, it cancels the task.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mcp::code::{ErrorObject, INTERNAL_ERROR};
use mcp::{Method, Object, Outcome, Raw, Response, TaskMethod, meta};
use tokio::time::{Instant, sleep_until};
use upstream::{Call, Event, Logs, Reply, UpstreamError};

use super::Task;
use super::shape::{self, Generation, POLL, POLL_MIN};
use super::terms::{Link, answer, unrelated};

/// What a server tells of its progress, in bytes.
const MESSAGE_MAX: usize = 1024;

type Asked<T> = Pin<Box<dyn Future<Output = Result<T, UpstreamError>> + Send>>;

/// A task that somebody waits for.
pub(crate) struct Watch {
    link: Arc<Link>,
    task: Task,
    /// The client's id, where it knows of the task.
    shown: Option<String>,
    state: State,
    poll: Duration,
    /// What the server last said of its progress.
    said: String,
    /// Which of its questions are answered.
    answered: BTreeSet<String>,
    patience: Duration,
    deadline: Instant,
    /// Since when people are waited for.
    asking: Option<Instant>,
    ended: bool,
}

enum State {
    /// Until it is time to ask.
    Wait(Instant),
    /// How is it?
    Get(Asked<Response>),
    /// This was answered.
    Update(Asked<Response>),
    /// What came of it (2025-11-25)?
    Fetch(Asked<Reply>),
    /// It is being told; its questions come on the way.
    Told(Reply),
    /// It waits for people.
    Client,
}

/// What there is to see.
#[derive(Debug)]
pub(crate) enum Seen {
    /// What a call would have said by itself.
    Event(Result<Event, UpstreamError>),
    /// How far it is.
    Progress(String),
    /// What it needs of people: the task, with its `inputRequests`.
    Asks(Object),
}

impl Watch {
    /// Looks after `task`, as `written` by its server just now; `shown` is the client's id, where it has one.
    pub(crate) fn new(link: Arc<Link>, task: Task, written: &Object, shown: Option<String>) -> Self {
        let patience = link.upstream.target().call_timeout;
        let now = Instant::now();
        let mut watch = Self {
            link,
            task,
            shown,
            state: State::Wait(now),
            poll: POLL,
            said: String::new(),
            answered: BTreeSet::new(),
            patience,
            deadline: now + patience,
            asking: None,
            ended: false,
        };
        watch.poll = shape::interval(written, watch.task.generation);
        watch.state = State::Wait(now + watch.poll);
        watch
    }

    /// What there is to see next. Cancel safe.
    pub(crate) async fn next(&mut self) -> Seen {
        loop {
            if let Some(seen) = self.step().await {
                self.ended |= matches!(seen, Seen::Event(Ok(Event::Final(_))));
                return seen;
            }
        }
    }

    /// Brings the answers to its questions, and goes on.
    pub(crate) fn update(&mut self, answers: Vec<(String, Raw)>) {
        if let Some(since) = self.asking.take() {
            self.deadline += since.elapsed();
        }
        let responses =
            crate::round::object(answers.iter().map(|(key, answer)| (key.as_str(), answer.clone())));
        self.answered.extend(answers.into_iter().map(|(key, _)| key));
        self.state = State::Update(self.ask(TaskMethod::Update, Some(responses)));
    }

    /// Waits for people.
    pub(crate) fn wait_for_client(&mut self) {
        self.asking = Some(Instant::now());
        self.state = State::Client;
    }

    /// Asks again later: there was nothing new to be answered.
    pub(crate) fn look_again(&mut self) {
        self.state = State::Wait(Instant::now() + self.poll);
    }

    /// The task goes on when nobody waits for it any more.
    pub(crate) fn leave_running(&mut self) {
        self.ended = true;
    }

    /// Asks at once.
    pub(crate) fn hurry(&mut self) {
        self.state = State::Wait(Instant::now());
    }

    /// Whether a question is answered already.
    pub(crate) fn has_answered(&self, key: &str) -> bool {
        self.answered.contains(key)
    }

    async fn step(&mut self) -> Option<Seen> {
        if Instant::now() >= self.deadline && !matches!(self.state, State::Told(_) | State::Client) {
            return Some(Seen::Event(Err(UpstreamError::Timeout(self.patience))));
        }
        match &mut self.state {
            State::Wait(until) => {
                sleep_until((*until).min(self.deadline)).await;
                self.state = State::Get(self.ask(TaskMethod::Get, None));
                None
            }
            State::Get(asked) => match asked.await {
                Ok(response) => self.see(&response),
                Err(error) => Some(self.broken(error)),
            },
            State::Update(asked) => match asked.await {
                Ok(response) if matches!(response.outcome, Outcome::Error(_)) => {
                    Some(Seen::Event(Ok(Event::Final(response))))
                }
                Ok(_) => {
                    self.state = State::Wait(Instant::now() + POLL_MIN);
                    None
                }
                Err(error) => Some(self.broken(error)),
            },
            State::Fetch(fetched) => match fetched.await {
                Ok(reply) => {
                    self.state = State::Told(reply);
                    None
                }
                Err(error) => Some(self.broken(error)),
            },
            State::Told(reply) => match reply.next().await {
                // Its own id means nothing to this client.
                Ok(Event::OfTask(_)) => None,
                Ok(Event::Final(response)) => Some(self.told(response)),
                event => Some(Seen::Event(event)),
            },
            State::Client => std::future::pending().await,
        }
    }

    fn broken(&mut self, error: UpstreamError) -> Seen {
        self.ended |= matches!(error, UpstreamError::Gone);
        self.state = State::Client;
        Seen::Event(Err(error))
    }

    /// What a server says of the task.
    fn see(&mut self, response: &Response) -> Option<Seen> {
        if let Outcome::Error(_) = response.outcome {
            return Some(Seen::Event(Ok(Event::Final(response.clone()))));
        }
        let task = response.result().cloned().unwrap_or_else(Object::empty);
        self.poll = shape::interval(&task, self.task.generation);
        self.state = State::Wait(Instant::now() + self.poll);
        let status = task.string("status").unwrap_or_default();
        match (status.as_str(), self.task.generation) {
            ("working", _) => self.progress(&task),
            ("cancelled", _) => Some(self.over(Err(ErrorObject::new(
                INTERNAL_ERROR,
                format!("The server `{}` cancelled the task that it made of this call.", self.task.target),
            )))),
            ("completed" | "failed" | "input_required", Generation::Core) => {
                self.state = State::Fetch(self.fetch());
                None
            }
            ("input_required", Generation::Extension) => {
                let asks = task.object("inputRequests").is_some_and(|requests| !requests.is_empty());
                asks.then_some(Seen::Asks(task))
            }
            ("completed", Generation::Extension) => Some(match task.get("result") {
                Some(result) if result.is_object() => self.over(Ok(self.related(result))),
                _ => unreadable("a task that is completed and has no result"),
            }),
            ("failed", Generation::Extension) => Some(match task.get("error") {
                Some(error) if error.is_object() => {
                    answer("error", error).map_or_else(|| unreadable("an error"), final_event)
                }
                _ => unreadable("a task that failed and has no error"),
            }),
            _ => Some(unreadable("a task without a status")),
        }
    }

    /// What came of it, as its server tells it.
    fn told(&self, response: Response) -> Seen {
        match &response.outcome {
            Outcome::Result(result) => self.over(Ok(self.related(result.clone()))),
            Outcome::Error(_) => final_event(response),
        }
    }

    /// The end.
    fn over(&self, outcome: Result<Raw, ErrorObject>) -> Seen {
        let response = match outcome {
            Ok(result) => answer("result", result),
            Err(error) => answer("error", error.to_raw()),
        };
        response.map_or_else(|| unreadable("a result"), final_event)
    }

    /// A result with the task it comes from, for a client that knows it as one (MCP 2025-11-25, Tasks), and with none for others.
    fn related(&self, result: Raw) -> Raw {
        let Some(shown) = &self.shown else { return unrelated(result) };
        let Some(object) = Object::of(&result) else { return result };
        let empty = Object::empty();
        let task = shape::object([("taskId", Raw::string(shown))]);
        let meta = mcp::Edit::of(object.meta().unwrap_or(&empty)).set(meta::RELATED_TASK, task).finish();
        mcp::Edit::of(&object).set("_meta", meta).finish().into_raw()
    }

    fn progress(&mut self, task: &Object) -> Option<Seen> {
        let said = task.string("statusMessage").filter(|said| said.len() <= MESSAGE_MAX)?;
        if said == self.said {
            return None;
        }
        self.said.clone_from(&said);
        Some(Seen::Progress(said))
    }

    fn ask(&self, method: TaskMethod, responses: Option<Raw>) -> Asked<Response> {
        let (link, call) = (self.link.clone(), self.call(method, responses));
        Box::pin(async move { link.upstream.dispatch(&link.permit, &link.caller, call).await?.last().await })
    }

    fn fetch(&self) -> Asked<Reply> {
        let (link, call) = (self.link.clone(), self.call(TaskMethod::Result, None));
        Box::pin(async move { link.upstream.dispatch(&link.permit, &link.caller, call).await })
    }

    fn call(&self, method: TaskMethod, responses: Option<Raw>) -> Call {
        call(&self.task, method, responses)
    }
}

/// A request about `task` of the gateway's own wording.
#[must_use]
pub fn call(task: &Task, method: TaskMethod, responses: Option<Raw>) -> Call {
    let members = [("taskId", Raw::string(&task.id))];
    let more = responses.map(|responses| ("inputResponses", responses));
    let params = shape::object(members.into_iter().chain(more));
    Call {
        method: Method::Task(method),
        params: Object::of(&params).unwrap_or_else(Object::empty),
        progress: None,
        logs: Logs::Off,
        param_headers: Vec::new(),
        within: task.mark,
        inbox: None,
    }
}

fn final_event(response: Response) -> Seen {
    Seen::Event(Ok(Event::Final(response)))
}

fn unreadable(what: &str) -> Seen {
    Seen::Event(Err(UpstreamError::BrokeProtocol(format!("it sent {what}"))))
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.ended {
            let cancelling = self.ask(TaskMethod::Cancel, None);
            runtime.spawn(async move {
                if let Err(error) = cancelling.await {
                    tracing::debug!(%error, "a task was not cancelled");
                }
            });
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("target", &self.task.target).finish_non_exhaustive()
    }
}
