//! One request to one answer: the method chooses what is asked of the sample, the era how the result is dressed.

use mcp::code::{ErrorObject, INVALID_PARAMS, LEGACY_RESOURCE_NOT_FOUND, METHOD_NOT_FOUND, result};
use mcp::{Era, Kind, Method, Object, Payload, Raw, Request, Version, meta};
use serde_json::{Value, json};

use super::call::{Call, Caller};
use super::feature::{Tool, is_called};
use super::outlet::Notices;
use super::question::Inquiry;
use super::{Lists, Sample};

/// How long a client may keep a list that is the same for everyone, in milliseconds.
const SHARED_TTL_MS: u64 = 60_000;
/// Values one completion may answer (MCP, Completion).
const COMPLETIONS_MAX: usize = 100;

/// A request, and in which way and on whose behalf it was sent.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) era: Era,
    pub(super) caller: Caller,
    pub(super) notices: Notices,
    pub(super) inquiry: Inquiry,
}

/// How a request ended, as far as the transport wants to know.
pub(super) struct Answered {
    /// The whole response.
    pub(super) message: Payload,
    /// The code, where it is an error.
    pub(super) code: Option<i64>,
}

/// Answers a request.
pub(super) async fn answer(sample: &Sample, asked: Asked) -> Answered {
    let (id, era, method) = (asked.request.id.clone(), asked.era, asked.request.method.clone());
    match carry_out(sample, asked).await {
        Ok(value) => {
            let value = dress(sample, era, &method, value);
            Answered { message: result(&id, Raw::value(&value).into()), code: None }
        }
        Err(error) => Answered { message: error.response(Some(&id)), code: Some(error.code) },
    }
}

/// The result of `initialize`. A server of one legacy revision answers with that, whatever was asked for.
pub(super) fn initialize(sample: &Sample, version: Version) -> Value {
    json!({
        "protocolVersion": version.as_str(),
        "capabilities": sample.capabilities(),
        "serverInfo": sample.info(),
        "instructions": sample.instructions,
    })
}

async fn carry_out(sample: &Sample, asked: Asked) -> Result<Value, ErrorObject> {
    let Asked { request, era, caller, notices, inquiry } = asked;
    let Request { method, params, .. } = request;
    if !method.exists_in(era) || matches!(method, Method::Task(_)) {
        return Err(ErrorObject::new(METHOD_NOT_FOUND, format!("Method not found: {method}")));
    }
    match method {
        Method::Discover => Ok(discover(sample)),
        Method::List(kind) => list(sample, kind, &params, &caller),
        Method::CallTool => call(sample, &params, caller, notices, inquiry).await,
        Method::GetPrompt => prompt(sample, &params),
        Method::ReadResource => read(sample, &params, era),
        Method::Complete => complete(sample, &params),
        // Nothing here changes, so there is nothing to subscribe to.
        Method::Subscribe | Method::Unsubscribe | Method::Listen => {
            Err(ErrorObject::new(METHOD_NOT_FOUND, format!("Method not found: {method}")))
        }
        // What is left of the legacy methods has an empty result; a transport with sessions has acted on it already.
        Method::Ping | Method::SetLevel | Method::Initialize | Method::Task(_) | Method::Other(_) => {
            Ok(json!({}))
        }
    }
}

fn discover(sample: &Sample) -> Value {
    json!({
        "supportedVersions": [Version::NEWEST.as_str()],
        "capabilities": sample.capabilities(),
        "instructions": sample.instructions,
    })
}

fn list(sample: &Sample, kind: Kind, params: &Object, caller: &Caller) -> Result<Value, ErrorObject> {
    if params.get("cursor").is_some() {
        return Err(invalid("The cursor is not one of this server's: its lists have one page."));
    }
    let entries: Vec<&Value> = match kind {
        Kind::Tool => visible(sample, caller).map(|tool| &tool.entry).collect(),
        Kind::Prompt => sample.prompts.iter().map(|prompt| &prompt.entry).collect(),
        Kind::Resource => sample.resources.iter().map(|resource| &resource.entry).collect(),
        Kind::Template => sample.templates.iter().map(|template| &template.entry).collect(),
    };
    Ok(json!({ kind.result_key(): entries }))
}

