//! 2025-11-25 over HTTP: a handshake, then a session whose id comes with every request.
//!
//! It has never heard of later revisions, and refuses them as any server of its time does: without a session, with 400.

mod sessions;

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method as Verb, Request, Response, StatusCode};
use hyper::body::Incoming;
use mcp::code::{INVALID_PARAMS, LEGACY_REFUSED, LEGACY_SESSION_NOT_FOUND, result};
use mcp::header::{MCP_PROTOCOL_VERSION, MCP_SESSION_ID};
use mcp::{Era, Message, Method, Object, Raw, Version};
use net::Body;

use super::{Asking, Received, Refusal, Work, json, method_not_allowed, receive, status};
use crate::server::outlet::LogLevel;
use crate::server::question::Modes;
use crate::server::{Caller, Logs, Sample, dispatch};
use sessions::Sessions;

const SESSION_ID: HeaderName = HeaderName::from_static(MCP_SESSION_ID);

/// A sample served in 2025-11-25. Clones share its sessions.
#[derive(Clone)]
pub struct Legacy {
    sample: Arc<Sample>,
    sessions: Sessions,
}

impl Legacy {
    /// Serves `sample`.
    #[must_use]
    pub fn new(sample: Sample) -> Self {
        Self { sample: Arc::new(sample), sessions: Sessions::default() }
    }

    /// Answers one request to the endpoint.
    pub async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let answered = match *request.method() {
            Verb::POST => self.post(request).await,
            Verb::DELETE => self.end(request.headers()),
            // Nothing happens here that a client would have to be told of outside of a request.
            _ => Ok(method_not_allowed("POST, DELETE")),
        };
        answered.unwrap_or_else(Into::into)
    }

    async fn post(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let Received { headers, message } = receive(request).await?;
        match message {
            Message::Request(request) if request.method == Method::Initialize => {
                Ok(self.initialize(&request))
            }
            Message::Request(request) => {
                let session = self.session(&headers)?;
                if request.method == Method::SetLevel {
                    self.set_level(&session, &request)?;
                }
                let log = match self.sample.logs {
                    Logs::Info => self.sessions.level(&session),
                    Logs::None => LogLevel::Above,
                };
                let (sample, caller) = (self.sample.clone(), Caller::default());
                let asking = self.asking(session);
                let work = Work { sample, request, era: Era::Legacy, caller, log, asking };
                Ok(work.answer(&headers).await)
            }
            Message::Notification(_) => self.session(&headers).map(|_| status(StatusCode::ACCEPTED)),
            Message::Response(response) => {
                self.sessions.answered(&self.session(&headers)?, &response);
                Ok(status(StatusCode::ACCEPTED))
            }
        }
    }

    /// How the client of a session is asked.
    fn asking(&self, session: String) -> Asking {
        let sessions = self.sessions.clone();
        Asking::Stream(sessions.modes(&session), Box::new(move || sessions.ask(&session)))
    }

    fn initialize(&self, request: &mcp::Request) -> Response<Body> {
        let text = Raw::value(&dispatch::initialize(&self.sample, Version::NEWEST_LEGACY));
        let mut response = json(result(&request.id, text.into()));
        let capabilities = request.params.object("capabilities").unwrap_or_else(Object::empty);
        if let Ok(id) = HeaderValue::try_from(self.sessions.open(Modes::of(&capabilities))) {
            response.headers_mut().insert(SESSION_ID, id);
        }
        response
    }

    fn set_level(&self, session: &str, request: &mcp::Request) -> Result<(), Refusal> {
        let level = request.params.string("level").and_then(|name| LogLevel::parse(&name));
        let Some(level) = level else {
            let refusal = Refusal::new(StatusCode::OK, INVALID_PARAMS, "`level` names no log level.");
            return Err(Refusal { id: Some(request.id.clone()), ..refusal });
        };
        self.sessions.set_level(session, level);
        Ok(())
    }

    fn end(&self, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
        self.sessions.close(&self.session(headers)?);
        Ok(status(StatusCode::NO_CONTENT))
    }

    /// The session a request belongs to. The version header may be absent; where it is there, it has to be right.
    fn session(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let value = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let no = |status, code, why: &str| Err(Refusal::new(status, code, why));
        let Some(id) = value(MCP_SESSION_ID) else {
            return no(
                StatusCode::BAD_REQUEST,
                LEGACY_REFUSED,
                "Bad Request: no session; send `initialize` first.",
            );
        };
        if !self.sessions.is_open(id) {
            return no(StatusCode::NOT_FOUND, LEGACY_SESSION_NOT_FOUND, "Session not found");
        }
        match value(MCP_PROTOCOL_VERSION) {
            None => Ok(id.to_owned()),
            Some(version) if version == Version::NEWEST_LEGACY.as_str() => Ok(id.to_owned()),
            Some(_) => {
                no(StatusCode::BAD_REQUEST, LEGACY_REFUSED, "Bad Request: unsupported protocol version")
            }
        }
    }
}
