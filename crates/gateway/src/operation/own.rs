//! What the gateway answers itself: who it is, what it can do, and small requests about the connection.

use std::collections::BTreeMap;

use catalogue::Freshness;
use exchange::{Answer, Exchange};
use mcp::code::{ErrorObject, INVALID_PARAMS};
use mcp::{Edit, Era, Object, Payload, Raw, Request, Version, meta as keys};
use serde_json::{Map, Value, json};
use upstream::Level;

use super::{Context, refused, unknown_method};
use crate::modern;

/// Instructions of one server that are passed on, in bytes.
const INSTRUCTIONS_OF_ONE_MAX: usize = 4 * 1024;
/// Instructions in all, in bytes.
const INSTRUCTIONS_MAX: usize = 32 * 1024;

/// `ping`.
pub(super) fn ping(request: Request) -> Exchange {
    let answer = Answer::result(&request.id, Raw::value(&json!({})).into());
    Exchange::answered(request.id, answer)
}

/// `logging/setLevel`: remembered for the session, and told to each server before its next call.
pub(super) fn set_level(context: &Context, request: &Request) -> Exchange {
    let Some(session) = &context.session else { return refused(request, &unknown_method(&request.method)) };
    let level = request.params.string("level").and_then(|name| Level::parse(&name));
    let Some(level) = level else {
        let error = ErrorObject::new(
            INVALID_PARAMS,
            "`level` must be one of debug, info, notice, warning, error, critical, alert, emergency.",
        );
        return refused(request, &error);
    };
    session.set_level(level);
    Exchange::answered(request.id.clone(), Answer::result(&request.id, Raw::value(&json!({})).into()))
}

/// `server/discover`.
pub(super) async fn discover(context: &Context, request: Request) -> Exchange {
    let about = About::of(context).await;
    let mut result = json!({
        "supportedVersions": modern::versions(&context.site.config).map(Version::as_str).collect::<Vec<_>>(),
        "capabilities": about.capabilities,
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": { keys::SERVER_INFO: server_info(context) },
    });
    if let Some(instructions) = about.instructions {
        result["instructions"] = Value::String(instructions);
    }
    let answer = Answer::result(&request.id, Raw::value(&result).into());
    Exchange::answered(request.id, answer)
}

/// The result of `initialize`.
pub async fn initialize_result(context: &Context, version: Version) -> Payload {
    let about = About::of(context).await;
    let mut result = json!({
        "protocolVersion": version.as_str(),
        "capabilities": about.capabilities,
        "serverInfo": server_info(context),
    });
    if let Some(instructions) = about.instructions {
        result["instructions"] = Value::String(instructions);
    }
    Raw::value(&result).into()
}

/// A result of the gateway's own, with what a modern client needs to see in it.
pub(super) fn complete_result(era: Era, result: &Raw) -> Payload {
    let Some(object) = Object::of(result).filter(|_| era == Era::Modern) else {
        return result.clone().into();
    };
    Edit::of(&object)
        .set("resultType", Raw::string("complete"))
        .set("ttlMs", Raw::number(0))
        .set("cacheScope", Raw::string("private"))
        .finish()
}

/// The `_meta` of a list: which program made it, and which targets are missing from it.
pub(super) fn meta(era: Era, status: Option<Raw>) -> Option<Raw> {
    let mut meta = Map::new();
    if era == Era::Modern {
        meta.insert(keys::SERVER_INFO.to_owned(), program());
    }
    if let Some(status) = status {
        meta.insert(keys::STATUS.to_owned(), status.to_value());
    }
    (!meta.is_empty()).then(|| Raw::value(&Value::Object(meta)))
}

fn program() -> Value {
    json!({ "name": "portcullis", "version": env!("CARGO_PKG_VERSION") })
}

fn server_info(context: &Context) -> Value {
    let mut info = program();
    // 2024-11-05 and 2025-03-26 know no title; an unknown member does not hurt them.
    info["title"] = Value::String(context.site.config.name.clone());
    info
}

