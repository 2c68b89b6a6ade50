//! Modern requests (2026-07-28): what each must carry, checked in the order the revision's conformance suite expects.

use config::Gateway;
use http::HeaderMap;
use mcp::code::{ErrorObject, HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION};
use mcp::header::{MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION, decode_value};
use mcp::{Era, Message, Method, Object, Raw, Request, Version, meta};
use upstream::{Level, Logs};

/// What a modern request says about its client.
#[derive(Debug)]
pub struct Facts {
    /// Its capabilities, as declared on this request.
    pub capabilities: Raw,
    /// Which program it is.
    pub info: Option<Raw>,
    /// Which log messages it wants.
    pub logs: Logs,
}

/// Whether a message is written in the modern way: its `_meta` says so, or the version header names a revision without
/// handshake. Decided before the method is looked at.
#[must_use]
pub fn is_modern(headers: &HeaderMap, message: &Message) -> bool {
    let params = match message {
        Message::Request(request) => Some(&request.params),
        Message::Notification(notification) => Some(&notification.params),
        Message::Response(_) => None,
    };
    let declared =
        params.and_then(|params| params.meta()).is_some_and(|meta| meta.has(meta::PROTOCOL_VERSION));
    declared || header_is_modern(headers)
}

/// Whether the version header alone names a revision without handshake.
#[must_use]
pub fn header_is_modern(headers: &HeaderMap) -> bool {
    let version =
        headers.get(MCP_PROTOCOL_VERSION).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let is_date = version.len() == 10 && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_date && version > Version::NEWEST_LEGACY.as_str()
}

/// Checks everything about a modern request that does not depend on its method.
///
/// # Errors
/// The error to answer with, as HTTP 400.
pub fn check(gateway: &Gateway, headers: &HeaderMap, request: &Request) -> Result<Facts, ErrorObject> {
    let meta = request.params.meta().ok_or_else(|| missing("_meta"))?;
    let version = meta.text_of(meta::PROTOCOL_VERSION).ok_or_else(|| missing(meta::PROTOCOL_VERSION))?;
    let capabilities = meta
        .get(meta::CLIENT_CAPABILITIES)
        .filter(Raw::is_object)
        .ok_or_else(|| missing(meta::CLIENT_CAPABILITIES))?;
    must_equal(headers, MCP_PROTOCOL_VERSION, &version, Spelling::Plain)?;
    is_supported(gateway, &version)?;
    must_equal(headers, MCP_METHOD, request.method.as_str(), Spelling::Plain)?;
    name_must_equal(headers, request)?;
    let level = meta.text_of(meta::LOG_LEVEL);
    let logs = match level.as_deref().map(Level::parse) {
        None => Logs::Off,
        Some(Some(level)) => Logs::From(level),
        Some(None) => {
            return Err(ErrorObject::new(
                INVALID_PARAMS,
                format!("`{}` names no log level.", meta::LOG_LEVEL),
            ));
        }
    };
    Ok(Facts { capabilities, info: meta.get(meta::CLIENT_INFO).filter(Raw::is_object), logs })
}

/// The modern revisions a gateway speaks.
pub fn versions(gateway: &Gateway) -> impl Iterator<Item = Version> {
    gateway.versions.iter().copied().filter(|version| version.era() == Era::Modern)
}

fn is_supported(gateway: &Gateway, requested: &str) -> Result<(), ErrorObject> {
    if versions(gateway).any(|version| version.as_str() == requested) {
        return Ok(());
    }
    Err(unsupported(versions(gateway), requested))
}

/// -32022: names what is spoken here.
#[must_use]
pub fn unsupported(spoken: impl Iterator<Item = Version>, requested: &str) -> ErrorObject {
    let supported: Vec<_> = spoken.map(Version::as_str).collect();
    ErrorObject::new(
        UNSUPPORTED_VERSION,
        format!(
            "The protocol version `{}` is not spoken here; use one of: {}.",
            cut(requested),
            supported.join(", ")
        ),
    )
    .with_data(serde_json::json!({ "supported": supported, "requested": requested }))
}

fn missing(member: &str) -> ErrorObject {
    ErrorObject::new(
        INVALID_PARAMS,
        format!("`{member}` is missing or malformed; every request of this revision needs it."),
    )
}

/// `Mcp-Name` repeats what `params` names, for those methods that name something.
fn name_must_equal(headers: &HeaderMap, request: &Request) -> Result<(), ErrorObject> {
    let Some(param) = named_by(request) else { return Ok(()) };
    match request.params.text_of(param) {
        Some(name) => must_equal(headers, MCP_NAME, &name, Spelling::Encoded),
        // Without a name the request fails for that reason, in its own operation.
        None => Ok(()),
    }
}

fn named_by(request: &Request) -> Option<&'static str> {
    let method = &request.method;
    let looks_after = matches!(method, Method::Task(_)) && method.exists_in(Era::Modern);
    method.name_param().or_else(|| looks_after.then_some("taskId"))
}

/// How a header spells what the body says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// As it is.
    Plain,
    /// In base64 where it has to be (MCP 2026-07-28, Streamable HTTP, value encoding).
    Encoded,
}

fn must_equal(headers: &HeaderMap, name: &str, body: &str, spelling: Spelling) -> Result<(), ErrorObject> {
    let mismatch = |why: &str| ErrorObject::new(HEADER_MISMATCH, format!("The header `{name}` {why}."));
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| mismatch("is missing; it must repeat what the body says"))?;
    if values.next().is_some() {
        return Err(mismatch("is there more than once; send it once"));
    }
    let equal = match spelling {
        Spelling::Plain => value.as_bytes().trim_ascii() == body.as_bytes(),
        Spelling::Encoded => {
            let decoded = decode_value(value.as_bytes());
            decoded.map_err(|error| mismatch(&format!("cannot be read: {error}")))? == body
        }
    };
    if equal { Ok(()) } else { Err(mismatch("does not say the same as the body")) }
}

/// As much of a client's text as a message of ours repeats.
fn cut(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(64).collect()
}

/// The extensions that `capabilities` name, with their settings.
#[must_use]
pub fn extensions(capabilities: &Raw) -> Object {
    Object::of(capabilities).and_then(|object| object.object("extensions")).unwrap_or_else(Object::empty)
}

/// Whether a client that declared these `capabilities` understands tasks (`io.modelcontextprotocol/tasks`).
#[must_use]
pub fn declares_tasks(capabilities: &Raw) -> bool {
    understands_tasks(&extensions(capabilities))
}

/// Whether tasks are among these extensions.
#[must_use]
pub fn understands_tasks(extensions: &Object) -> bool {
    extensions.get(meta::TASKS).is_some_and(|settings| settings.is_object())
}
