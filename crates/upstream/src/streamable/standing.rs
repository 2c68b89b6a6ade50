//! A legacy server's feed: the GET stream of a session, and `resources/subscribe` for each resource that is wanted.

use std::sync::Arc;

use mcp::Outcome;

use super::Streamable;
use super::answer::Answer;
use super::dialect::Dialect;
use super::endpoint::Repeat;
use super::events::EventStream;
use super::feed::{Ended, Gap, Trail, hear, patience, subscribes, watched};
use super::session::Session;
use super::stream::{Peer, reply};
use crate::board::{Board, NotSubscribed};
use crate::errands::{Errand, Errands};
use crate::relay::{Asks, Relay};
use crate::{Caller, Logs, UpstreamError, params};

/// Opens the stream and follows it to its end.
///
/// # Errors
/// It cannot be opened.
pub(super) async fn once(
    driver: &Streamable,
    caller: Option<&Caller>,
    board: &Board,
    trail: &mut Trail,
) -> Result<Ended, UpstreamError> {
    let session =
        driver.sessions.get(caller).await.map_err(|failure| driver.doubt(Dialect::Legacy, failure))?;
    let (kinds, subscribes) = (watched(session.facts()), subscribes(session.facts()));
    if !subscribes {
        board.refuse_waiting(&NotSubscribed::Unsupported);
    }
    if (kinds.is_empty() || !board.wants_lists()) && (!subscribes || board.wanted().is_empty()) {
        return Ok(if board.is_empty() { Ended::Unwanted } else { Ended::Without });
    }
    if !std::ptr::eq(trail.session.as_ptr(), Arc::as_ptr(&session)) {
        trail.last = None;
        trail.held.clear();
    }
    let received = session.listen(trail.last.as_ref(), &driver.endpoint.connect_deadline()).await?;
    match received.status.as_u16() {
        404 => {
            driver.sessions.forget(caller, &session);
            trail.last = None;
            return Err(UpstreamError::Lost("it does not know the gateway's session any more".to_owned()));
        }
        405 => return Ok(Ended::Without),
        _ => {}
    }
    let Answer::Stream(mut events) = received.answer else {
        return Err(received.answer.failure(received.status));
    };
    if trail.gap == Gap::Possible && trail.last.is_none() {
        board.tell_missed(&kinds);
    }
    trail.session = Arc::downgrade(&session);
    let ended = follow(&session, board, &mut events, trail, &kinds).await;
    if let Some(last) = events.last_id() {
        trail.last = Some(last.clone());
    } else if trail.gap == Gap::Possible {
        // It was taken up, and named no place from where to take it up again.
        trail.last = None;
    }
    if let Err(Forgotten) = ended {
        driver.sessions.forget(caller, &session);
        trail.last = None;
        trail.held.clear();
    }
    Ok(match ended {
        Ok(Followed::Unwanted) => Ended::Unwanted,
        Ok(Followed::Ended) | Err(Forgotten) => Ended::Broken(events.pause()),
    })
}

/// The server does not know the session any more.
struct Forgotten;

enum Followed {
    /// The stream ended.
    Ended,
    /// Nobody wants anything, and the server knows.
    Unwanted,
}

/// Follows the stream to its end, and asks the server meanwhile for what is wanted.
async fn follow(
    session: &Arc<Session>,
    board: &Board,
    events: &mut EventStream,
    trail: &mut Trail,
    kinds: &[mcp::Kind],
) -> Result<Followed, Forgotten> {
    let (patience, mut errands) = (patience(), Errands::default());
    let ask = |errand, uri| run(session.clone(), errand, uri);
    errands.set_out(board, &trail.held, ask);
    loop {
        if board.is_empty() && errands.is_done() && trail.held.is_empty() {
            return Ok(Followed::Unwanted);
        }
        tokio::select! {
            message = events.next(&patience) => match message {
                Ok(Some(message)) => {
                    if let Some(request) = hear(board, kinds, message) {
                        session.answer_alone(&request);
                    }
                }
                Ok(None) => return Ok(Followed::Ended),
                Err(error) => {
                    tracing::debug!(%error, "a feed broke");
                    return Ok(Followed::Ended);
                }
            },
            () = board.changed() => errands.set_out(board, &trail.held, ask),
            done = errands.done() => match &done.outcome {
                Err(UpstreamError::Lost(why)) if why == FORGOTTEN => return Err(Forgotten),
                _ => {
                    errands.settle(board, &mut trail.held, done);
                    errands.set_out(board, &trail.held, ask);
                }
            },
        }
    }
}

const FORGOTTEN: &str = "it does not know the session any more";

async fn run(session: Arc<Session>, errand: Errand, uri: Arc<str>) -> Result<Outcome, UpstreamError> {
    let id = session.next_id();
    let message = params::request(id, errand.method(), params::of_uri(&uri));
    let received = session.post_own(message, Repeat::Safe).await?;
    if session.is_forgotten(&received, id) {
        return Err(UpstreamError::Lost(FORGOTTEN.to_owned()));
    }
    let relay = Relay { id, progress: None, logs: Logs::Off, asks: Asks::default() };
    Ok(reply(received, relay, Peer::Silent, session.errand_deadline())?.last().await?.outcome)
}
