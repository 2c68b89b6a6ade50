//! A legacy server's feed: the GET stream of a session, and `resources/subscribe` for each resource that is wanted.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp::{ErrorObject, Outcome};
use tokio::task::JoinSet;

use super::Streamable;
use super::answer::Answer;
use super::dialect::Dialect;
use super::endpoint::Repeat;
use super::events::EventStream;
use super::feed::{Ended, Gap, Trail, hear, patience, subscribes, watched};
use super::session::Session;
use super::stream::{Peer, reply};
use crate::board::{Board, NotSubscribed};
use crate::relay::{Asks, Relay};
use crate::{Caller, Logs, UpstreamError, params};

/// Subscriptions that are asked for, or given up, at a time.
const ASKED_MAX: usize = 16;

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
    let mut errands = Errands { session: &session, board, jobs: JoinSet::new(), under_way: BTreeSet::new() };
    let ended = errands.follow(&mut events, trail, &kinds).await;
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

/// What the server is asked while the stream is read.
struct Errands<'a> {
    session: &'a Arc<Session>,
    board: &'a Board,
    jobs: JoinSet<(Arc<str>, Errand, Outcomes)>,
    under_way: BTreeSet<Arc<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Errand {
    Subscribe,
    Unsubscribe,
}

type Outcomes = Result<Result<(), ErrorObject>, UpstreamError>;

impl Errands<'_> {
    async fn follow(
        &mut self,
        events: &mut EventStream,
        trail: &mut Trail,
        kinds: &[mcp::Kind],
    ) -> Result<Followed, Forgotten> {
        let patience = patience();
        self.set_out(trail);
        loop {
            if self.board.is_empty() && self.jobs.is_empty() && trail.held.is_empty() {
                return Ok(Followed::Unwanted);
            }
            tokio::select! {
                message = events.next(&patience) => match message {
                    Ok(Some(message)) => {
                        if let Some(request) = hear(self.board, kinds, message) {
                            self.session.answer_alone(&request);
                        }
                    }
                    Ok(None) => return Ok(Followed::Ended),
                    Err(error) => {
                        tracing::debug!(%error, "a feed broke");
                        return Ok(Followed::Ended);
                    }
                },
                () = self.board.changed() => self.set_out(trail),
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    if let Ok((uri, errand, outcome)) = done {
                        self.settle(trail, uri, errand, outcome)?;
                    }
                    self.set_out(trail);
                }
            }
        }
    }

    /// Asks for what is wanted and not held, and gives up what is held and not wanted.
    fn set_out(&mut self, trail: &Trail) {
        let wanted = self.board.wanted();
        let missing = wanted.difference(&trail.held).map(|uri| (uri, Errand::Subscribe));
        let spare = trail.held.difference(&wanted).map(|uri| (uri, Errand::Unsubscribe));
        for (uri, errand) in missing.chain(spare) {
            if self.jobs.len() >= ASKED_MAX {
                return;
            }
            if self.under_way.insert(uri.clone()) {
                let (session, uri) = (self.session.clone(), uri.clone());
                self.jobs.spawn(async move {
                    let outcome = run(&session, errand, &uri).await;
                    (uri, errand, outcome)
                });
            }
        }
    }

    fn settle(
        &mut self,
        trail: &mut Trail,
        uri: Arc<str>,
        errand: Errand,
        outcome: Outcomes,
    ) -> Result<(), Forgotten> {
        self.under_way.remove(&uri);
        match (errand, outcome) {
            (Errand::Unsubscribe, _) => {
                trail.held.remove(&uri);
            }
            (Errand::Subscribe, Ok(Ok(()))) => {
                self.board.held(&uri);
                trail.held.insert(uri);
            }
            (Errand::Subscribe, Ok(Err(error))) => self.board.refused(&uri, &NotSubscribed::Refused(error)),
            (Errand::Subscribe, Err(UpstreamError::Lost(why))) if why == FORGOTTEN => return Err(Forgotten),
            (Errand::Subscribe, Err(error)) => self.board.refused(&uri, &error.into()),
        }
        Ok(())
    }
}

const FORGOTTEN: &str = "it does not know the session any more";

async fn run(session: &Arc<Session>, errand: Errand, uri: &str) -> Outcomes {
    let method = match errand {
        Errand::Subscribe => "resources/subscribe",
        Errand::Unsubscribe => "resources/unsubscribe",
    };
    let id = session.next_id();
    let received = session.post_own(params::request(id, method, params::of_uri(uri)), Repeat::Safe).await?;
    if session.is_forgotten(&received, id) {
        return Err(UpstreamError::Lost(FORGOTTEN.to_owned()));
    }
    let relay = Relay { id, progress: None, logs: Logs::Off, asks: Asks::default() };
    let response = reply(received, relay, Peer::Silent, session.errand_deadline())?.last().await?;
    Ok(match response.outcome {
        Outcome::Result(_) => Ok(()),
        Outcome::Error(error) => Err(ErrorObject::read(&error)),
    })
}
