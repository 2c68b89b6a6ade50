//! Error codes and error objects.

use crate::{Id, Object, Payload, Raw};

/// The text could not be parsed (JSON-RPC 2.0).
pub const PARSE_ERROR: i64 = -32700;
/// The text is not a request (JSON-RPC 2.0).
pub const INVALID_REQUEST: i64 = -32600;
/// The method does not exist (JSON-RPC 2.0).
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters do not fit (JSON-RPC 2.0); also an unknown tool, and for modern clients an unknown resource.
pub const INVALID_PARAMS: i64 = -32602;
/// Something broke (JSON-RPC 2.0).
pub const INTERNAL_ERROR: i64 = -32603;
/// A transport's refusal (legacy implementations' range), such as a missing session.
pub const LEGACY_REFUSED: i64 = -32000;
/// What legacy implementations say for a session they do not know.
pub const LEGACY_SESSION_NOT_FOUND: i64 = -32001;
/// Resource not found, up to 2025-11-25.
pub const LEGACY_RESOURCE_NOT_FOUND: i64 = -32002;
/// The person has to visit a URL first (MCP 2025-11-25 only).
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// A standard header is missing or contradicts the body (MCP 2026-07-28).
pub const HEADER_MISMATCH: i64 = -32020;
/// The client lacks a capability that the request needs (MCP 2026-07-28).
pub const MISSING_CAPABILITY: i64 = -32021;
/// The protocol version is not spoken here (MCP 2026-07-28).
pub const UNSUPPORTED_VERSION: i64 = -32022;

// The gateway's own, outside every range that JSON-RPC or MCP reserve.

/// Policy refuses this call of a tool the caller may see.
pub const POLICY_DENIED: i64 = 1403;
/// The backend's answer is larger than the bound.
pub const ANSWER_TOO_LARGE: i64 = 1413;
/// A quota is used up.
pub const QUOTA: i64 = 1429;
/// The backend broke the protocol.
pub const BACKEND_BROKE_PROTOCOL: i64 = 1502;
/// The backend, or something the gateway depends on, cannot be used.
pub const UNAVAILABLE: i64 = 1503;
/// The backend did not answer in time.
pub const BACKEND_TIMEOUT: i64 = 1504;

/// What went wrong, in the form JSON-RPC gives to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    /// One of the constants of this module.
    pub code: i64,
    /// What happened, to what, and the way on.
    pub message: String,
    /// For programs.
    pub data: Option<serde_json::Value>,
}

impl ErrorObject {
    /// An error without data.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The error object written as `text`, with whatever of it can be understood.
    #[must_use]
    pub fn read(text: &Raw) -> Self {
        let object = Object::of(text);
        let member = |key: &str| object.as_ref().and_then(|object| object.get(key));
        let message = member("message").and_then(|text| text.to_text().map(std::borrow::Cow::into_owned));
        Self {
            code: member("code").and_then(|code| whole(&code)).unwrap_or(INTERNAL_ERROR),
            message: message.unwrap_or_default(),
            data: member("data").map(|data| data.to_value()),
        }
    }

    /// The same error with data.
    #[must_use]
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The `error` member's text.
    #[must_use]
    pub fn to_raw(&self) -> Raw {
        let mut error = serde_json::json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        Raw::value(&error)
    }

    /// A whole response; `id` is null where the request's own could not be read.
    #[must_use]
    pub fn response(&self, id: Option<&Id>) -> Payload {
        response("error", id, self.to_raw().into())
    }
}

/// A code as the most forgiving of clients reads it: `-32042.0` and `"-32042"` are the same to some.
fn whole(code: &Raw) -> Option<i64> {
    let text = code.to_text().unwrap_or_else(|| code.as_str().into());
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0).then(|| format!("{number:.0}").parse().ok())?
    })
}

/// A whole response that carries `result`.
#[must_use]
pub fn result(id: &Id, result: Payload) -> Payload {
    response("result", Some(id), result)
}

/// A whole response that carries an `error` as somebody else wrote it.
#[must_use]
pub fn failed(id: &Id, error: Raw) -> Payload {
    response("error", Some(id), error.into())
}

fn response(member: &str, id: Option<&Id>, value: Payload) -> Payload {
    let id = id.map_or("null", |id| id.text().as_str());
    let mut whole = Payload::default();
    whole.push(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{member}\":"));
    whole.append(value);
    whole.push(&b"}"[..]);
    whole
}
