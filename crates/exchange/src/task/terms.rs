//! What a call has to do with tasks: it may make one, look after one, or wait for what becomes of one.
//!
//! A server's own id of a task never reaches a client, and a client's never a server.

use std::sync::Arc;

use mcp::code::INVALID_PARAMS;
use mcp::{
    Edit, Era, ErrorObject, Message, Method, Object, Outcome, Payload, Raw, Response, TaskMethod, meta,
};
use policy::Permit;
use upstream::{Caller, Mark, Upstream};

use super::shape::{self, Generation};
use super::{Owner, Task, TaskIds, unknown};
use crate::bridge::{self, Bridge, Extensions, Unfit, without_forged_meta};
use crate::round::Round;
use crate::rules::{Refused, Rules};

#[cfg(test)]
mod tests;

/// What a call has to do with tasks.
#[derive(Debug)]
pub enum Tasks {
    /// Its server may make one of it.
    Maker(Maker),
    /// It looks after one.
    Keeper(Keeper),
    /// It asks how one is, and then waits for what becomes of it.
    Follower(Follower),
}

/// What is done when a server makes a task of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The client is told, in the words of this generation.
    Tell(Generation),
    /// The client waits for what becomes of it.
    Wait,
}

/// A call that may become a task.
#[derive(Debug)]
pub struct Maker {
    /// Makes the client's ids.
    pub ids: TaskIds,
    /// Whose the task will be.
    pub owner: Owner,
    /// What is done with a task of 2025-11-25; `None`: the server was not asked for one.
    pub core: Option<Then>,
    /// What is done with a task of the extension; `None`: the server was told that nobody would understand.
    pub extension: Option<Then>,
    /// How the task is looked after meanwhile; its permit is that of the call.
    pub link: Link,
    /// The server's own id and the client's, as soon as they are known.
    pub known: Option<(String, String)>,
    /// The session that the call was made in.
    pub mark: Option<Mark>,
}

/// A request about a task.
#[derive(Debug)]
pub struct Keeper {
    /// Which.
    pub task: Task,
    /// The client's id for it.
    pub shown: String,
    /// What is wanted of it.
    pub method: TaskMethod,
}

/// A request for what becomes of a task of the extension.
#[derive(Debug)]
pub struct Follower {
    /// Which.
    pub task: Task,
    /// The client's id for it.
    pub shown: String,
    /// How it is looked after; its permit is for the task.
    pub link: Link,
}

/// What it takes to ask a target about a task.
#[derive(Debug)]
pub struct Link {
    /// The target.
    pub upstream: Upstream,
    /// What was permitted.
    pub permit: Permit,
    /// For whom.
    pub caller: Caller,
}

/// A task that a server has made.
pub(crate) struct Made {
    pub(crate) then: Then,
    pub(crate) task: Task,
    /// As the server wrote it.
    pub(crate) written: Object,
}

impl Maker {
    /// The task that a response speaks of; `None`: it is an answer like any other.
    pub(crate) fn made(&self, response: &Response) -> Option<Made> {
        let (generation, written) = shape::created(response.result()?)?;
        let then = match generation {
            Generation::Core => self.core,
            Generation::Extension => self.extension,
        }?;
        let task = self.task(generation, written.string("taskId")?);
        Some(Made { then, task, written })
    }

    fn task(&self, generation: Generation, id: String) -> Task {
        let operation = self.link.permit.operation();
        let (target, tool) = (operation.target.to_string(), operation.item.clone());
        Task { target, tool, id, generation, mark: self.mark }
    }

    /// The result that tells the client of a task.
    ///
    /// # Errors
    /// What the client gets instead.
    pub(crate) fn told(
        &mut self,
        made: &Made,
        result: &Object,
        (words, rules): (Generation, &Rules),
    ) -> Result<Payload, Instead> {
        let ambiguous = |object: &Object| {
            object.has_duplicate_keys() || object.meta().is_some_and(Object::has_duplicate_keys)
        };
        if ambiguous(result) || ambiguous(&made.written) {
            return Err(Instead::Unfit(Unfit::Ambiguous));
        }
        let shown = self.shown(&made.task).ok_or(Instead::Unfit(Unfit::Task))?;
        let edit = without_forged_meta(result.meta(), Edit::of(result));
        Ok(match (made.task.generation, words) {
            (Generation::Core, Generation::Core) => {
                let task = Edit::of(&made.written).set("taskId", Raw::string(&shown)).finish();
                edit.set("task", task).finish()
            }
            (Generation::Extension, Generation::Extension) => {
                fair(result, rules, edit)?.set("taskId", Raw::string(&shown)).finish()
            }
            (Generation::Extension, Generation::Core) => {
                shape::object([("task", shape::to_core(&made.written, &shown))]).into()
            }
            (Generation::Core, Generation::Extension) => {
                shape::to_extension(&made.written, &shown, "task").into()
            }
        })
    }

