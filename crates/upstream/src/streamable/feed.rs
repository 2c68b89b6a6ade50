//! One standing stream per server that tells which of its lists changed.
//!
//! Runs on the gateway's own account and carries nothing but that. When a stream broke and cannot be taken up where it
//! ended, every list counts as changed: a change may have been missed.

use std::time::Duration;

use http::header::HeaderValue;
use mcp::{Kind, Message};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::dialect::Dialect;
use super::endpoint::{Parcel, Repeat};
use super::events::EventStream;
use super::{Streamable, modern};
use crate::deadline::Deadline;
use crate::relay::answer_to_server;
use crate::{ServerFacts, UpstreamError, facts, params};

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Before a server without a feed is asked again whether it has one.
const PAUSE_WITHOUT: Duration = Duration::from_secs(10 * 60);
/// A stream that was silent for this long is opened anew: nothing else shows that the other side is gone.
const SILENCE: Duration = Duration::from_secs(10 * 60);
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How one attempt ended.
enum Ended {
    /// There was a stream; from where it can be taken up.
    After(Option<HeaderValue>),
    /// The server has no such stream.
    Without,
}

/// Watches until `stop`, or until nobody listens.
pub(super) async fn run(driver: &Streamable, changed: mpsc::Sender<Kind>, stop: CancellationToken) {
    let shutdown = driver.endpoint.deps.shutdown.clone();
    tokio::select! {
        () = watch(driver, &changed, &stop) => {}
        () = stop.cancelled() => {}
        () = shutdown.cancelled() => {}
        () = changed.closed() => {}
    }
}

