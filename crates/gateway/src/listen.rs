//! `subscriptions/listen` of a modern client (MCP 2026-07-28, Subscriptions): what it asked for and may see, on one stream.
//!
//! Acknowledged first, with what is really watched; each message carries the request's own id; ended with a result.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use exchange::{Accepts, Answer, Interests, KEEP_ALIVE, Reader, Writer, notify, present};
use http::Response;
use mcp::code::{ErrorObject, INVALID_PARAMS};
use mcp::{Era, Id, Kind, Object, Payload, Request, object};
use net::Body;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};

use crate::attend::Attended;
use crate::follow::Follower;
use crate::modern;
use crate::operation::{self, Context};
use crate::places::Place;
use crate::refusal::Refusal;
use crate::site::inbox_bounds;
use crate::standing::Standing;

/// Resources that servers are asked to watch at a time for one request.
const ASKED_MAX: usize = 32;

/// Members of a filter.
const RESOURCES: &str = "resourceSubscriptions";
const TASK_IDS: &str = "taskIds";

/// The lists of which a filter may speak. That of resources stands for the templates, too.
const LISTS: [Kind; 3] = [Kind::Tool, Kind::Prompt, Kind::Resource];

/// Opens a stream.
///
/// # Errors
/// The client takes no events, or has as many streams as it may.
pub(crate) async fn open(
    context: Context,
    request: Request,
    accepts: Accepts,
    standing: Standing,
) -> Result<Response<Body>, Refusal> {
    if !accepts.events() {
        return Err(Refusal::NotAcceptable);
    }
    let Some(filter) = request.params.object("notifications") else {
        let error = ErrorObject::new(
            INVALID_PARAMS,
            "`notifications` is missing, or not an object; say what you want to be told.",
        );
        return Ok(present::json(Answer::error(Some(&request.id), &error), Era::Modern));
    };
    let place = standing.place(&context.site, &context.caller.principal)?;
    let interests = Arc::new(Interests::new(inbox_bounds(&context.site.limits)));
    let lists = wanted_lists(&filter);
    let reader = Reader::Listener(request.id.clone());
    let mut follower =
        Follower::new(standing.sites.clone(), context.clone(), interests.clone(), reader, lists.clone());
    // From here on every change counts, also one that happens while servers are still asked.
    follower.see().await;
    let resources = watch(&context, &filter, &interests).await;
    let mut tasks = Attended::new();
    let attended =
        tasks.to(&standing.sites, &context, wanted_tasks(&context, &filter, resources.len())).await;
    let acknowledged = notify::acknowledged(&request.id, &honoured(&lists, &filter, [&resources, &attended]));
    let (writer, body) = Writer::open(standing.until);
    let stream = Stream { context, id: request.id, writer, follower, tasks, _place: place };
    tokio::spawn(stream.run(acknowledged));
    Ok(present::event_stream(body))
}

struct Stream {
    context: Context,
    id: Id,
    writer: Writer,
    follower: Follower,
    tasks: Attended,
    _place: Place,
}

impl Stream {
    async fn run(mut self, acknowledged: Payload) {
        if self.writer.say(acknowledged).await.is_ok() {
            self.tell().await;
        }
    }

    async fn tell(&mut self) {
        let mut keep_alive = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        loop {
            let payload = tokio::select! {
                payload = self.follower.next() => payload,
                Some(task) = self.tasks.next() => Some(notify::task(&task, &self.id)),
                _ = keep_alive.tick() => {
                    if self.writer.keep_alive().await.is_err() {
                        return;
                    }
                    continue;
                }
                () = self.writer.gone() => return,
                () = self.context.site.drain.draining() => None,
                () = self.writer.over() => None,
            };
            let last = payload.is_none();
            let payload = payload.unwrap_or_else(|| notify::concluded(&self.id));
            if self.writer.say(payload).await.is_err() || last {
                return;
            }
        }
    }
}

fn wanted_lists(filter: &Object) -> Vec<Kind> {
    let asked = |name: &str| filter.get(name).is_some_and(|flag| flag.as_bytes() == b"true");
    LISTS.into_iter().filter(|kind| asked(kind.listen_flag())).collect()
}

/// What a filter names under `key`, each once, as far as one stream may have them.
fn named(filter: &Object, key: &str, most: usize) -> Vec<String> {
    let texts = filter.get(key).map(|texts| object::elements(&texts)).unwrap_or_default();
    let mut named = HashSet::new();
    let texts = texts.iter().filter_map(|text| text.to_text()).map(Cow::into_owned);
    texts.filter(|text| named.insert(text.clone())).take(most).collect()
}

/// The ids of tasks that a filter names, for a client that understands tasks; what it may have is less what it has.
fn wanted_tasks(context: &Context, filter: &Object, has: usize) -> Vec<String> {
    match modern::declares_tasks(&context.caller.capabilities) {
        true => named(filter, TASK_IDS, context.site.limits.subscriptions_per_session.saturating_sub(has)),
        false => Vec::new(),
    }
}

/// Has servers watch the resources; answers which are watched. What cannot be watched is left out.
async fn watch(context: &Context, filter: &Object, interests: &Arc<Interests>) -> Vec<String> {
    let wanted = named(filter, RESOURCES, context.site.limits.subscriptions_per_session);
    for some in wanted.chunks(ASKED_MAX) {
        let mut asked = JoinSet::new();
        for uri in some {
            let (context, interests, uri) = (context.clone(), interests.clone(), uri.clone());
            asked.spawn(async move { operation::watch_resource(&context, &uri, &interests).await });
        }
        while let Some(outcome) = asked.join_next().await {
            if let Ok(Err(error)) = outcome {
                tracing::debug!(error.code, error.message, "a resource is not watched");
            }
        }
    }
    let mut covered = wanted;
    covered.retain(|uri| interests.has(uri));
    covered
}

fn honoured(lists: &[Kind], filter: &Object, [resources, tasks]: [&[String]; 2]) -> Value {
    let mut honoured = Map::new();
    for kind in lists {
        honoured.insert(kind.listen_flag().to_owned(), Value::Bool(true));
    }
    for (key, covered) in [(RESOURCES, resources), (TASK_IDS, tasks)] {
        if filter.has(key) {
            honoured.insert(key.to_owned(), json!(covered));
        }
    }
    Value::Object(honoured)
}
