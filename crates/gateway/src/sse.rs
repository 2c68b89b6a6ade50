//! HTTP+SSE (2024-11-05): a GET opens the stream and with it the session; messages are posted beside it and answered on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use exchange::{Accepts, Answer, KEEP_ALIVE, Session, Steps, Writer, present};
use http::{Response, StatusCode};
use identity::{Principal, PrincipalKey};
use mcp::{Body as Message, Message as One, Method, Payload, Request, Version, sse};
use net::Body;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use upstream::SessionKey;

use crate::follow::Follower;
use crate::legacy;
use crate::operation;
use crate::places::Place;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::sites::Sites;
use crate::standing::Standing;

/// The open streams of one gateway, by session. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Streams(Arc<Open>);

#[derive(Debug, Default)]
struct Open(Mutex<HashMap<SessionKey, Stream>>);

/// The way to one client.
#[derive(Clone, Debug)]
struct Stream {
    writer: Arc<Writer>,
    /// Answers on their way.
    writers: TaskTracker,
}

/// Opens a stream. Its first event names the address for messages; the session ends with the stream.
///
/// # Errors
/// The gateway does not speak this revision, or no session can be opened.
pub fn open(
    site: &Arc<Site>,
    principal: &Arc<Principal>,
    standing: Standing,
) -> Result<Response<Body>, Refusal> {
    let speaks = site.config.streaming == config::Streaming::On
        && site.legacy_versions().any(|version| version == Version::V2024_11_05);
    let sessions = site.sessions.as_ref().filter(|_| speaks).ok_or(Refusal::NoSuchPath)?;
    let place = standing.place(site, principal)?;
    let (id, session) = sessions
        .open(principal.key())
        .map_err(|error| Refusal::Quota(format!("No stream was opened: {error}.")))?;
    let (writer, body) = Writer::open(standing.until);
    let stream = Stream { writer: Arc::new(writer), writers: TaskTracker::new() };
    site.streams.0.table().insert(session.key(), stream.clone());
    let endpoint = format!("/{}/sse/messages?sessionId={id}", site.name);
    let context = legacy::context((site, principal, Accepts::EventStream), Some(session.clone()), None);
    let follower = standing.follower(context, session.interests().clone());
    let told = Told { endpoint, follower, sites: standing.sites, _place: place };
    tokio::spawn(keep_open(site.clone(), principal.key(), id, session, stream, told));
    Ok(present::event_stream(body))
}

/// What the client is told outside its requests.
struct Told {
    /// Where it posts its messages: the first thing it is told.
    endpoint: String,
    follower: Follower,
    sites: Sites,
    _place: Place,
}

async fn keep_open(
    site: Arc<Site>,
    principal: PrincipalKey,
    id: String,
    session: Arc<Session>,
    stream: Stream,
    mut told: Told,
) {
    let Stream { writer, writers } = stream;
    let announced = write(
        &session,
        &writer,
        Payload::from(Bytes::from(std::mem::take(&mut told.endpoint))),
        Some("endpoint"),
    )
    .await;
    let ended = async {
        tokio::select! {
            () = writer.gone() => {}
            () = session.ended().cancelled() => {}
            () = stay_alive(&site, principal, &id, &session, &writer) => {}
            // What is running may still be answered; a stream on which nothing runs need not hold up the end.
            () = answered(&site, &session, &writers) => {}
            () = tell(&session, &writer, &mut told.follower) => {}
            () = writer.over() => {}
        }
    };
    if announced.is_ok() {
        ended.await;
    }
    site.streams.0.table().remove(&session.key());
    if let Some(session) = site.sessions.as_ref().and_then(|sessions| sessions.close(&id, principal)) {
        site.release(&session);
        // A reload may have put others in the place of its targets, and later calls went to those.
        if let Some(now) = told.sites.named(&site.name) {
            now.release(&session);
        }
    }
}

/// Writes what concerns the client until nobody reads it, or the gateway is gone.
async fn tell(session: &Session, writer: &Writer, follower: &mut Follower) {
    while let Some(payload) = follower.next().await {
        if write(session, writer, payload, Some("message")).await.is_err() {
            return;
        }
    }
}

/// Resolves when the gateway drains and every answer that was on its way has been written.
async fn answered(site: &Site, session: &Session, writers: &TaskTracker) {
    site.drain.draining().await;
    session.quiet().await;
    writers.close();
    writers.wait().await;
}