    fn shown(&mut self, task: &Task) -> Option<String> {
        match &self.known {
            Some((own, shown)) if *own == task.id => Some(shown.clone()),
            // A call makes one task.
            Some(_) => None,
            None => {
                let shown = self.ids.seal(&self.owner, task)?;
                self.known = Some((task.id.clone(), shown.clone()));
                Some(shown)
            }
        }
    }
}

impl Tasks {
    /// A server's notification about a task, as the client may have it; `None`: it is not the client's business.
    pub(crate) fn notification(&mut self, text: &Payload) -> Option<Payload> {
        let text = text.clone().into_raw();
        let whole = Object::of(&text)?;
        let params = whole.object("params")?;
        if whole.text_of("method").as_deref() == Some("notifications/tasks/status") {
            let own = params.string("taskId")?;
            let shown = self.client_id(&own)?;
            let params = Edit::of(&params).set("taskId", Raw::string(&shown)).finish();
            return Some(Edit::of(&whole).set("params", params).finish());
        }
        let meta = params.meta()?;
        let own = meta.object(meta::RELATED_TASK)?.string("taskId")?;
        let shown = self.client_id(&own);
        let meta = related(meta, shown.as_deref());
        let params = Edit::of(&params).set("_meta", meta).finish();
        Some(Edit::of(&whole).set("params", params).finish())
    }

    /// What the client calls a task; `None`: it knows of none, or of another.
    fn client_id(&mut self, own: &str) -> Option<String> {
        match self {
            Self::Maker(maker) if maker.core == Some(Then::Tell(Generation::Core)) => {
                let task = maker.task(Generation::Core, own.to_owned());
                maker.shown(&task)
            }
            Self::Keeper(keeper) => (keeper.task.id == own).then(|| keeper.shown.clone()),
            Self::Maker(_) | Self::Follower(_) => None,
        }
    }

    /// A question's parameters with the client's id of the task it belongs to.
    pub(crate) fn question(&mut self, params: Raw) -> Raw {
        let Some(object) = Object::of(&params) else { return params };
        let Some(meta) = object.meta().filter(|meta| meta.has(meta::RELATED_TASK)) else { return params };
        let own = meta.object(meta::RELATED_TASK).and_then(|task| task.string("taskId"));
        let shown = own.and_then(|own| self.client_id(&own));
        Edit::of(&object).set("_meta", related(meta, shown.as_deref())).finish().into_raw()
    }

    /// A client's answer with the server's own id of the task it belongs to.
    pub(crate) fn answer(&self, answer: Raw) -> Raw {
        let Some(object) = Object::of(&answer) else { return answer };
        let Some(meta) = object.meta().filter(|meta| meta.has(meta::RELATED_TASK)) else { return answer };
        let own = match self {
            Self::Keeper(keeper) => Some(keeper.task.id.as_str()),
            Self::Maker(_) | Self::Follower(_) => None,
        };
        Edit::of(&object).set("_meta", related(meta, own)).finish().into_raw()
    }
}

impl Keeper {
    /// The task in a server's answer to `tasks/get`, as a modern client may have it.
    ///
    /// # Errors
    /// It may not: the answer is no such task, or asks what must not be asked.
    pub fn seen(&self, response: &Response, rules: &Rules) -> Result<Object, Unseen> {
        let fair = self.rewrite(response, rules).map_err(|instead| match instead {
            Instead::Unfit(unfit) => Unseen::Unfit(unfit),
            Instead::Error(_) => Unseen::Asks,
        })?;
        let bridge =
            Bridge { era: Era::Modern, method: Method::Task(self.method), extensions: Extensions::Declared };
        let id = response.id.clone().ok_or(Unseen::Unfit(Unfit::NotAnObject))?;
        let whole = bridge.answer(&id, &fair).map_err(Unseen::Unfit)?;
        let result = Object::of(&whole.into_raw()).and_then(|whole| whole.object("result"));
        let is_whole = |task: &Object| task.text_of("taskId").is_some() && task.text_of("status").is_some();
        result.filter(is_whole).ok_or(Unseen::Unfit(Unfit::Task))
    }

    /// A server's response with the client's id of the task, and with questions as they may reach the client.
    ///
    /// # Errors
    /// What the client gets instead: the response is about another task, or asks what must not be asked.
    pub(crate) fn rewrite(&self, response: &Response, rules: &Rules) -> Result<Response, Instead> {
        let text = match &response.outcome {
            Outcome::Error(error) => answer("error", self.error(error)),
            Outcome::Result(_) => {
                let result = response.result().ok_or(Instead::Unfit(Unfit::NotAnObject))?;
                answer("result", self.result(result, rules)?)
            }
        };
        text.ok_or(Instead::Unfit(Unfit::NotAnObject))
    }