/// What the gateway can do for this caller: the union of what the servers behind it can, as far as the gateway carries it.
struct About {
    capabilities: Map<String, Value>,
    instructions: Option<String>,
}

impl About {
    async fn of(context: &Context) -> Self {
        let seen = super::seen(context, Freshness::Continued).await;
        if let Some(session) = &context.session {
            session.interests().see(super::digests(&seen.view));
        }
        let mut capabilities = Map::new();
        // The gateway's own status resource is always there.
        capabilities.insert("resources".to_owned(), list_capability(context));
        let mut extensions = BTreeMap::new();
        let mut instructions = context.site.config.instructions.clone().unwrap_or_default();
        for server in seen.view.servers() {
            let Some(facts) = &server.facts else { continue };
            add_capabilities(context, &facts.capabilities.to_value(), &mut capabilities, &mut extensions);
            if let Some(text) = &facts.instructions {
                add_instructions(&mut instructions, &server.target, text);
            }
        }
        if !extensions.is_empty() {
            capabilities.insert("extensions".to_owned(), json!(extensions));
        }
        Self { capabilities, instructions: Some(instructions).filter(|text| !text.is_empty()) }
    }
}

/// What having a list means to a client: it learns when the list changes, if it can be told anything.
fn list_capability(context: &Context) -> Value {
    if context.delivers() { json!({ "listChanged": true }) } else { json!({}) }
}

/// Nothing is advertised that the gateway does not deliver.
fn add_capabilities(
    context: &Context,
    server: &Value,
    all: &mut Map<String, Value>,
    extensions: &mut BTreeMap<String, Value>,
) {
    for name in ["tools", "prompts"] {
        if server.get(name).is_some() {
            all.insert(name.to_owned(), list_capability(context));
        }
    }
    if server.get("completions").is_some() {
        all.insert("completions".to_owned(), json!({}));
    }
    if context.delivers() && server.pointer("/resources/subscribe") == Some(&Value::Bool(true)) {
        all["resources"]["subscribe"] = Value::Bool(true);
    }
    // A legacy client's level has to be remembered somewhere, and log messages need a stream.
    let has_level = context.caller.era == Era::Modern || context.session.is_some();
    if has_level && server.get("logging").is_some() {
        all.insert("logging".to_owned(), json!({}));
    }
    let declared = server.get("extensions").and_then(Value::as_object);
    for (name, settings) in declared.into_iter().flatten().filter(|(name, _)| name.as_str() != keys::TASKS) {
        extensions.entry(name.clone()).or_insert_with(|| settings.clone());
    }
    add_tasks(context.caller.era, server, all, extensions);
}

/// Tasks, in the words of the client's era, whichever the server's are. No `list`: the gateway keeps none.
fn add_tasks(
    era: Era,
    server: &Value,
    all: &mut Map<String, Value>,
    extensions: &mut BTreeMap<String, Value>,
) {
    let extension = server.pointer("/extensions").is_some_and(|all| all.get(keys::TASKS).is_some());
    let core = server.pointer("/tasks/requests/tools/call").is_some();
    if !extension && !core {
        return;
    }
    match era {
        Era::Modern => {
            extensions.entry(keys::TASKS.to_owned()).or_insert_with(|| json!({}));
        }
        Era::Legacy => {
            let tasks =
                all.entry("tasks").or_insert_with(|| json!({ "requests": { "tools": { "call": {} } } }));
            if extension || server.pointer("/tasks/cancel").is_some() {
                tasks["cancel"] = json!({});
            }
        }
    }
}

fn add_instructions(all: &mut String, target: &str, text: &str) {
    let mut end = text.len().min(INSTRUCTIONS_OF_ONE_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let section = format!("\n\n## {target}\n{}", &text[..end]);
    if all.len() + section.len() <= INSTRUCTIONS_MAX {
        all.push_str(if all.is_empty() { section.trim_start() } else { &section });
    }
}
