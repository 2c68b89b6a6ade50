//! Tasks: calls of tools that may become one, and `tasks/get`, `tasks/result`, `tasks/update`, `tasks/cancel`.
//!
//! A task is looked after at the target that made it, by whoever made it, as long as they may call its tool. There is no
//! `tasks/list`: nothing about tasks is kept here, and a server's own list may be one of many principals.

mod bridged;
mod watched;

use std::sync::Arc;

use audit::{Outcome, Pending, Trail};
use catalogue::{Item, TaskSupport};
use exchange::Exchange;
use exchange::task::{Generation, Keeper, Link, Maker, Owner, Task, Tasks, Then, call, fitting, unknown};
use mcp::code::{ErrorObject, INVALID_PARAMS, MISSING_CAPABILITY};
use mcp::{Edit, Era, Method, Object, Request, TaskMethod, Version, meta};
use policy::{Action, Denial, Operation, Permit};
use serde_json::json;

use super::{Context, Freight, dispatch, intent, leads_nowhere, refused, rules};
use crate::site::LiveTarget;

pub(crate) use watched::{News, WatchedTask, watch_task};

/// Looks after a task.
pub(super) async fn look_after(context: &Context, method: TaskMethod, request: Request) -> Exchange {
    if context.caller.era == Era::Modern && !context.declares_tasks() {
        return refused(&request, &undeclared());
    }
    let Some(shown) = request.params.string("taskId") else {
        let sentence = "`taskId` is missing, or not a string; say which task is meant.";
        return refused(&request, &ErrorObject::new(INVALID_PARAMS, sentence));
    };
    // An id is as good as a name: whose it is not learns nothing of it, and no record repeats it.
    let opened = context.site.tasks.open(&owner(context), &shown);
    let found =
        opened.and_then(|task| Some((context.site.targets.get_key_value(task.target.as_str())?, task)));
    let Some(((target, live), task)) = found else {
        return leads_nowhere(context, &request, "", &unknown());
    };
    let record = Pending::open(intent(context, &request.method, target, &task.tool));
    let permit = match permit(context, target, &task) {
        Ok(permit) => permit,
        Err(Denial::Hidden) => {
            record.close(Outcome::Denied);
            return refused(&request, &unknown());
        }
    };
    if task.generation != words(context.caller.era) {
        let errand = bridged::Errand { context, live, permit, task, shown };
        return errand.run(method, request, record).await;
    }
    let request = if method == TaskMethod::Update {
        match with_fitting_answers(context, live, (target, &permit, &task), request, &record.trail()).await {
            Ok(request) => request,
            Err((request, error)) => {
                record.close(Outcome::Error(error.code));
                return refused(&request, &error);
            }
        }
    } else {
        request
    };
    let within = task.mark;
    let tasks = Some(Tasks::Keeper(Keeper { task, shown, method }));
    dispatch(context, request, permit, Freight { param_headers: Vec::new(), tasks, within }, record).await
}

/// A `tasks/update` with those answers that the task waits for. Nothing is kept of what it asked: its server says it again.
async fn with_fitting_answers(
    context: &Context,
    live: &LiveTarget,
    (target, permit, task): (&Arc<str>, &Permit, &Task),
    request: Request,
    trail: &Trail,
) -> Result<Request, (Request, ErrorObject)> {
    let Some(answers) = request.params.object("inputResponses").filter(|answers| !answers.is_empty()) else {
        return Ok(request);
    };
    let get = call(task, TaskMethod::Get, None);
    let said = match live.upstream.dispatch(permit, &context.caller, get).await {
        Ok(reply) => reply.last().await,
        Err(error) => Err(error),
    };
    let said = match said {
        Ok(response) => response.result().cloned().unwrap_or_else(Object::empty),
        Err(error) => return Err((request, error.to_error(target))),
    };
    match fitting(&said, &answers, &rules(context, live, target), trail) {
        Ok(answers) => {
            let params = Edit::of(&request.params).set("inputResponses", answers).finish().into_raw();
            let params = Object::of(&params).unwrap_or_else(Object::empty);
            Ok(Request { params, ..request })
        }
        Err(why) => Err((request, ErrorObject::new(INVALID_PARAMS, format!("{why}.")))),
    }
}

/// Has a tool that only works as a task called as one, for a client that does not know to ask for it.
pub(super) fn prepare(context: &Context, request: &mut Request, item: &Item) {
    let required = item.task_support == TaskSupport::Required;
    if !required || knows_core(context) || request.params.has("task") {
        return;
    }
    let params = Edit::of(&request.params).set("task", &b"{}"[..]).finish().into_raw();
    if let Some(params) = Object::of(&params) {
        request.params = params;
    }
}

/// What is done if the server makes a task of this request; `None`: it cannot.
pub(super) fn maker(
    context: &Context,
    request: &Request,
    live: &LiveTarget,
    permit: &Permit,
) -> Option<Tasks> {
    let asked = request.method == Method::CallTool && request.params.object("task").is_some();
    let (core, extension) = match context.caller.era {
        _ if request.method != Method::CallTool => return None,
        Era::Legacy if asked && knows_core(context) => {
            let tell = Then::Tell(Generation::Core);
            (Some(tell), Some(tell))
        }
        Era::Legacy if live.upstream.is_legacy() && !asked => return None,
        Era::Legacy => (asked.then_some(Then::Wait), Some(Then::Wait)),
        Era::Modern => {
            let declared = context.declares_tasks();
            let tell = Then::Tell(Generation::Extension);
            // A task of a legacy server asks its questions of whoever waits for its result.
            let asks = || !live.upstream.abilities(&context.caller).is_empty();
            let core = asked.then(|| if declared && !asks() { tell } else { Then::Wait });
            (core, declared.then_some(tell))
        }
    };
    if core.is_none() && extension.is_none() {
        return None;
    }
    let permit = permit.clone();
    let link = Link { upstream: live.upstream.clone(), permit, caller: context.caller.clone() };
    let ids = context.site.tasks.clone();
    Some(Tasks::Maker(Maker { ids, owner: owner(context), core, extension, link, known: None, mark: None }))
}

/// The words in which clients of an era speak of tasks.
fn words(era: Era) -> Generation {
    match era {
        Era::Legacy => Generation::Core,
        Era::Modern => Generation::Extension,
    }
}

/// Whether the client may know of the tasks of 2025-11-25. Without a session nobody knows which revision it speaks.
fn knows_core(context: &Context) -> bool {
    let spoken = context.session.as_ref().and_then(|session| session.hello()).map(|hello| hello.version);
    context.caller.era == Era::Legacy && spoken.is_none_or(|version| version >= Version::V2025_11_25)
}

fn owner(context: &Context) -> Owner {
    Owner { principal: context.caller.principal.key(), gateway: context.site.name.clone() }
}

fn permit(context: &Context, target: &Arc<str>, task: &Task) -> Result<Permit, Denial> {
    let operation = Operation {
        gateway: context.site.name.clone(),
        target: target.clone(),
        action: Action::Task(task.id.as_str().into()),
        item: task.tool.clone(),
    };
    context.site.policy.authorize(&context.caller.principal, operation)
}

/// MCP 2026-07-28, `io.modelcontextprotocol/tasks`: nobody looks after a task who does not say that they understand it.
fn undeclared() -> ErrorObject {
    let sentence =
        format!("The client did not declare the extension `{}`; declare it to use tasks.", meta::TASKS);
    ErrorObject::new(MISSING_CAPABILITY, sentence)
        .with_data(json!({ "requiredCapabilities": { "extensions": { meta::TASKS: {} } } }))
}
