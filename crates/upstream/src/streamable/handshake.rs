//! How a session with a legacy server begins: `initialize`, its answer, `notifications/initialized`.

use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};
use mcp::{Method, Outcome, Payload, Raw, Response};

use super::endpoint::{Endpoint, Parcel, Repeat};
use super::session::{Session, code};
use super::stream::{Peer, reply};
use crate::relay::{Asks, Relay};
use crate::{Affinity, Caller, Logs, UpstreamError, abilities, facts, params};

/// Bytes of a session id. Servers use some tens.
const ID_MAX: usize = 1024;

/// Why there is no session.
#[derive(Clone, Debug)]
pub(super) struct OpenError {
    /// What to report.
    pub(super) error: UpstreamError,
    /// Whether the server may be one that is spoken to differently.
    pub(super) evidence: Evidence,
}

/// What a failed handshake says about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Nothing.
    None,
    /// It answered, and not as a legacy server does.
    NotLegacy,
    /// HTTP 400 or 405: it may speak HTTP+SSE (MCP 2025-11-25, Backwards Compatibility).
    PerhapsSse,
    /// HTTP 404: it may speak HTTP+SSE as well, or there is nothing at this path.
    NotFound,
}

/// Opens a session for `caller`, or for the gateway itself.
///
/// # Errors
/// Why not, and what that says about the server.
pub(super) async fn shake(endpoint: &Arc<Endpoint>, caller: Option<&Caller>) -> Result<Session, OpenError> {
    let (response, status, id) = initialize(endpoint, caller).await?;
    let result = match response.outcome {
        Outcome::Result(result) => result,
        Outcome::Error(error) => {
            let error =
                UpstreamError::BrokeProtocol(format!("it refused `initialize` ({})", code_text(&error)));
            return Err(OpenError { error, evidence: Evidence::of(status) });
        }
    };
    let facts =
        facts::of_initialize(&result).map_err(|error| OpenError { error, evidence: Evidence::NotLegacy })?;
    if id.as_ref().is_some_and(|id| id.len() > ID_MAX) {
        let error = UpstreamError::BrokeProtocol(format!("its session id is longer than {ID_MAX} bytes"));
        return Err(error.into());
    }
    let session = Session::new(endpoint, id, facts, caller.map(|caller| caller.principal.clone()));
    let initialized = params::notification("notifications/initialized", params::object([]));
    let received = session.post_own(initialized, Repeat::Safe).await?;
    if !received.status.is_success() {
        let status = received.status.as_u16();
        tracing::warn!(target.name = %endpoint.target.name, status, "the server refused `notifications/initialized`");
    }
    Ok(session)
}

/// Asks, and returns the answer with its HTTP status and the id of the new session.
async fn initialize(
    endpoint: &Endpoint,
    caller: Option<&Caller>,
) -> Result<(Response, StatusCode, Option<HeaderValue>), OpenError> {
    let id = endpoint.next_id();
    let deadline = endpoint.connect_deadline();
    let parcel = Parcel {
        principal: caller.map(|caller| &*caller.principal),
        headers: HeaderMap::new(),
        message: params::request(id, Method::Initialize.as_str(), introduction(endpoint, caller)),
        repeat: Repeat::Safe,
    };
    let received = endpoint.post(parcel, &deadline).await?;
    let (status, session) = (received.status, received.session.clone());
    let relay = Relay { id, progress: None, logs: Logs::Off, asks: Asks::default() };
    let answer = reply(received, relay, Peer::Silent, deadline)
        .map_err(|error| OpenError { error, evidence: Evidence::of(status) })?;
    Ok((answer.last().await?, status, session))
}

/// What the server is told about those who use the session.
fn introduction(endpoint: &Endpoint, caller: Option<&Caller>) -> Payload {
    let affinity = caller.map_or(Affinity::Gateway, Caller::affinity);
    let capabilities = params::capabilities(caller, affinity, abilities::own(&endpoint.target));
    params::of_initialize(capabilities, caller.and_then(|caller| caller.info.clone()))
}

impl Evidence {
    /// What a status says that did not come with an `InitializeResult`.
    fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            400 | 405 => Self::PerhapsSse,
            404 => Self::NotFound,
            // A server in trouble says nothing about how it is spoken to.
            500.. => Self::None,
            _ => Self::NotLegacy,
        }
    }
}

impl From<UpstreamError> for OpenError {
    fn from(error: UpstreamError) -> Self {
        Self { error, evidence: Evidence::None }
    }
}

fn code_text(error: &Raw) -> String {
    code(error).map_or_else(|| "without a code".to_owned(), |code| format!("error {code}"))
}
