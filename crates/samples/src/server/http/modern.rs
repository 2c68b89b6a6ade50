//! 2026-07-28 over HTTP: every request stands for itself, and its headers repeat what its body says.

use std::sync::Arc;

use http::header::HeaderMap;
use http::{Method as Verb, Request, Response, StatusCode};
use hyper::body::Incoming;
use mcp::code::{ErrorObject, HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, UNSUPPORTED_VERSION};
use mcp::header::{MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION, decode_value};
use mcp::{Era, Message, Method, Object, Version, meta};
use net::Body;
use serde_json::json;

use super::{Asking, Received, Refusal, Work, method_not_allowed, receive, status};
use crate::server::outlet::LogLevel;
use crate::server::question::Modes;
use crate::server::{Caller, Logs, Sample};

/// A sample served in 2026-07-28. Clones share it.
#[derive(Clone)]
pub struct Modern {
    sample: Arc<Sample>,
}

impl Modern {
    /// Serves `sample`.
    #[must_use]
    pub fn new(sample: Sample) -> Self {
        Self { sample: Arc::new(sample) }
    }

    /// Answers one request of `caller` to the endpoint.
    pub async fn handle(&self, request: Request<Incoming>, caller: Caller) -> Response<Body> {
        if request.method() != Verb::POST {
            return method_not_allowed("POST");
        }
        match receive(request).await {
            Ok(received) => self.post(received, caller).await.unwrap_or_else(Into::into),
            Err(refusal) => refusal.into(),
        }
    }

    async fn post(&self, received: Received, caller: Caller) -> Result<Response<Body>, Refusal> {
        let Received { headers, message } = received;
        let request = match message {
            Message::Request(request) => request,
            Message::Notification(_) => return Ok(status(StatusCode::ACCEPTED)),
            Message::Response(_) => {
                let why = "Questions are answered by sending the request again.";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, why));
            }
        };
        let asked_for = check(&headers, &request).map_err(|error| Refusal {
            status: StatusCode::BAD_REQUEST,
            id: Some(request.id.clone()),
            error,
        })?;
        let log = if self.sample.logs == Logs::Info { asked_for } else { LogLevel::Above };
        let meta = request.params.object("_meta").unwrap_or_else(Object::empty);
        let capabilities = meta.object(meta::CLIENT_CAPABILITIES).unwrap_or_else(Object::empty);
        let asking = Asking::Result(Modes::of(&capabilities));
        let work = Work { sample: self.sample.clone(), request, era: Era::Modern, caller, log, asking };
        Ok(work.answer(&headers).await)
    }
}

/// What every request has to carry, in the order in which the conformance suite expects it to be missed. Answers from which
/// level on the client wants log messages.
fn check(headers: &HeaderMap, request: &mcp::Request) -> Result<LogLevel, ErrorObject> {
    let meta = request.params.object("_meta").unwrap_or_else(Object::empty);
    let version = match meta.string(meta::PROTOCOL_VERSION) {
        Some(version) => version,
        // Only an older client sends this; it has to learn that it came to the wrong server.
        None if request.method == Method::Initialize => {
            let asked_for = request.params.string("protocolVersion").unwrap_or_default();
            return Err(unsupported(&asked_for));
        }
        None => return Err(missing(meta::PROTOCOL_VERSION)),
    };
    if meta.object(meta::CLIENT_CAPABILITIES).is_none() {
        return Err(missing(meta::CLIENT_CAPABILITIES));
    }
    repeats(headers, MCP_PROTOCOL_VERSION, &version)?;
    if version != Version::NEWEST.as_str() {
        return Err(unsupported(&version));
    }
    repeats(headers, MCP_METHOD, request.method.as_str())?;
    if let Some(name) = request.method.name_param().and_then(|param| request.params.string(param)) {
        repeats(headers, MCP_NAME, &name)?;
    }
    match meta.string(meta::LOG_LEVEL) {
        None => Ok(LogLevel::Above),
        Some(level) => LogLevel::parse(&level).ok_or_else(|| missing(meta::LOG_LEVEL)),
    }
}

/// Whether a header says the same as the body.
fn repeats(headers: &HeaderMap, name: &str, body: &str) -> Result<(), ErrorObject> {
    let mut values = headers.get_all(name).iter();
    let (value, more) = (values.next(), values.next());
    let same = value.and_then(|value| decode_value(value.as_bytes()).ok()).is_some_and(|value| value == body);
    if same && more.is_none() {
        return Ok(());
    }
    Err(ErrorObject::new(HEADER_MISMATCH, format!("The header `{name}` must say once what the body says.")))
}

fn missing(member: &str) -> ErrorObject {
    ErrorObject::new(INVALID_PARAMS, format!("`_meta` needs a valid `{member}`."))
}

fn unsupported(requested: &str) -> ErrorObject {
    let newest = Version::NEWEST.as_str();
    let requested: String = requested.chars().take(64).collect();
    ErrorObject::new(UNSUPPORTED_VERSION, format!("This server speaks {newest} only."))
        .with_data(json!({ "supported": [newest], "requested": requested }))
}
