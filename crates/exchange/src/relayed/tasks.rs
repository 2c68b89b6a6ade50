//! Where a call in progress meets tasks.

use mcp::code::ErrorObject;
use mcp::{Id, Object, Outcome as Said, Payload, Raw, Response, write};

use super::{Relayed, Source};
use crate::Answer;
use crate::asked::{Asking, Given};
use crate::bridge::Unfit;
use crate::round::Round;
use crate::rules::Refused;
use crate::task::{Instead, Made, Tasks, Then, Watch, unrelated};

/// What becomes of a server's response.
pub(crate) enum Turn {
    /// It is an answer like any other.
    Answers(Response),
    /// It is no answer yet: its task is waited for.
    Waits,
    /// The client is told this.
    Tells(Answer),
    /// It is not fit for the client.
    Unfit(Unfit),
    /// The client gets this error.
    Fails(ErrorObject),
}

impl From<Instead> for Turn {
    fn from(instead: Instead) -> Self {
        match instead {
            Instead::Unfit(unfit) => Self::Unfit(unfit),
            Instead::Error(error) => Self::Fails(error),
        }
    }
}

impl Relayed {
    /// Looks at a response for what it says of tasks.
    pub(crate) fn turn(&mut self, id: &Id, response: Response) -> Turn {
        match &self.tasks {
            None => Turn::Answers(response),
            Some(Tasks::Keeper(keeper)) => match keeper.rewrite(&response, &self.rules) {
                Ok(response) => Turn::Answers(response),
                Err(instead) => instead.into(),
            },
            Some(Tasks::Maker(maker)) => match maker.made(&response) {
                Some(made) => self.became(id, &response, made),
                None => Turn::Answers(response),
            },
            Some(Tasks::Follower(_)) => self.follow(response),
        }
    }

    /// A call has become a task.
    fn became(&mut self, id: &Id, response: &Response, made: Made) -> Turn {
        let Some(Tasks::Maker(maker)) = &mut self.tasks else { return Turn::Answers(response.clone()) };
        match made.then {
            Then::Tell(words) => {
                let Some(result) = response.result() else { return Turn::Unfit(Unfit::NotAnObject) };
                match maker.told(&made, result, (words, &self.rules)) {
                    Ok(result) => Turn::Tells(Answer::result(id, result)),
                    Err(instead) => instead.into(),
                }
            }
            Then::Wait => {
                let Some(link) = maker.link.for_task(&made.task.id) else { return Turn::Unfit(Unfit::Task) };
                self.watch(Watch::new(link, made.task, &made.written, None));
                Turn::Waits
            }
        }
    }

    /// How a task is that is to be waited for.
    fn follow(&mut self, response: Response) -> Turn {
        let Said::Result(_) = &response.outcome else { return Turn::Answers(response) };
        let Some(Tasks::Follower(follower)) = self.tasks.take() else { return Turn::Answers(response) };
        let Some(link) = follower.link.for_task(&follower.task.id) else { return Turn::Unfit(Unfit::Task) };
        let written = response.result().cloned().unwrap_or_else(Object::empty);
        let mut watch = Watch::new(link, follower.task, &written, Some(follower.shown));
        // Whoever only asks what came of it has not made it.
        watch.leave_running();
        watch.hurry();
        self.watch(watch);
        Turn::Waits
    }

    fn watch(&mut self, watch: Watch) {
        self.tasks = None;
        self.source = Source::Task(Box::new(watch));
    }

    /// Opens the questions of a task that is waited for. `None`: they are answered already.
    ///
    /// # Errors
    /// The call ends with this error.
    pub(crate) fn ask_for_task(&mut self, task: &Object) -> Result<Vec<Asking>, ErrorObject> {
        let mut round = Round::read(task, &self.rules).map_err(|refused| self.rules.error(&refused))?;
        let Source::Task(watch) = &mut self.source else {
            return Err(self.rules.error(&Refused::Malformed("it asks where nobody can be asked")));
        };
        round.questions.retain(|wanted| !watch.has_answered(&wanted.key));
        if round.questions.is_empty() {
            watch.look_again();
            return Ok(Vec::new());
        }
        watch.wait_for_client();
        let opened = self.open_round(round)?;
        if let Source::Task(watch) = std::mem::replace(&mut self.source, Source::Client) {
            self.waiting = Some(watch);
        }
        if opened.is_empty() {
            // The gateway itself knew every answer.
            self.update_task();
        }
        Ok(opened)
    }

    /// Brings its answers to the task that waits for them; `false`: there is none.
    pub(super) fn update_task(&mut self) -> bool {
        let Some(mut watch) = self.waiting.take() else { return false };
        watch.update(std::mem::take(&mut self.answers).into_iter().collect());
        self.source = Source::Task(watch);
        true
    }

    /// A notification that says how far a task is, for a client that wanted to know of its call.
    pub(crate) fn progress(&mut self, said: &str) -> Option<Payload> {
        let token = self.progress.as_ref()?.get()?;
        self.told += 1;
        let mut params = Payload::default();
        params.push(&br#"{"progressToken":"#[..]);
        params.push(token);
        params.push(format!(r#","progress":{},"message":{}}}"#, self.told, Raw::string(said).as_str()));
        Some(write::notification("notifications/progress", params))
    }

    /// A server's notification about a task, as the client may have it.
    pub(crate) fn of_task(&mut self, text: &Payload) -> Option<Payload> {
        self.tasks.as_mut()?.notification(text)
    }

    /// The parameters of a question as the client may have them.
    pub(super) fn asked_in_task(&mut self, params: Raw) -> Raw {
        match &mut self.tasks {
            Some(tasks) => tasks.question(params),
            None => unrelated(params),
        }
    }

    /// An answer as its server may have it.
    pub(super) fn given_in_task(&self, given: Given) -> Given {
        match (&self.tasks, given) {
            (Some(tasks), Given::Result(answer)) => Given::Result(tasks.answer(answer)),
            (_, given) => given,
        }
    }
}
