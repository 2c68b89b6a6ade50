//! A client's parameters as their server is to read them.
//!
//! Replaces the name or URI by the permitted one and the hop keys of `_meta` by the gateway's own. Everything else
//! stays as the client wrote it, byte for byte.

use std::sync::LazyLock;

use bytes::Bytes;
use mcp::meta::{
    CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROGRESS_TOKEN, PROTOCOL_VERSION, SERVER_INFO,
    SUBSCRIPTION_ID,
};
use mcp::{Edit, Era, Method, Object, Payload, Raw, Splice, Version, write};
use policy::{Action, Permit};

use crate::presented::{Tasks, presentable};
use crate::{Abilities, Affinity, Call, Caller, Level, Logs, Upkeep};

#[cfg(test)]
mod tests;

/// A text shorter than this is joined before it is sent: one copy costs less than many small writes.
const JOIN_MAX: usize = 16 * 1024;

/// Who the gateway says it is, where no client is.
static OWN_INFO: LazyLock<Raw> = LazyLock::new(|| {
    Raw::value(&serde_json::json!({ "name": "portcullis", "version": env!("CARGO_PKG_VERSION") }))
});
static MODERN: LazyLock<Raw> = LazyLock::new(|| Raw::string(Version::NEWEST.as_str()));
static NOTHING: LazyLock<Raw> = LazyLock::new(|| Object::empty().text().clone());

/// A client's operation as a whole request of a server that speaks `version`. Name or URI come from the permit; `id` is
/// the gateway's own request id, which also serves as the progress token.
pub(crate) fn prepare(call: &Call, permit: &Permit, id: u64, caller: &Caller, version: Version) -> Payload {
    request(id, call.method.as_str(), of_call(call, subject(permit), id, caller, version.era()))
}

/// What a permitted operation is about, as its server calls it: a name, a URI, a task.
pub(crate) fn subject(permit: &Permit) -> &str {
    let operation = permit.operation();
    match &operation.action {
        Action::Task(id) => id,
        _ => &operation.item,
    }
}

/// The gateway's own question as a whole request; `caller` is whose identity it is asked under. A modern server has no
/// `ping`: it is asked to introduce itself.
pub(crate) fn prepare_upkeep(upkeep: &Upkeep, caller: Option<&Caller>, id: u64, version: Version) -> Payload {
    let hop = Hop { era: version.era(), caller, logs: Logs::Off, progress: None, tasks: Tasks::of(caller) };
    let meta = hop.fresh().map(|meta| ("_meta", meta));
    match (upkeep, hop.era) {
        (Upkeep::List { kind, cursor }, _) => {
            let cursor = cursor.as_deref().map(|cursor| ("cursor", Raw::string(cursor).into()));
            request(id, kind.list_method(), object(cursor.into_iter().chain(meta)))
        }
        (Upkeep::Ping, Era::Legacy) => request(id, Method::Ping.as_str(), object(meta)),
        (Upkeep::Ping, Era::Modern) => request(id, Method::Discover.as_str(), object(meta)),
    }
}

/// The parameters of `subscriptions/listen` (MCP 2026-07-28): `flags` are members of its filter, for changed lists; `uris`
/// are the resources.
pub(crate) fn of_listen<'u>(
    flags: &[&'static str],
    uris: impl IntoIterator<Item = &'u str>,
    caller: Option<&Caller>,
) -> Payload {
    let flags = flags.iter().map(|flag| (*flag, Payload::from(Bytes::from_static(b"true"))));
    let uris: Vec<_> = uris.into_iter().collect();
    let resources = (!uris.is_empty())
        .then(|| ("resourceSubscriptions", Payload::from(Raw::value(&serde_json::json!(uris)))));
    let flags = flags.chain(resources);
    let tasks = Tasks::of(caller);
    let meta = Hop { era: Era::Modern, caller, logs: Logs::Off, progress: None, tasks }.fresh();
    object([("notifications", object(flags))].into_iter().chain(meta.map(|meta| ("_meta", meta))))
}

/// The capabilities that a legacy server is told of whoever uses this affinity's session; `own` is what the gateway can
/// be asked itself.
pub(crate) fn capabilities(caller: Option<&Caller>, affinity: Affinity, own: Abilities) -> Raw {
    match (affinity, caller) {
        (Affinity::Session(..), Some(caller)) => presentable(&caller.capabilities, Tasks::Withheld),
        // Requests share it whatever each of them declares besides: only what they have in common is told.
        (Affinity::Principal(_, abilities), _) => Raw::value(&abilities.to_capabilities()),
        _ => Raw::value(&own.to_capabilities()),
    }
}

/// The parameters of `initialize`; `info` is whose client it is, where there is one.
pub(crate) fn of_initialize(capabilities: Raw, info: Option<Raw>) -> Payload {
    let info = info.unwrap_or_else(|| OWN_INFO.clone());
    object([
        ("protocolVersion", Raw::string(Version::NEWEST_LEGACY.as_str()).into()),
        ("capabilities", capabilities.into()),
        ("clientInfo", info.into()),
    ])
}

/// The parameters of `resources/subscribe` and `resources/unsubscribe`.
pub(crate) fn of_uri(uri: &str) -> Payload {
    object([("uri", Raw::string(uri).into())])
}

