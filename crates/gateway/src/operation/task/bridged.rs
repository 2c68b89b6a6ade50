//! A request about a task whose server speaks of tasks in other words than the client.

use audit::{Outcome, Pending};
use exchange::task::{
    Follower, Generation, Link, Task, Tasks, acknowledged, call, inlined, is_over, to_core, unknown,
};
use exchange::{Answer, Exchange, Unfit};
use mcp::code::{BACKEND_BROKE_PROTOCOL, ErrorObject, INVALID_PARAMS, URL_ELICITATION_REQUIRED};
use mcp::{Object, Outcome as Said, Raw, Request, Response, TaskMethod};
use policy::Permit;
use upstream::UpstreamError;

use super::super::{Context, Freight, dispatch, refused};
use crate::site::LiveTarget;

/// One request, permitted.
pub(super) struct Errand<'a> {
    pub(super) context: &'a Context,
    pub(super) live: &'a LiveTarget,
    pub(super) permit: Permit,
    pub(super) task: Task,
    /// The client's id.
    pub(super) shown: String,
}

/// Why there is no result.
pub(super) enum Failure {
    /// The server could not be asked.
    Upstream(UpstreamError),
    /// It refused, with this error object.
    Refused(Raw),
    /// What it answered is not fit for the client.
    Unfit(Unfit),
}

impl Errand<'_> {
    /// Carries it out.
    pub(super) async fn run(self, method: TaskMethod, request: Request, record: Pending) -> Exchange {
        if method == TaskMethod::Result {
            return self.follow(request, record).await;
        }
        let _lease = self.live.calls.token();
        let done = match self.task.generation {
            Generation::Extension => self.of_extension(method).await,
            Generation::Core => self.of_core(method).await,
        };
        match done {
            Ok(result) => {
                record.close(Outcome::Ok);
                Exchange::answered(request.id.clone(), Answer::result(&request.id, result.into()))
            }
            Err(failure) => self.failed(&request, failure, record),
        }
    }

    /// A legacy client about a task of a modern server.
    async fn of_extension(&self, method: TaskMethod) -> Result<Raw, Failure> {
        if method == TaskMethod::Cancel {
            self.ask(TaskMethod::Cancel).await?;
        }
        Ok(to_core(&self.get().await?, &self.shown))
    }

    /// A modern client about a task of a legacy server.
    pub(super) async fn of_core(&self, method: TaskMethod) -> Result<Raw, Failure> {
        let task = self.get().await?;
        let status = task.string("status").unwrap_or_default();
        match method {
            TaskMethod::Cancel if is_over(&status) => Ok(acknowledged()),
            TaskMethod::Cancel => self.ask(TaskMethod::Cancel).await.map(|_| acknowledged()),
            // Nothing was asked that could be answered so.
            TaskMethod::Update => Ok(acknowledged()),
            _ if matches!(status.as_str(), "completed" | "failed") => {
                let response = self.send(TaskMethod::Result).await.map_err(Failure::Upstream)?;
                inlined(&task, &self.shown, Some(&response)).map_err(Failure::Unfit)
            }
            _ => inlined(&task, &self.shown, None).map_err(Failure::Unfit),
        }
    }

    /// A legacy client that waits for the result of a modern server's task.
    async fn follow(self, request: Request, record: Pending) -> Exchange {
        let Some(permit) = self.permit.for_task(&self.task.id) else {
            record.close(Outcome::Error(INVALID_PARAMS));
            return refused(&request, &unknown());
        };
        let link = Link { upstream: self.live.upstream.clone(), permit, caller: self.context.caller.clone() };
        let within = self.task.mark;
        let tasks = Some(Tasks::Follower(Follower { task: self.task, shown: self.shown, link }));
        let asks = Request { method: mcp::Method::Task(TaskMethod::Get), ..request };
        let freight = Freight { param_headers: Vec::new(), tasks, within };
        dispatch(self.context, asks, self.permit, freight, record).await
    }

    async fn get(&self) -> Result<Object, Failure> {
        self.ask(TaskMethod::Get).await
    }

    async fn ask(&self, method: TaskMethod) -> Result<Object, Failure> {
        let response = self.send(method).await.map_err(Failure::Upstream)?;
        match &response.outcome {
            Said::Result(result) => Ok(Object::of(result).unwrap_or_else(Object::empty)),
            Said::Error(error) => Err(Failure::Refused(error.clone())),
        }
    }

    pub(super) async fn send(&self, method: TaskMethod) -> Result<Response, UpstreamError> {
        let call = call(&self.task, method, None);
        self.live.upstream.dispatch(&self.permit, &self.context.caller, call).await?.last().await
    }

    fn failed(&self, request: &Request, failure: Failure, record: Pending) -> Exchange {
        let error = match failure {
            Failure::Upstream(error) => {
                let (gateway, target) = (&self.context.site.name, &self.task.target);
                tracing::warn!(gateway.name = %gateway, target.name = %target, %error, "call failed");
                error.to_error(target)
            }
            Failure::Unfit(unfit) => ErrorObject::new(
                BACKEND_BROKE_PROTOCOL,
                format!("The server `{}` {unfit}; ask its operator.", self.task.target),
            ),
            // Whatever else the server says of it may name its own id.
            Failure::Refused(error) => match ErrorObject::read(&error).code {
                INVALID_PARAMS => unknown(),
                code => ErrorObject::new(
                    // A question that nobody can be asked here.
                    if code == URL_ELICITATION_REQUIRED { BACKEND_BROKE_PROTOCOL } else { code },
                    format!("The server `{}` refused what was asked about its task.", self.task.target),
                ),
            },
        };
        record.close(Outcome::Error(error.code));
        refused(request, &error)
    }
}