async fn call(
    sample: &Sample,
    params: &Object,
    caller: Caller,
    notices: Notices,
    inquiry: Inquiry,
) -> Result<Value, ErrorObject> {
    let name = named(params, "name")?;
    let found = visible(sample, &caller).find(|tool| is_called(&tool.entry, "name", &name));
    let tool = found.ok_or_else(|| invalid(format!("Unknown tool: {name}")))?;
    let arguments = match params.get("arguments") {
        None => Object::empty(),
        Some(arguments) => Object::of(&arguments).ok_or_else(|| invalid("`arguments` must be an object."))?,
    };
    match (tool.run)(Call::new(caller, arguments, notices, inquiry)).await {
        Ok(done) => Ok(done.into_result()),
        Err(undone) => Ok(undone.into_result()),
    }
}

fn prompt(sample: &Sample, params: &Object) -> Result<Value, ErrorObject> {
    let name = named(params, "name")?;
    let found = sample.prompts.iter().find(|prompt| is_called(&prompt.entry, "name", &name));
    let prompt = found.ok_or_else(|| invalid(format!("Unknown prompt: {name}")))?;
    let arguments = params.object("arguments").unwrap_or_else(Object::empty);
    let messages = (prompt.get)(&arguments).map_err(|failed| invalid(failed.0))?;
    Ok(json!({ "description": prompt.entry["description"], "messages": messages }))
}

fn read(sample: &Sample, params: &Object, era: Era) -> Result<Value, ErrorObject> {
    let uri = named(params, "uri")?;
    let listed = sample.resources.iter().find(|resource| is_called(&resource.entry, "uri", &uri));
    let found = match listed {
        Some(resource) => Some((&resource.entry, (resource.text)())),
        None => sample.templates.iter().find_map(|template| Some((&template.entry, (template.read)(&uri)?))),
    };
    let Some((entry, text)) = found else {
        let code = if era == Era::Modern { INVALID_PARAMS } else { LEGACY_RESOURCE_NOT_FOUND };
        return Err(ErrorObject::new(code, "Resource not found").with_data(json!({ "uri": uri })));
    };
    Ok(json!({ "contents": [{ "uri": uri, "mimeType": entry["mimeType"], "text": text }] }))
}

fn complete(sample: &Sample, params: &Object) -> Result<Value, ErrorObject> {
    let reference = params.object("ref").ok_or_else(|| invalid("`ref` is missing, or not an object."))?;
    let argument =
        params.object("argument").ok_or_else(|| invalid("`argument` is missing, or not an object."))?;
    let (name, typed) = (named(&argument, "name")?, named(&argument, "value")?);
    let complete = match reference.string("type").as_deref() {
        Some("ref/prompt") => {
            let prompt = named(&reference, "name")?;
            let found = sample.prompts.iter().find(|known| is_called(&known.entry, "name", &prompt));
            found.ok_or_else(|| invalid(format!("Unknown prompt: {prompt}")))?.complete
        }
        Some("ref/resource") => {
            let template = named(&reference, "uri")?;
            let found =
                sample.templates.iter().find(|known| is_called(&known.entry, "uriTemplate", &template));
            found.ok_or_else(|| invalid(format!("Unknown resource template: {template}")))?.complete
        }
        _ => return Err(invalid("`ref.type` must be `ref/prompt` or `ref/resource`.")),
    };
    let mut values = complete.map(|complete| complete(&name)).unwrap_or_default();
    values.retain(|value| value.starts_with(&typed));
    let total = values.len();
    values.truncate(COMPLETIONS_MAX);
    Ok(json!({ "completion": { "values": values, "total": total, "hasMore": total > COMPLETIONS_MAX } }))
}

/// What a modern result has to say besides: that it is complete, who made it, and how long it may be kept.
fn dress(sample: &Sample, era: Era, method: &Method, mut result: Value) -> Value {
    if era == Era::Legacy {
        return result;
    }
    if result.get("resultType").is_none() {
        result["resultType"] = "complete".into();
    }
    result["_meta"] = json!({ meta::SERVER_INFO: sample.info() });
    if matches!(method, Method::Discover | Method::List(_) | Method::ReadResource) {
        let (scope, ttl_ms) = match sample.lists {
            Lists::Shared => ("public", SHARED_TTL_MS),
            Lists::PerCaller => ("private", 0),
        };
        result["cacheScope"] = scope.into();
        result["ttlMs"] = ttl_ms.into();
    }
    result
}

fn visible<'a>(sample: &'a Sample, caller: &Caller) -> impl Iterator<Item = &'a Tool> {
    sample.tools.iter().filter(|tool| tool.exists_for(caller))
}

fn named(params: &Object, key: &str) -> Result<String, ErrorObject> {
    params.string(key).ok_or_else(|| invalid(format!("`{key}` is missing, or not text.")))
}

fn invalid(message: impl Into<String>) -> ErrorObject {
    ErrorObject::new(INVALID_PARAMS, message)
}