/// The parameters of `logging/setLevel`.
pub(crate) fn of_set_level(level: Level) -> Payload {
    object([("level", Raw::string(level.as_str()).into())])
}

/// The parameters of `notifications/cancelled` for a request of ours.
pub(crate) fn of_cancelled(id: u64) -> Payload {
    let reason = Raw::string("the client no longer waits for the answer");
    object([("requestId", Raw::number(id).into()), ("reason", reason.into())])
}

/// A whole request.
pub(crate) fn request(id: u64, method: &str, params: Payload) -> Payload {
    joined(write::request(id, method, params))
}

/// A whole notification.
pub(crate) fn notification(method: &str, params: Payload) -> Payload {
    joined(write::notification(method, params))
}

/// An object with these members; keys need no escaping.
pub(crate) fn object(members: impl IntoIterator<Item = (&'static str, Payload)>) -> Payload {
    let mut whole = Payload::default();
    whole.push(&b"{"[..]);
    for (index, (key, value)) in members.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        whole.push(format!("{comma}\"{key}\":"));
        whole.append(value);
    }
    whole.push(&b"}"[..]);
    whole
}

fn of_call(call: &Call, item: &str, id: u64, caller: &Caller, era: Era) -> Payload {
    let params = &call.params;
    let progress = call.progress.as_ref().map(|_| Raw::number(id));
    let tasks = match (caller.era, &call.method) {
        (Era::Legacy, Method::CallTool | Method::Task(_)) => Tasks::Awaited,
        _ => Tasks::of(Some(caller)),
    };
    let hop = Hop { era, caller: Some(caller), logs: call.logs, progress, tasks };
    let mut splice = Splice::of(params.text());
    let mut edit = Edit::of(params);
    let reference = if call.method == Method::Complete { params.object("ref") } else { None };
    if let Some(reference) = &reference {
        splice.apply(Edit::of(reference).set(reference_key(reference), Raw::string(item)));
    } else if let Some(key) = item_key(&call.method, params, item) {
        edit = edit.set(key, Raw::string(item));
    }
    let meta = params.meta();
    match meta {
        Some(meta) => splice.apply(hop.apply(Edit::of(meta))),
        None => {
            if let Some(meta) = hop.fresh() {
                edit = edit.set("_meta", meta);
            }
        }
    }
    splice.apply(edit);
    splice.finish()
}

fn joined(whole: Payload) -> Payload {
    if whole.len() <= JOIN_MAX { whole.into_bytes().into() } else { whole }
}

/// The member of `ref` that says what is to be completed. Whatever else stands there, its `type` decides.
fn reference_key(reference: &Object) -> &'static str {
    match reference.string("type").as_deref() {
        Some("ref/resource") => "uri",
        _ => "name",
    }
}

/// The parameter that has to be set for the server to do what was permitted; `None` when it stands there already.
fn item_key(method: &Method, params: &Object, item: &str) -> Option<&'static str> {
    let key = match method {
        Method::Other(_) if item.is_empty() => None,
        // A request that has both was routed by its URI.
        Method::Other(_) => ["uri", "name"].into_iter().find(|key| params.text_of(key).is_some()),
        Method::Task(_) => Some("taskId"),
        method => method.name_param(),
    }?;
    let same = params.text_of(key).is_some_and(|text| text == item);
    (!same).then_some(key)
}

/// The keys of `_meta` that mean something between two neighbours only.
struct Hop<'a> {
    era: Era,
    caller: Option<&'a Caller>,
    logs: Logs,
    progress: Option<Raw>,
    tasks: Tasks,
}

impl Hop<'_> {
    fn apply<'e>(&self, edit: Edit<'e>) -> Edit<'e> {
        let edit = match &self.progress {
            Some(token) => edit.set(PROGRESS_TOKEN, token.clone()),
            None => edit.remove(PROGRESS_TOKEN),
        };
        let edit = edit.remove(SUBSCRIPTION_ID).remove(SERVER_INFO);
        match self.era {
            Era::Modern => self.introduce(edit),
            Era::Legacy => edit
                .remove(PROTOCOL_VERSION)
                .remove(CLIENT_CAPABILITIES)
                .remove(CLIENT_INFO)
                .remove(LOG_LEVEL),
        }
    }

    /// What a modern request says about its client (MCP 2026-07-28, Per-request metadata).
    fn introduce<'e>(&self, edit: Edit<'e>) -> Edit<'e> {
        let info = self.caller.and_then(|caller| caller.info.clone()).unwrap_or_else(|| OWN_INFO.clone());
        let told = |caller: &Caller| presentable(&caller.capabilities, self.tasks);
        let capabilities = self.caller.map_or_else(|| NOTHING.clone(), told);
        let edit = edit
            .set(PROTOCOL_VERSION, MODERN.clone())
            .set(CLIENT_INFO, info)
            .set(CLIENT_CAPABILITIES, capabilities);
        match self.logs {
            Logs::From(level) => edit.set(LOG_LEVEL, Raw::string(level.as_str())),
            Logs::Off | Logs::ServersChoice => edit.remove(LOG_LEVEL),
        }
    }

    /// A `_meta` of its own; `None` when there is nothing to say.
    fn fresh(&self) -> Option<Payload> {
        let empty = Object::empty();
        let meta = self.apply(Edit::of(&empty)).finish();
        (meta.len() > empty.text().as_bytes().len()).then_some(meta)
    }
}