    fn result(&self, result: &Object, rules: &Rules) -> Result<Raw, Instead> {
        if result.has_duplicate_keys() {
            return Err(Instead::Unfit(Unfit::Ambiguous));
        }
        let mut edit = Edit::of(result);
        // What a tool answered says nothing of the task it ran in.
        if self.method != TaskMethod::Result && result.has("taskId") {
            if result.text_of("taskId").as_deref() != Some(&self.task.id) {
                return Err(Instead::Unfit(Unfit::Task));
            }
            edit = edit.set("taskId", Raw::string(&self.shown));
        }
        if let Some(meta) = result.meta().filter(|meta| meta.has(meta::RELATED_TASK)) {
            edit = edit.set("_meta", related(meta, Some(&self.shown)));
        }
        if self.task.generation == Generation::Extension {
            edit = fair(result, rules, edit)?;
        }
        Ok(edit.finish().into_raw())
    }

    /// An error, without the server's own id in it.
    fn error(&self, error: &Raw) -> Raw {
        let Some(object) = Object::of(error) else { return error.clone() };
        if ErrorObject::read(error).code == INVALID_PARAMS && self.method == TaskMethod::Get {
            return unknown().to_raw();
        }
        match object.string("message") {
            Some(message) if !self.task.id.is_empty() && message.contains(&self.task.id) => {
                let message = message.replace(&self.task.id, &self.shown);
                Edit::of(&object).set("message", Raw::string(&message)).finish().into_raw()
            }
            _ => error.clone(),
        }
    }
}

/// Why a client is not told how its task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// The answer is not fit for it.
    Unfit(Unfit),
    /// The task asks what must not be asked.
    Asks,
}

/// What a client gets in the place of a response about its task.
#[derive(Debug)]
pub(crate) enum Instead {
    /// The response is not fit for it.
    Unfit(Unfit),
    /// This error.
    Error(ErrorObject),
}

/// A task of the extension, with what came of it and what it asks as both may reach a modern client.
fn fair<'a>(task: &Object, rules: &Rules, mut edit: Edit<'a>) -> Result<Edit<'a>, Instead> {
    if let Some(result) = task.get("result") {
        let result = bridge::ended(&Outcome::Result(result)).map_err(Instead::Unfit)?;
        let result = Object::of(&result).unwrap_or_else(Object::empty);
        edit = edit.set("result", without_forged_meta(result.meta(), Edit::of(&result)).finish());
    }
    if let Some(error) = task.get("error") {
        edit = edit.set("error", bridge::ended(&Outcome::Error(error)).map_err(Instead::Unfit)?);
    }
    if let Some(requests) = questions(task, rules)? {
        edit = edit.set("inputRequests", requests);
    }
    Ok(edit)
}

/// A task's questions as they may reach a modern client.
fn questions(task: &Object, rules: &Rules) -> Result<Option<Raw>, Instead> {
    let refused = |refused| Instead::Error(rules.error(&refused));
    match task.get("inputRequests") {
        None => return Ok(None),
        Some(requests) => match Object::of(&requests) {
            None => return Err(refused(Refused::Malformed("its `inputRequests` is not an object"))),
            Some(requests) if requests.is_empty() => return Ok(None),
            Some(_) => {}
        },
    }
    let round = Round::read(task, rules).map_err(refused)?;
    let fair = round.questions.iter().map(|wanted| {
        let fair = rules.judge(wanted.kind, &wanted.params)?;
        Ok((wanted.key.as_str(), wanted.with(fair.params)))
    });
    let fair: Vec<_> = fair.collect::<Result<_, _>>().map_err(refused)?;
    Ok(Some(crate::round::object(fair)))
}

/// A result or parameters for a client that knows of no task.
pub(crate) fn unrelated(text: Raw) -> Raw {
    let Some(object) = Object::of(&text) else { return text };
    let Some(meta) = object.meta().filter(|meta| meta.has(meta::RELATED_TASK)) else { return text };
    Edit::of(&object).set("_meta", related(meta, None)).finish().into_raw()
}

/// A `_meta` whose message is related to the task of this id, or to none.
fn related(meta: &Object, id: Option<&str>) -> Payload {
    let edit = Edit::of(meta);
    match id {
        Some(id) => edit.set(meta::RELATED_TASK, shape::object([("taskId", Raw::string(id))])).finish(),
        None => edit.remove(meta::RELATED_TASK).finish(),
    }
}

/// A response of nobody's in particular, with this member.
pub(super) fn answer(member: &str, text: Raw) -> Option<Response> {
    let mut whole = Payload::default();
    whole.push(format!("{{\"jsonrpc\":\"2.0\",\"id\":0,\"{member}\":"));
    whole.push(text);
    whole.push(&b"}"[..]);
    match Message::of(&whole.into_raw()) {
        Ok(Message::Response(response)) => Some(response),
        _ => None,
    }
}

impl Link {
    /// The same for the task of this id; `None`: the permit was given for something else.
    pub(crate) fn for_task(&self, id: &str) -> Option<Arc<Self>> {
        let permit = self.permit.for_task(id)?;
        Some(Arc::new(Self { upstream: self.upstream.clone(), permit, caller: self.caller.clone() }))
    }
}
