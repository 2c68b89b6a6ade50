//! A modern server's feed: one `subscriptions/listen` for everything that is wanted (MCP 2026-07-28, Subscriptions).
//!
//! Its filter cannot be changed, so another stream is opened and acknowledged before the old one is let go.

use std::time::Duration;

use mcp::{Kind, Message};
use tokio::time::timeout;

use super::answer::Answer;
use super::endpoint::{Parcel, Repeat};
use super::events::EventStream;
use super::feed::{Ended, Gap, Trail, hear, patience, subscribes, watched};
use super::{Streamable, modern};
use crate::board::{Board, NotSubscribed};
use crate::deadline::Deadline;
use crate::update::{ACKNOWLEDGED, Acknowledged, Terms};
use crate::{Caller, UpstreamError, params};

/// How long a stream that was replaced is still read: what was said on it before its successor began may be on its way.
/// Whoever asked for more learns that it is there after that, so that nothing they then do is told twice.
const OVERLAP: Duration = Duration::from_millis(20);

/// One stream, acknowledged.
struct Listening {
    events: Box<EventStream>,
    terms: Terms,
    lists: Lists,
    patience: Deadline,
}

/// Whether a stream tells of changed lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Told,
    Untold,
}

/// Opens a stream, and its successors, and follows the last one to its end.
///
/// # Errors
/// It cannot be opened.
pub(super) async fn once(
    driver: &Streamable,
    caller: Option<&Caller>,
    board: &Board,
    trail: &mut Trail,
) -> Result<Ended, UpstreamError> {
    let kinds = watched(&*driver.facts(caller).await?);
    let Some(mut current) = open(driver, caller, board, &kinds).await? else {
        return Ok(if board.is_empty() { Ended::Unwanted } else { Ended::Without });
    };
    current.terms.settle(board);
    if trail.gap == Gap::Possible {
        board.tell_missed(&kinds);
    }
    let broken = Ok(Ended::Broken(Duration::ZERO));
    loop {
        tokio::select! {
            message = current.events.next(&current.patience) => match message {
                Ok(Some(message)) if !is_end(&message) => drop(hear(board, &kinds, message)),
                _ => return broken,
            },
            () = board.changed() => {
                if board.is_empty() {
                    return Ok(Ended::Unwanted);
                }
                if current.covers(board, &kinds) {
                    continue;
                }
                match succeed(driver, caller, board, &kinds, current).await? {
                    Some(next) => current = next,
                    None => return broken,
                }
            }
        }
    }
}

/// Opens another stream while `current` is read, then reads what is left of that.
async fn succeed(
    driver: &Streamable,
    caller: Option<&Caller>,
    board: &Board,
    kinds: &[Kind],
    mut current: Listening,
) -> Result<Option<Listening>, UpstreamError> {
    let opened = {
        let opening = open(driver, caller, board, kinds);
        tokio::pin!(opening);
        loop {
            tokio::select! {
                opened = &mut opening => break opened,
                message = current.events.next(&current.patience) => match message {
                    Ok(Some(message)) if !is_end(&message) => drop(hear(board, kinds, message)),
                    _ => return Ok(None),
                },
            }
        }
    };
    let mut next = match opened {
        Ok(Some(next)) => next,
        Ok(None) => {
            current.terms.told.clear();
            return Ok(Some(current));
        }
        // What is there already goes on; only the newcomers are refused.
        Err(error) => {
            board.refuse_waiting(&error.into());
            return Ok(Some(current));
        }
    };
    let rest = async {
        while let Ok(Some(message)) = current.events.next(&current.patience).await {
            hear(board, kinds, message);
        }
    };
    let _ = timeout(OVERLAP, rest).await;
    drop(current);
    next.terms.settle(board);
    Ok(Some(next))
}

/// `None`: there is nothing to listen to, or the server has no such stream.
async fn open(
    driver: &Streamable,
    caller: Option<&Caller>,
    board: &Board,
    kinds: &[Kind],
) -> Result<Option<Listening>, UpstreamError> {
    if !subscribes(&*driver.facts(caller).await?) {
        board.refuse_waiting(&NotSubscribed::Unsupported);
    }
    let uris = board.wanted();
    let lists = if board.wants_lists() { Lists::Told } else { Lists::Untold };
    let mut flags: Vec<_> = kinds.iter().map(|kind| kind.listen_flag()).collect();
    // Resources and their templates are told as one.
    flags.dedup();
    if lists == Lists::Untold {
        flags.clear();
    }
    if flags.is_empty() && uris.is_empty() {
        return Ok(None);
    }
    let id = driver.endpoint.next_id();
    let deadline = driver.endpoint.connect_deadline();
    let filter = params::of_listen(&flags, uris.iter().map(|uri| &**uri), caller);
    let message = params::request(id, "subscriptions/listen", filter);
    let headers = modern::headers("subscriptions/listen");
    let principal = caller.map(|caller| &*caller.principal);
    let parcel = Parcel { principal, headers, message, repeat: Repeat::Safe };
    let received = driver.endpoint.post(parcel, &deadline).await?;
    let mut events = match received.answer {
        Answer::Stream(events) => events,
        // An answer in one piece is a refusal: there is no such method, or nothing to listen to.
        Answer::Json(_) => return Ok(None),
        answer => return Err(answer.failure(received.status)),
    };
    let Some(acknowledged) = acknowledgement(&mut events, &deadline).await? else { return Ok(None) };
    let terms = Terms::of(uris, &acknowledged.uris);
    Ok(Some(Listening { events, terms, lists, patience: patience() }))
}

async fn acknowledgement(
    events: &mut EventStream,
    deadline: &Deadline,
) -> Result<Option<Acknowledged>, UpstreamError> {
    match events.next(deadline).await? {
        Some(Message::Notification(notification)) if notification.method == ACKNOWLEDGED => {
            Ok(Some(Acknowledged::of(&notification)))
        }
        Some(Message::Response(_)) => Ok(None),
        _ => Err(UpstreamError::BrokeProtocol(
            "it did not acknowledge `subscriptions/listen` before anything else".to_owned(),
        )),
    }
}

impl Listening {
    /// Whether it tells of everything that is wanted now, and of no more.
    fn covers(&self, board: &Board, kinds: &[Kind]) -> bool {
        let lists = kinds.is_empty() || board.wants_lists() == (self.lists == Lists::Told);
        lists && board.wanted() == self.terms.told
    }
}

/// The graceful end of a stream.
fn is_end(message: &Message) -> bool {
    matches!(message, Message::Response(_))
}