async fn watch(driver: &Streamable, changed: &mpsc::Sender<Kind>, stop: &CancellationToken) {
    let mut pause = PAUSE_MIN;
    let mut gap = Gap::None;
    // Whether a stream broke, and nobody was told that it cannot be opened again.
    let mut broke = false;
    loop {
        let begun = Instant::now();
        let ended = once(driver, changed, stop, &mut gap).await;
        if begun.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        let wait = match ended {
            Ok(Ended::After(last)) => {
                gap = last.map_or(Gap::Unknown, Gap::From);
                broke = true;
                pause
            }
            Ok(Ended::Without) => PAUSE_WITHOUT,
            Err(error) => {
                tracing::debug!(target.name = %driver.endpoint.target.name, %error, "no feed");
                // Whoever asks for the lists now learns how the server is.
                if std::mem::take(&mut broke) {
                    announce(changed, &Kind::ALL).await;
                }
                pause
            }
        };
        sleep(wait).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// What may have been missed before a stream is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Gap {
    /// Nothing: there was no stream before, and whoever starts a feed has just read the lists.
    None,
    /// What came after this event.
    From(HeaderValue),
    /// Anything.
    Unknown,
}

async fn once(
    driver: &Streamable,
    changed: &mpsc::Sender<Kind>,
    stop: &CancellationToken,
    gap: &mut Gap,
) -> Result<Ended, UpstreamError> {
    match driver.dialect(None).await? {
        Dialect::Sse => {
            driver.sse.feed(changed.clone(), stop.clone()).await;
            Ok(Ended::Without)
        }
        Dialect::Legacy => get(driver, changed, gap).await,
        Dialect::Modern => listen(driver, changed, gap).await,
    }
}

/// The GET stream of the gateway's own session.
async fn get(
    driver: &Streamable,
    changed: &mpsc::Sender<Kind>,
    gap: &mut Gap,
) -> Result<Ended, UpstreamError> {
    let session =
        driver.sessions.get(None).await.map_err(|failure| driver.doubt(Dialect::Legacy, failure))?;
    let kinds = watched(session.facts());
    if kinds.is_empty() {
        return Ok(Ended::Without);
    }
    let from = match &*gap {
        Gap::From(id) => Some(id.clone()),
        Gap::None | Gap::Unknown => None,
    };
    let received = session.listen(from.as_ref(), &driver.endpoint.connect_deadline()).await?;
    match received.status.as_u16() {
        404 => {
            driver.sessions.forget(None, &session);
            *gap = Gap::Unknown;
            return Err(UpstreamError::Lost("it does not know the gateway's session any more".to_owned()));
        }
        405 => return Ok(Ended::Without),
        _ => {}
    }
    let Answer::Stream(events) = received.answer else {
        return Err(received.answer.failure(received.status));
    };
    if *gap == Gap::Unknown {
        announce(changed, &kinds).await;
    }
    *gap = Gap::Unknown;
    let roots = driver.endpoint.roots();
    let answer = |request: &mcp::Request| session.answer(answer_to_server(request, roots.as_ref()));
    Ok(Ended::After(follow(events, changed, &kinds, answer).await))
}

/// `subscriptions/listen` (MCP 2026-07-28).
async fn listen(
    driver: &Streamable,
    changed: &mpsc::Sender<Kind>,
    gap: &mut Gap,
) -> Result<Ended, UpstreamError> {
    let kinds = watched(&*driver.facts(None).await?);
    let mut flags: Vec<_> = kinds.iter().filter_map(|kind| flag(*kind)).collect();
    flags.dedup();
    if flags.is_empty() {
        return Ok(Ended::Without);
    }
    let id = driver.endpoint.next_id();
    let deadline = driver.endpoint.connect_deadline();
    let message = params::request(id, "subscriptions/listen", params::of_listen(&flags));
    let headers = modern::headers("subscriptions/listen");
    let parcel = Parcel { principal: None, headers, message, repeat: Repeat::Safe };
    let received = driver.endpoint.post(parcel, &deadline).await?;
    let events = match received.answer {
        Answer::Stream(events) => events,
        // An answer in one piece is a refusal: there is no such method, or nothing to listen to.
        Answer::Json(_) => return Ok(Ended::Without),
        answer => return Err(answer.failure(received.status)),
    };
    if *gap != Gap::None {
        announce(changed, &kinds).await;
    }
    *gap = Gap::Unknown;
    follow(events, changed, &kinds, |_| ()).await;
    Ok(Ended::After(None))
}

/// Reads a stream to its end; answers from where it can be taken up.
async fn follow(
    mut events: Box<EventStream>,
    changed: &mpsc::Sender<Kind>,
    kinds: &[Kind],
    answer: impl Fn(&mcp::Request),
) -> Option<HeaderValue> {
    let deadline = Deadline::start(FOREVER, SILENCE);
    loop {
        match events.next(&deadline).await {
            Ok(Some(Message::Notification(notification))) => {
                let concerned: Vec<_> =
                    kinds.iter().copied().filter(|kind| concerns(&notification.method, *kind)).collect();
                announce(changed, &concerned).await;
            }
            Ok(Some(Message::Request(request))) => answer(&request),
            // The graceful end of `subscriptions/listen`.
            Ok(Some(Message::Response(_)) | None) => break,
            Err(error) => {
                tracing::debug!(%error, "a feed broke");
                break;
            }
        }
    }
    events.last_id().cloned()
}

async fn announce(changed: &mpsc::Sender<Kind>, kinds: &[Kind]) {
    for kind in kinds {
        if changed.send(*kind).await.is_err() {
            return;
        }
    }
}

/// The lists whose changes the server promises to tell.
fn watched(facts: &ServerFacts) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| facts::declares(facts, kind.capability(), "listChanged")).collect()
}

fn flag(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Tool => Some("toolsListChanged"),
        Kind::Prompt => Some("promptsListChanged"),
        Kind::Resource => Some("resourcesListChanged"),
        // Told together with the resources.
        Kind::Template => None,
    }
}

fn concerns(notification: &str, kind: Kind) -> bool {
    match kind {
        Kind::Tool => notification == "notifications/tools/list_changed",
        Kind::Prompt => notification == "notifications/prompts/list_changed",
        Kind::Resource | Kind::Template => notification == "notifications/resources/list_changed",
    }
}
