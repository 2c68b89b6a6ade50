//! Servers of 2026-07-28 and later: each request stands for itself and says who asks.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use mcp::code::{HEADER_MISMATCH, INVALID_REQUEST, MISSING_CAPABILITY, UNSUPPORTED_VERSION};
use mcp::header::{MCP_METHOD, MCP_NAME, MCP_PARAM_PREFIX, encode_value};
use mcp::{Era, Object, Outcome, Raw, Version, object};

use super::Failure;
use super::answer::{Answer, Received};
use super::endpoint::{Endpoint, PROTOCOL_VERSION, Parcel, Repeat};
use super::session::code;
use super::stream::{Peer, reply};
use crate::ask::Ask;
use crate::deadline::Deadline;
use crate::relay::{Asks, Relay};
use crate::{Caller, Logs, Reply, ServerFacts, Upkeep, UpstreamError, facts, params};

const METHOD: HeaderName = HeaderName::from_static(MCP_METHOD);
const NAME: HeaderName = HeaderName::from_static(MCP_NAME);
const VERSION: HeaderValue = HeaderValue::from_static(Version::NEWEST.as_str());

/// What `server/discover` brought to light.
pub(super) enum Discovery {
    /// A modern server, and what it says about itself.
    Modern(ServerFacts),
    /// A modern server that did not say.
    Withheld(String),
    /// It answered, and not as a modern server does.
    NotModern(String),
}

/// Asks a modern server.
///
/// # Errors
/// It did not answer, or did not take the request in the way of a server that is not modern.
pub(super) async fn ask(endpoint: &Endpoint, ask: &Ask<'_>, deadline: Deadline) -> Result<Reply, Failure> {
    let id = endpoint.next_id();
    let method = ask.method(Era::Modern);
    let mut headers = headers(method.as_str());
    if let Some(name) = ask.named() {
        headers.insert(NAME, value(&encode_value(name))?);
    }
    for (name, text) in ask.param_headers() {
        let name = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .filter(|name| name.as_str().starts_with(MCP_PARAM_PREFIX));
        if let Some(name) = name {
            headers.insert(name, value(text)?);
        }
    }
    let repeat = if ask.is_idempotent() { Repeat::Safe } else { Repeat::Never };
    let message = ask.request(Version::NEWEST, id);
    let parcel = Parcel { principal: ask.principal(), headers, message, repeat };
    let received = endpoint.post(parcel, &deadline).await?;
    let doubtful = is_doubtful(&received);
    let outcome = reply(received, ask.relay(id, Asks::default()), Peer::Silent, deadline);
    if doubtful { Err(Failure::Refused(outcome)) } else { Ok(outcome?) }
}

/// Asks the server to introduce itself.
///
/// # Errors
/// It could not be asked: that says nothing about its era.
pub(super) async fn discover(
    endpoint: &Endpoint,
    caller: Option<&Caller>,
) -> Result<Discovery, UpstreamError> {
    let id = endpoint.next_id();
    let deadline = endpoint.connect_deadline();
    let message = params::prepare_upkeep(&Upkeep::Ping, caller, id, Version::NEWEST);
    let principal = caller.map(|caller| &*caller.principal);
    let parcel = Parcel { principal, headers: headers("server/discover"), message, repeat: Repeat::Safe };
    let received = endpoint.post(parcel, &deadline).await?;
    if received.status.is_server_error() {
        return Err(UpstreamError::Lost(format!("it answered HTTP {}", received.status.as_u16())));
    }
    let relay = Relay { id, progress: None, logs: Logs::Off, asks: Asks::default() };
    let answered = match reply(received, relay, Peer::Silent, deadline) {
        Ok(reply) => reply.last().await,
        Err(error) => Err(error),
    };
    Ok(match answered {
        Ok(response) => match &response.outcome {
            Outcome::Result(result) => facts::of_discover(result).map_or_else(
                || Discovery::NotModern("it offers no modern version that the gateway speaks".to_owned()),
                Discovery::Modern,
            ),
            Outcome::Error(error) => refused(error),
        },
        Err(UpstreamError::BrokeProtocol(why)) => Discovery::NotModern(why),
        Err(error) => return Err(error),
    })
}

/// The headers of every modern request.
pub(super) fn headers(method: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(PROTOCOL_VERSION, VERSION);
    if let Ok(method) = HeaderValue::from_str(&encode_value(method)) {
        headers.insert(METHOD, method);
    }
    headers
}

/// Only a modern server makes these errors (MCP 2026-07-28, Error Codes); all others can come from any server.
fn refused(error: &Raw) -> Discovery {
    let why = || format!("it refused `server/discover` with error {}", code(error).unwrap_or_default());
    match code(error) {
        Some(HEADER_MISMATCH | MISSING_CAPABILITY) => Discovery::Withheld(why()),
        Some(UNSUPPORTED_VERSION) if offers_newest(error) => Discovery::Withheld(why()),
        _ => Discovery::NotModern(why()),
    }
}

fn offers_newest(error: &Raw) -> bool {
    let data = Object::of(error).and_then(|error| error.object("data"));
    let supported = data.and_then(|data| data.get("supported")).map(|versions| object::elements(&versions));
    supported
        .unwrap_or_default()
        .iter()
        .any(|text| text.to_text().as_deref() == Some(Version::NEWEST.as_str()))
}

/// Whether the server refused the request unseen, as one does that is not modern or not any more: the transport's refusal
/// without a JSON-RPC answer, or with an error that is not about the request but about how it was brought.
fn is_doubtful(received: &Received) -> bool {
    let transport = matches!(received.status.as_u16(), 400 | 404 | 405);
    match &received.answer {
        Answer::NotMcp(_) => transport,
        Answer::Json(mcp::Body::Single(mcp::Message::Response(response))) => match &response.outcome {
            Outcome::Error(error) => match code(error) {
                Some(UNSUPPORTED_VERSION) => true,
                Some(INVALID_REQUEST | -32019..=-32000) => transport,
                _ => false,
            },
            Outcome::Result(_) => false,
        },
        _ => false,
    }
}

fn value(text: &str) -> Result<HeaderValue, UpstreamError> {
    HeaderValue::from_str(text)
        .map_err(|_| UpstreamError::Unreachable("a header of the request cannot be written".to_owned()))
}
