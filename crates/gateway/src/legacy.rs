//! Legacy requests over Streamable HTTP (2025-03-26 to 2025-11-25): initialize, sessions, batches, and everything in a session.

mod batch;

use std::sync::{Arc, OnceLock};

use exchange::{Accepts, Hello, Session, Steps, present, resumable};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use identity::Principal;
use mcp::code::{ErrorObject, INVALID_PARAMS, INVALID_REQUEST, QUOTA};
use mcp::header::{MCP_PROTOCOL_VERSION, MCP_SESSION_ID};
use mcp::{
    Body as Message, Edit, Era, Id, Message as One, Method, Notification, Object, Raw, Request,
    Response as Reply, Version,
};
use net::Body;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use upstream::{Abilities, Caller, Logs};

use crate::modern;
use crate::operation::{self, Context};
use crate::places::{Place, Places};
use crate::refusal::Refusal;
use crate::site::Site;

static VERSION: HeaderName = HeaderName::from_static(MCP_PROTOCOL_VERSION);

/// What of an `initialize` is remembered, in bytes.
const HELLO_MAX: usize = 16 * 1024;

/// A legacy client on one request.
pub struct Client {
    /// The gateway it came to.
    pub site: Arc<Site>,
    /// Who calls.
    pub principal: Arc<Principal>,
    /// Which forms of answer it takes.
    pub accepts: Accepts,
    /// Where the further requests of a batch find their places.
    pub places: Places,
    /// The place of its first request.
    pub place: Arc<Place>,
    /// When its credential ends.
    pub until: Option<Instant>,
}

/// Where a request came to, whose it is, and which forms of answer its client takes.
pub type Whose<'a> = (&'a Arc<Site>, &'a Arc<Principal>, Accepts);

/// Answers a POST.
///
/// # Errors
/// The request is not carried out.
pub async fn post(client: Client, headers: &HeaderMap, body: Message) -> Result<Response<Body>, Refusal> {
    if let Message::Single(One::Request(request)) = &body
        && request.method == Method::Initialize
    {
        return initialize(&client, request).await;
    }
    let session = session(&client, headers)?;
    let version = version(&client.site, headers, session.as_deref())?;
    match body {
        Message::Single(One::Request(request)) => {
            let whose = (&client.site, &client.principal, client.accepts);
            let steps = start(whose, session.clone(), request, client.place);
            Ok(resumable::answer(steps, client.accepts, session, client.until).await)
        }
        Message::Single(One::Notification(notification)) => {
            notified(session.as_deref(), &notification);
            Ok(accepted())
        }
        Message::Single(One::Response(response)) => {
            heard((&client.site, &client.principal), session.as_deref(), &response);
            Ok(accepted())
        }
        Message::Batch(messages) if version == Version::V2025_03_26 => {
            batch::answer(client, session, messages).await
        }
        Message::Batch(_) => {
            Err(Refusal::Misplaced("This revision has no batches; send one message at a time."))
        }
    }
}