/// Writes comments until nobody reads them.
async fn stay_alive(site: &Site, principal: PrincipalKey, id: &str, session: &Session, writer: &Writer) {
    loop {
        tokio::time::sleep(KEEP_ALIVE).await;
        if hand_over(session, writer, Bytes::from_static(sse::COMMENT_KEEP_ALIVE)).await.is_err() {
            return;
        }
        // A stream is use of its session: it must not idle out under a client that only listens.
        let _ = site.sessions.as_ref().and_then(|sessions| sessions.find(id, principal));
    }
}

/// The session a posted message belongs to.
///
/// # Errors
/// There is no such session of this principal with an open stream.
pub fn session(site: &Site, principal: &Principal, query: Option<&str>) -> Result<Arc<Session>, Refusal> {
    let sessions = site.sessions.as_ref().ok_or(Refusal::NoSuchPath)?;
    let id = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("sessionId="));
    let session =
        sessions.find(id.ok_or(Refusal::NoSession)?, principal.key()).ok_or(Refusal::UnknownSession)?;
    site.streams.of(&session).map(|_| session).ok_or(Refusal::UnknownSession)
}

/// Takes a posted message; what there is to answer goes to the stream.
///
/// # Errors
/// The message is not carried out.
pub fn post(
    site: &Arc<Site>,
    principal: &Arc<Principal>,
    session: &Arc<Session>,
    body: Message,
    place: Arc<Place>,
) -> Result<Response<Body>, Refusal> {
    let Stream { writer, writers } = site.streams.of(session).ok_or(Refusal::UnknownSession)?;
    match body {
        Message::Single(One::Request(request)) if request.method == Method::Initialize => {
            let answering =
                initialize(site.clone(), principal.clone(), session.clone(), writer, request, place);
            writers.spawn(answering);
        }
        Message::Single(One::Request(request)) => {
            // Before the request begins: a drain must not see it ended and its answer not yet on its way.
            let writing = writers.token();
            let client = (site, principal, Accepts::EventStream);
            let steps = legacy::start(client, Some(session.clone()), request, place.clone());
            tokio::spawn(answer(session.clone(), writer, steps.in_a_task(), (writing, place)));
        }
        Message::Single(One::Notification(notification)) => legacy::notified(Some(session), &notification),
        Message::Single(One::Response(response)) => {
            legacy::heard((site, principal), Some(session), &response)
        }
        Message::Batch(_) => {
            return Err(Refusal::Misplaced("This revision has no batches; send one message at a time."));
        }
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

async fn answer(
    session: Arc<Session>,
    writer: Arc<Writer>,
    mut steps: Steps,
    _held: (TaskTrackerToken, Arc<Place>),
) {
    while let Some(said) = steps.next().await {
        if write(&session, &writer, said.into_payload(), Some("message")).await.is_err() {
            return;
        }
    }
}

async fn initialize(
    site: Arc<Site>,
    principal: Arc<Principal>,
    session: Arc<Session>,
    writer: Arc<Writer>,
    request: Request,
    _place: Arc<Place>,
) {
    let answer = match legacy::greeting(&site, &request) {
        Ok(hello) => {
            session.greet(&hello);
            let client = (&site, &principal, Accepts::EventStream);
            let context = legacy::context(client, Some(session.clone()), None);
            Answer::result(&request.id, operation::initialize_result(&context, hello.version).await)
        }
        Err(error) => Answer::error(Some(&request.id), &error),
    };
    let _ = write(&session, &writer, answer.payload, Some("message")).await;
}

/// Writes one event in one piece: several calls answer on one stream, and their events must not mix.
async fn write(
    session: &Session,
    writer: &Writer,
    payload: Payload,
    event: Option<&str>,
) -> Result<(), net::Gone> {
    let pieces = sse::encode_event(payload, None, event);
    hand_over(session, writer, pieces.concat().into()).await
}

/// A client that takes nothing for too long loses its stream, and with it the session: what was not delivered is lost to it.
async fn hand_over(session: &Session, writer: &Writer, piece: Bytes) -> Result<(), net::Gone> {
    let sent = tokio::select! {
        sent = writer.write(vec![piece]) => sent,
        () = session.ended().cancelled() => Err(net::Gone),
    };
    if sent.is_err() {
        session.end();
    }
    sent
}

impl Streams {
    /// Whether a session has such a stream.
    pub(crate) fn has(&self, session: &Session) -> bool {
        self.of(session).is_some()
    }

    fn of(&self, session: &Session) -> Option<Stream> {
        self.0.table().get(&session.key()).cloned()
    }
}

impl Open {
    fn table(&self) -> MutexGuard<'_, HashMap<SessionKey, Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
