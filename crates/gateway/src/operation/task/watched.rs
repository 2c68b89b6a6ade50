//! A task that a listening client is told of (`taskIds` of `subscriptions/listen`).
//!
//! Its server is asked how it is, and its answer is read as one to the client's own `tasks/get`: what is told there and what is
//! told here is one thing, judged once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use audit::{Outcome, Pending};
use exchange::Counted;
use exchange::task::{Generation, Keeper, Task, Unseen, interval, is_over};
use mcp::code::{ErrorObject, INVALID_PARAMS};
use mcp::{Method, Object, Outcome as Said, TaskMethod};
use policy::Denial;
use upstream::UpstreamError;

use super::super::{Context, intent, rules};
use super::bridged::{Errand, Failure};
use super::{owner, permit};
use crate::site::Site;

/// The least time between two questions how a task is: nobody waits for the answer.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// After an answer that tells nothing.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// One task of one listener.
pub(crate) struct WatchedTask {
    context: Context,
    task: Task,
    /// The client's id.
    shown: String,
    /// What the client was told last.
    told: Option<u64>,
    pause: Duration,
    _counted: Option<Counted>,
}

/// What is to be told.
pub(crate) enum News {
    /// The task, as it is now, and more to come.
    Now(Object),
    /// The task, as it will stay.
    Last(Object),
    /// Nothing for now.
    Nothing,
    /// Nothing any more.
    Over,
}

/// The task of an id, if its server knows it and may be asked for this client; `None`, whatever the reason, otherwise.
pub(crate) async fn watch_task(context: &Context, shown: String) -> Option<WatchedTask> {
    let site = &context.site;
    let opened = site.tasks.open(&owner(context), &shown);
    let Some((target, task)) = opened.and_then(|task| Some((target_of(site, &task)?, task))) else {
        let outcome = Outcome::Error(INVALID_PARAMS);
        Pending::open(intent(context, &Method::Listen, &Arc::from(""), "")).close(outcome);
        return None;
    };
    let record = Pending::open(intent(context, &Method::Listen, &target, &task.tool));
    let counted = match site.share_of(&context.caller.principal) {
        None => None,
        Some(whose) => match site.subscriptions.take(whose, site.limits.subscriptions_per_principal) {
            None => {
                record.close(Outcome::Error(mcp::code::QUOTA));
                return None;
            }
            counted => counted,
        },
    };
    // What a request repeats in its headers is not asked for again.
    let (context, pause) = (Context { headers: None, ..context.clone() }, Duration::ZERO);
    let watched = WatchedTask { context, task, shown, told: None, pause, _counted: counted };
    let (outcome, watched) = match watched.look().await {
        Ok(_) | Err(Look::Later) => (Outcome::Ok, Some(watched)),
        Err(Look::Hidden) => (Outcome::Denied, None),
        Err(Look::Never) => (Outcome::Error(INVALID_PARAMS), None),
    };
    record.close(outcome);
    watched
}

/// Why a look at a task shows nothing.
enum Look {
    /// Policy forbids it.
    Hidden,
    /// It may show something later.
    Later,
    /// It never will.
    Never,
}

impl WatchedTask {
    /// How long the task is to be left alone.
    pub(crate) fn pause(&self) -> Duration {
        self.pause
    }

    /// The gateway that it belongs to.
    pub(crate) fn gateway(&self) -> &str {
        &self.context.site.name
    }

    /// What there is to tell at `site`, which is the gateway as it is now.
    pub(crate) async fn news(&mut self, site: Arc<Site>) -> News {
        self.context.site = site;
        self.pause = PAUSE_MAX;
        let task = match self.look().await {
            Ok(task) => task,
            Err(Look::Later) => return News::Nothing,
            Err(Look::Hidden | Look::Never) => return News::Over,
        };
        self.pause = interval(&task, Generation::Extension).max(PAUSE_MIN);
        let over = task.text_of("status").is_some_and(|status| is_over(&status));
        let told = self.told.replace(digest(&task));
        match over {
            true => News::Last(task),
            false if told == self.told => News::Nothing,
            false => News::Now(task),
        }
    }

    /// How the task is, as `tasks/get` would answer this client.
    async fn look(&self) -> Result<Object, Look> {
        let (context, site) = (&self.context, &self.context.site);
        let target = target_of(site, &self.task).ok_or(Look::Never)?;
        let live = site.targets.get(&target).ok_or(Look::Never)?;
        let permit = permit(context, &target, &self.task).map_err(|Denial::Hidden| Look::Hidden)?;
        let _lease = live.calls.token();
        let (task, shown) = (self.task.clone(), self.shown.clone());
        let errand = Errand { context, live, permit, task, shown };
        if self.task.generation == Generation::Core {
            let seen = errand.of_core(TaskMethod::Get).await.map_err(Look::from)?;
            return Object::of(&seen).ok_or(Look::Never);
        }
        let response = errand.send(TaskMethod::Get).await.map_err(|error| Look::of(&error))?;
        if let Said::Error(error) = &response.outcome {
            return Err(Look::from(Failure::Refused(error.clone())));
        }
        let keeper = Keeper { task: errand.task, shown: errand.shown, method: TaskMethod::Get };
        keeper.seen(&response, &rules(context, live, &target)).map_err(|unseen| match unseen {
            Unseen::Unfit(_) => Look::Never,
            // Another client may answer.
            Unseen::Asks => Look::Later,
        })
    }
}

impl Look {
    fn of(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Gone | UpstreamError::Ended => Self::Never,
            _ => Self::Later,
        }
    }
}

impl From<Failure> for Look {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Upstream(error) => Self::of(&error),
            Failure::Refused(error) if ErrorObject::read(&error).code != INVALID_PARAMS => Self::Later,
            Failure::Refused(_) | Failure::Unfit(_) => Self::Never,
        }
    }
}

fn target_of(site: &Site, task: &Task) -> Option<Arc<str>> {
    site.targets.get_key_value(task.target.as_str()).map(|(name, _)| name.clone())
}

/// Tells two answers apart, without keeping one.
fn digest(task: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    task.text().as_bytes().hash(&mut hasher);
    hasher.finish()
}