/// Ends a session.
///
/// # Errors
/// There is none to end.
pub async fn delete(
    site: &Site,
    principal: &Principal,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let Some(sessions) = &site.sessions else { return Err(Refusal::MethodNotAllowed("POST")) };
    let id = session_id(headers)?.ok_or(Refusal::NoSession)?;
    let session = sessions.close(id, principal.key()).ok_or(Refusal::UnknownSession)?;
    site.release(&session);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

async fn initialize(client: &Client, request: &Request) -> Result<Response<Body>, Refusal> {
    let hello =
        greeting(&client.site, request).map_err(|error| Refusal::Invalid(Some(request.id.clone()), error))?;
    let sessions = client.site.sessions.as_ref();
    let opened = match sessions.map(|sessions| sessions.open(client.principal.key())).transpose() {
        Ok(opened) => opened,
        Err(error) => {
            let error = ErrorObject::new(QUOTA, format!("No session was opened: {error}."));
            return Ok(present::json(exchange::Answer::error(Some(&request.id), &error), Era::Legacy));
        }
    };
    if let Some((_, session)) = &opened {
        session.greet(&hello);
    }
    let session = opened.as_ref().map(|(_, session)| session.clone());
    let whose = (&client.site, &client.principal, client.accepts);
    let context = context(whose, session, Some(&hello));
    let result = operation::initialize_result(&context, hello.version).await;
    let mut response =
        present::at_once(exchange::Answer::result(&request.id, result), Era::Legacy, client.accepts);
    if let Some(id) = opened.and_then(|(id, _)| HeaderValue::try_from(id).ok()) {
        response.headers_mut().insert(MCP_SESSION_ID, id);
    }
    Ok(response)
}

/// Reads an `initialize` and settles the revision: the client's if it is spoken here, else the newest that is.
///
/// # Errors
/// The error to answer with.
pub fn greeting(site: &Site, request: &Request) -> Result<Hello, ErrorObject> {
    let wrong = |member| {
        ErrorObject::new(INVALID_PARAMS, format!("`{member}` is missing or malformed in `initialize`."))
    };
    let requested = request.params.string("protocolVersion").ok_or_else(|| wrong("protocolVersion"))?;
    let version = Version::parse(&requested)
        .filter(|version| site.legacy_versions().any(|spoken| spoken == *version))
        .or_else(|| site.legacy_versions().next_back())
        .ok_or_else(|| modern::unsupported(site.config.versions.iter().copied(), &requested))?;
    let capabilities = match request.params.get("capabilities") {
        None => Raw::value(&serde_json::json!({})),
        Some(capabilities) if capabilities.is_object() => capabilities,
        Some(_) => return Err(wrong("capabilities")),
    };
    let info = request.params.get("clientInfo").filter(Raw::is_object);
    let size = capabilities.as_bytes().len() + info.as_ref().map_or(0, |info| info.as_bytes().len());
    if size > HELLO_MAX {
        let sentence =
            format!("`capabilities` and `clientInfo` have {size} bytes; the bound is {HELLO_MAX}.");
        return Err(ErrorObject::new(INVALID_PARAMS, sentence));
    }
    let abilities = Abilities::of(&capabilities);
    Ok(Hello { version, capabilities, abilities, info })
}

/// Starts a request, which goes on also without its client: one that disconnects has not cancelled it.
pub fn start(whose: Whose<'_>, session: Option<Arc<Session>>, request: Request, place: Arc<Place>) -> Steps {
    let running = match (&session, request.id.key()) {
        (Some(session), Some(id)) => match session.begin(id) {
            Some(running) => Some(running),
            None => return immediately(&request.id, &already_running()),
        },
        _ => None,
    };
    let line = session.clone().filter(|_| whose.2.events());
    let context = context(whose, session, None);
    let cancelled =
        running.as_ref().map_or_else(CancellationToken::new, |running| running.cancelled().clone());
    let request = without_answers(request);
    let exchange = async move { operation::operate(&context, request).await };
    Steps::of(exchange, line, cancelled, (running, place))
}

/// The answer to a request that is not carried out.
pub(crate) fn immediately(id: &Id, error: &ErrorObject) -> Steps {
    let exchange = exchange::Exchange::answered(id.clone(), exchange::Answer::error(Some(id), error));
    Steps::of(async move { exchange }, None, CancellationToken::new(), ())
}

/// A request without what a modern client answers a modern server's questions with: to this client the gateway asks them,
/// and brings the answers back itself.
fn without_answers(mut request: Request) -> Request {
    let carried = ["inputResponses", "requestState"];
    if request.method.name_param().is_some() && carried.iter().any(|key| request.params.get(key).is_some()) {
        let [answers, state] = carried;
        let params = Edit::of(&request.params).remove(answers).remove(state).finish().into_raw();
        request.params = Object::of(&params).unwrap_or(request.params);
    }
    request
}

fn already_running() -> ErrorObject {
    ErrorObject::new(
        INVALID_REQUEST,
        "A request with this id is still running in this session; use each id once.",
    )
}

/// Takes note of a notification. Only cancellation means anything to the gateway; what it does not know is not an error.
pub fn notified(session: Option<&Session>, notification: &Notification) {
    if notification.method != "notifications/cancelled" {
        return;
    }
    let id = notification.params.get("requestId").and_then(|id| Id::of(&id)).and_then(|id| id.key());
    if let (Some(session), Some(id)) = (session, id) {
        session.cancel(&id);
    }
}

/// Takes a response to the question it answers. One that answers none has no effect, and is recorded.
pub fn heard((site, principal): (&Site, &Principal), session: Option<&Session>, response: &Reply) {
    if !session.is_some_and(|session| session.answered(response)) {
        operation::stray_answer(site, principal);
    }
}

pub(crate) fn context(
    (site, principal, accepts): Whose<'_>,
    session: Option<Arc<Session>>,
    hello: Option<&Hello>,
) -> Context {
    let hello = hello.or_else(|| session.as_ref().and_then(|session| session.hello()));
    // A question goes out on the call's stream and its answer comes back in the session.
    let can_be_asked = session.is_some() && accepts.events();
    let (capabilities, abilities) = match hello {
        None => (Object::empty().text().clone(), Abilities::NONE),
        Some(hello) if can_be_asked => (hello.capabilities.clone(), hello.abilities),
        Some(hello) => (upstream::unasked(&hello.capabilities), Abilities::NONE),
    };
    let caller = Caller {
        principal: principal.clone(),
        session: session.as_ref().map(|session| session.key()),
        era: Era::Legacy,
        abilities,
        capabilities,
        info: hello.and_then(|hello| hello.info.clone()),
    };
    let logs = session.as_ref().map_or(Logs::ServersChoice, |session| session.logs());
    Context { site: site.clone(), caller, logs, session, headers: None, extensions: OnceLock::new() }
}

/// The request's session; `None` where the gateway has none.
fn session(client: &Client, headers: &HeaderMap) -> Result<Option<Arc<Session>>, Refusal> {
    named_session(&client.site, &client.principal, headers)
}

pub(crate) fn named_session(
    site: &Site,
    principal: &Principal,
    headers: &HeaderMap,
) -> Result<Option<Arc<Session>>, Refusal> {
    let id = session_id(headers)?;
    let Some(sessions) = &site.sessions else {
        // Whoever names a session had one before sessions were switched off, and has to learn that it is over.
        return if id.is_some() { Err(Refusal::UnknownSession) } else { Ok(None) };
    };
    let id = id.ok_or(Refusal::NoSession)?;
    let found = sessions.find(id, principal.key());
    if found.is_none() && sessions.is_foreign(id, principal.key()) {
        tracing::warn!(gateway.name = %site.name, subject = principal.subject(), "somebody else's session was named");
    }
    found.map(Some).ok_or(Refusal::UnknownSession)
}

pub(crate) fn session_id(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut ids = headers.get_all(MCP_SESSION_ID).iter();
    let id = ids.next();
    if ids.next().is_some() {
        return Err(Refusal::Misplaced("The header `Mcp-Session-Id` is there more than once; send it once."));
    }
    Ok(id.map(|id| id.to_str().unwrap_or_default()))
}

/// The revision a request is written in: the negotiated one, else what the header says, else 2025-03-26, which knows no
/// header (MCP 2025-06-18, Protocol Version Header).
pub(crate) fn version(
    site: &Site,
    headers: &HeaderMap,
    session: Option<&Session>,
) -> Result<Version, Refusal> {
    let twice =
        Refusal::Misplaced("The header `MCP-Protocol-Version` is there more than once; send it once.");
    let header = match net::headers::single(headers, &VERSION).map_err(|_| twice)? {
        None => None,
        Some(value) => {
            let text = value.to_str().unwrap_or_default().trim();
            let version = Version::parse(text)
                .filter(|version| site.legacy_versions().any(|spoken| spoken == *version));
            Some(version.ok_or_else(|| Refusal::BadVersion(text.chars().take(64).collect()))?)
        }
    };
    let negotiated = session.and_then(Session::hello).map(|hello| hello.version);
    Ok(negotiated.or(header).unwrap_or(Version::V2025_03_26))
}

fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
