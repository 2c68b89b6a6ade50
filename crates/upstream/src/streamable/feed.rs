//! Tends one feed over HTTP: a standing stream that tells what changed, for everyone who wants to know.
//!
//! Opened again, with back-off, when it breaks. When it cannot be taken up where it ended, everything that it tells of
//! counts as changed: a change may have been missed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::HeaderValue;
use mcp::{Kind, Message, Notification};
use tokio::time::{Instant, sleep};

use super::Streamable;
use super::dialect::Dialect;
use super::session::Session;
use super::{listen, standing};
use crate::board::{Board, NotSubscribed};
use crate::deadline::Deadline;
use crate::inbox::Update;
use crate::{Caller, ServerFacts, UpstreamError, facts, update};

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Before a server without a feed is asked again whether it has one.
const PAUSE_WITHOUT: Duration = Duration::from_secs(10 * 60);
/// A stream that was silent for this long is opened anew: nothing else shows that the other side is gone.
const SILENCE: Duration = Duration::from_secs(10 * 60);
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How one attempt ended.
pub(super) enum Ended {
    /// There was a stream, and it ended; how long the server wants to be left alone.
    Broken(Duration),
    /// The server has no such stream.
    Without,
    /// Nobody wants anything any more.
    Unwanted,
}

/// What is left of the streams before.
#[derive(Default)]
pub(super) struct Trail {
    /// The session that the last one belonged to.
    pub(super) session: Weak<Session>,
    /// Where the last one ended.
    pub(super) last: Option<HeaderValue>,
    /// Resources that the server was asked to tell of, in that session.
    pub(super) held: std::collections::BTreeSet<Arc<str>>,
    /// Whether something may have been missed.
    pub(super) gap: Gap,
}

/// Whether something may have been missed before a stream is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing: whoever starts to watch has just read what there is.
    #[default]
    None,
    /// Anything, unless the stream is taken up where it ended.
    Possible,
}

/// Tends `board` until nobody wants anything of it.
pub(super) async fn tend(driver: &Streamable, caller: Option<&Caller>, board: &Board) {
    let mut pause = PAUSE_MIN;
    let mut trail = Trail::default();
    // Whether a stream broke, and nobody was told that it cannot be opened again.
    let mut broke = false;
    while !board.is_empty() || !trail.held.is_empty() {
        let begun = Instant::now();
        let ended = once(driver, caller, board, &mut trail).await;
        if begun.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        let wait = match ended {
            Ok(Ended::Unwanted) => return,
            Ok(Ended::Broken(left_alone)) => {
                broke = true;
                trail.gap = Gap::Possible;
                if begun.elapsed() > pause { left_alone } else { left_alone.max(pause) }
            }
            Ok(Ended::Without) => {
                board.refuse_waiting(&NotSubscribed::Unsupported);
                PAUSE_WITHOUT
            }
            Err(error) => {
                tracing::debug!(target.name = %driver.endpoint.target.name, %error, "no feed");
                board.refuse_waiting(&error.into());
                // Whoever asks for the lists now learns how the server is.
                if std::mem::take(&mut broke) {
                    board.tell_lists(&Kind::ALL);
                }
                if board.is_empty() {
                    return;
                }
                pause
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = board.asked() => {}
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn once(
    driver: &Streamable,
    caller: Option<&Caller>,
    board: &Board,
    trail: &mut Trail,
) -> Result<Ended, UpstreamError> {
    match driver.dialect(caller).await? {
        Dialect::Sse => {
            driver.sse.tend(caller, board).await;
            Ok(Ended::Unwanted)
        }
        Dialect::Legacy => standing::once(driver, caller, board, trail).await,
        Dialect::Modern => listen::once(driver, caller, board, trail).await,
    }
}

/// The bounds of a stream on which nothing has to come.
pub(super) fn patience() -> Deadline {
    Deadline::start(FOREVER, SILENCE)
}

/// Tells whom a message concerns. Answers a request of the server's, which is for the caller to answer.
pub(super) fn hear(board: &Board, kinds: &[Kind], message: Message) -> Option<mcp::Request> {
    match message {
        Message::Notification(notification) => tell(board, kinds, &notification),
        Message::Request(request) => return Some(request),
        Message::Response(_) => {}
    }
    None
}

fn tell(board: &Board, kinds: &[Kind], notification: &Notification) {
    if notification.method == update::UPDATED {
        if let Some(update) = Update::of(notification) {
            board.tell_update(&update);
        }
        return;
    }
    let changed = Kind::changed_by(&notification.method);
    let concerned: Vec<_> = kinds.iter().copied().filter(|kind| changed.contains(kind)).collect();
    board.tell_lists(&concerned);
}

/// The lists whose changes the server promises to tell.
pub(super) fn watched(facts: &ServerFacts) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| facts::declares(facts, kind.capability(), "listChanged")).collect()
}

/// Whether the server promises to tell of changed resources.
pub(super) fn subscribes(facts: &ServerFacts) -> bool {
    facts::declares(facts, "resources", "subscribe")
}
