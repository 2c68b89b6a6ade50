//! The GET stream of a legacy session: what belongs to no request, and what of a broken stream was missed (MCP 2025-11-25,
//! Streamable HTTP, Listening for Messages and Resumability).
//!
//! One reader per session. A further GET takes the stream over: the one before it is most often a connection that broke and
//! that nobody has noticed yet.

use std::sync::Arc;

use bytes::Bytes;
use exchange::{Accepts, Interests, KEEP_ALIVE, Missed, Reader, Resumed, Session, Writer, present};
use http::{HeaderMap, HeaderName, Response, header};
use identity::Principal;
use mcp::header::LAST_EVENT_ID;
use mcp::{Kind, Version, sse};
use net::Body;
use tokio::time::{Instant, interval_at};

use crate::follow::Follower;
use crate::legacy;
use crate::operation::Context;
use crate::places::{Place, Places};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::sites::Sites;

static RESUME_FROM: HeaderName = HeaderName::from_static(LAST_EVENT_ID);

/// What a standing stream needs besides its request.
pub(crate) struct Standing {
    /// The gateways, also as they will be.
    pub(crate) sites: Sites,
    /// Where it finds its place.
    pub(crate) places: Places,
    /// When its caller's credential ends.
    pub(crate) until: Option<Instant>,
}

impl Standing {
    /// A place for one more stream of `principal`.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn place(&self, site: &Site, principal: &Principal) -> Result<Place, Refusal> {
        self.places.take_for(site.share_of(principal))
    }

    /// Follows everything that concerns a legacy session.
    pub(crate) fn follower(&self, context: Context, interests: Arc<Interests>) -> Follower {
        let lists = vec![Kind::Tool, Kind::Prompt, Kind::Resource];
        Follower::new(self.sites.clone(), context, interests, Reader::Session, lists)
    }
}

/// Opens the session's own stream, or takes up the one that `Last-Event-ID` names.
///
/// # Errors
/// There is no such session of this principal, or the event leads nowhere: both look the same.
pub(crate) fn open(
    site: Arc<Site>,
    principal: Arc<Principal>,
    headers: &HeaderMap,
    standing: Standing,
) -> Result<Response<Body>, Refusal> {
    takes_events(headers)?;
    let session = legacy::named_session(&site, &principal, headers)?.ok_or(Refusal::NoSession)?;
    let version = legacy::version(&site, headers, Some(&session))?;
    // One of HTTP+SSE has its stream already.
    if site.streams.has(&session) {
        return Err(Refusal::UnknownSession);
    }
    let place = standing.place(&site, &principal)?;
    let missed = match last_event(headers)? {
        None => None,
        Some(id) => match session.events().resume(id, standing.until).ok_or(Refusal::UnknownSession)? {
            Resumed::Call(body) => return Ok(present::event_stream(body.holding(place))),
            Resumed::Own(missed) => Some(missed),
        },
    };
    let context = legacy::context((&site, &principal, Accepts::EventStream), Some(session.clone()), None);
    let follower = standing.follower(context, session.interests().clone());
    let (writer, body) = Writer::open(standing.until);
    let id = legacy::session_id(headers)?.unwrap_or_default().into();
    let stream = Stream { site, principal, id, session, writer, follower, _place: place };
    tokio::spawn(stream.run(missed, version));
    Ok(present::event_stream(body))
}

/// One reader of a session's own stream.
struct Stream {
    site: Arc<Site>,
    principal: Arc<Principal>,
    id: Box<str>,
    session: Arc<Session>,
    writer: Writer,
    follower: Follower,
    _place: Place,
}

impl Stream {
    async fn run(mut self, missed: Option<Missed>, version: Version) {
        let seat = self.session.events().sit().await;
        let events = self.session.events();
        let opening = match &missed {
            // What gave way since the reader was let in is told by ending: its next attempt leads nowhere.
            Some(missed) => match events.missed(missed) {
                Some(opening) => opening,
                None => return,
            },
            None if version >= Version::V2025_11_25 => events.prime(),
            None => Vec::new(),
        };
        let session = self.session.clone();
        tokio::select! {
            () = self.tell(opening) => {}
            () = seat.taken.cancelled() => {}
            () = session.ended().cancelled() => {}
        }
    }

    /// Writes what there is, and what comes, until the stream is to be ended.
    async fn tell(&mut self, opening: Vec<Bytes>) {
        if self.writer.write(opening).await.is_err() {
            return;
        }
        let mut keep_alive = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        loop {
            let pieces = tokio::select! {
                payload = self.follower.next() => match payload {
                    // Kept before it is written: a reader that does not get it comes back for it.
                    Some(payload) => self.session.events().say(payload),
                    None => return,
                },
                _ = keep_alive.tick() => {
                    // A stream is use of its session: it must not idle out under a client that only listens.
                    let _ = self.site.sessions.as_ref().and_then(|all| all.find(&self.id, self.principal.key()));
                    vec![Bytes::from_static(sse::COMMENT_KEEP_ALIVE)]
                }
                () = self.writer.gone() => return,
                () = self.site.drain.draining() => return,
                () = self.writer.over() => return,
            };
            if self.writer.write(pieces).await.is_err() {
                return;
            }
        }
    }
}

fn last_event(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let twice = Refusal::Misplaced("The header `Last-Event-ID` is there more than once; send it once.");
    let value = net::headers::single(headers, &RESUME_FROM).map_err(|_| twice)?;
    Ok(value.map(|value| value.to_str().unwrap_or_default()))
}

/// A client that says what it takes has to take events.
fn takes_events(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut said = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    let takes =
        |value: &str| ["text/event-stream", "text/*", "*/*"].iter().any(|range| value.contains(range));
    if said.peek().is_none() || said.any(takes) { Ok(()) } else { Err(Refusal::NotAcceptable) }
}
