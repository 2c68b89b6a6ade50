//! Servers of 2025-03-26 to 2025-11-25: requests within a session, which is healed once when the server forgot it.

use super::handshake::{Evidence, OpenError};
use super::stream::{Peer, Unfinished, reply};
use super::{Failure, Streamable, ear};
use crate::ask::Ask;
use crate::deadline::Deadline;
use crate::{Level, Logs, Reply, UpstreamError};

/// Asks a legacy server within the session of the one who asks.
///
/// # Errors
/// It did not answer, or did not shake hands in the way of a server that is not legacy.
pub(super) async fn ask(driver: &Streamable, ask: &Ask<'_>, deadline: Deadline) -> Result<Reply, Failure> {
    if ask.brings_answers() {
        return Err(Failure::Final(UpstreamError::Unasked));
    }
    let mut level = match ask.logs() {
        Logs::From(level) => Some(level),
        Logs::Off | Logs::ServersChoice => None,
    };
    let mut healed = false;
    loop {
        // What is rare is boxed: a call in progress should not carry the room for it.
        let bound = ask.within().zip(ask.caller());
        let open = match bound {
            Some((mark, caller)) => {
                let marked = driver.sessions.marked(caller, mark);
                Some(marked.ok_or(Failure::Final(UpstreamError::Gone))?)
            }
            None => driver.sessions.open(ask.caller()),
        };
        let session = match open {
            Some(session) => session,
            None => {
                deadline.within(Box::pin(driver.sessions.get(ask.caller()))).await?.map_err(Failure::from)?
            }
        };
        let asks = ask.asks(driver.endpoint.roots(), driver.endpoint.deps.limits.questions);
        // Without an id the stream would be that of everyone who uses the server.
        if session.mark().is_some() && !session.is_listening() {
            deadline.within(Box::pin(ear::open(ask.inbox(), &session, asks.may))).await?;
        }
        if let Some(level) = level.filter(|level| session.lacks(*level)) {
            deadline.within(Box::pin(session.set_level(level))).await?;
        }
        let id = driver.endpoint.next_id();
        let mut unfinished = Unfinished::new(session.clone(), id);
        let received = match unfinished.begun(session.post(ask, id, &deadline)).await {
            Ok(received) => received,
            Err(error) => {
                if error.nothing_sent() {
                    unfinished.finish();
                }
                return Err(error.into());
            }
        };
        if session.is_forgotten(&received, id) && !healed {
            // The server refused the request unseen, so even a call with effects may be sent again.
            unfinished.finish();
            driver.sessions.forget(ask.caller(), &session);
            if bound.is_some() {
                return Err(Failure::Final(UpstreamError::Gone));
            }
            level = lowest(level, session.level());
            healed = true;
            continue;
        }
        let mark = session.mark();
        return reply(received, ask.relay(id, asks), Peer::Session(unfinished), deadline)
            .map(|reply| reply.marked(mark))
            .map_err(Failure::Final);
    }
}

fn lowest(one: Option<Level>, other: Option<Level>) -> Option<Level> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl From<OpenError> for Failure {
    fn from(OpenError { error, evidence }: OpenError) -> Self {
        match (evidence, error) {
            (Evidence::None, error) => Self::Final(error),
            (Evidence::NotLegacy | Evidence::PerhapsSse | Evidence::NotFound, error) => {
                Self::Refused(Err::<Reply, UpstreamError>(error))
            }
        }
    }
}
