//! Reads all of a server's lists to the end, within bounds, whatever the server does.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use mcp::{Kind, Object, Outcome, Raw, Response, code, object};
use tokio::time::{Instant, timeout_at};
use upstream::{Caller, ServerFacts, UpstreamError};

use crate::capture::Capture;
use crate::source::Source;

/// Pages of one list that are read before a server is held to be endless, beyond one per entry.
const PAGES_SPARE: usize = 16;

/// How much of one server's lists is read at one time, in bytes: all pages of all four lists, as they come in. The page
/// that goes beyond is left out, and its list ends there. No server that is meant to be used lists as much.
pub(crate) const BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much of a server's lists is read, besides [`BYTES_MAX`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Entries of each kind; one more is read, so that a cut is noticed.
    pub(crate) items: usize,
    /// Time for everything together.
    pub(crate) time: Duration,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) capture: Capture,
    /// How long the server lets a client keep the lists: the least of all pages; zero where it does not say.
    pub(crate) ttl: Duration,
    /// Why a list is missing from the capture, though the server has the capability for it.
    pub(crate) incomplete: Option<UpstreamError>,
}

/// One list, read to its end.
#[derive(Debug, Default)]
struct Whole {
    items: Vec<Raw>,
    ttl_ms: Option<u64>,
    end: End,
}

/// How the reading of a list ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    /// With the list, or with more entries than are wanted.
    #[default]
    Reached,
    /// With the last of [`BYTES_MAX`].
    OutOfBytes,
}

/// Reads the lists of one server, which share what may be read.
struct Reader<'a> {
    source: &'a dyn Source,
    caller: Option<&'a Caller>,
    items_max: usize,
    bytes_left: AtomicUsize,
}

/// Asks for the facts and then for every list the server has the capability for, the lists side by side.
///
/// A list the server answers with an error is taken from `previous`, so that it does not cost the other three. Only
/// when none can be had, or the server cannot be spoken to, is the whole pull an error.
pub(crate) async fn pull(
    source: &dyn Source,
    caller: Option<&Caller>,
    previous: Option<&Capture>,
    bounds: Bounds,
) -> Result<Pulled, UpstreamError> {
    let all = async {
        let facts = source.facts(caller).await?;
        let bytes_left = AtomicUsize::new(BYTES_MAX);
        let reader = Reader { source, caller, items_max: bounds.items, bytes_left };
        let lists = Kind::ALL.map(|kind| reader.read_if_offered(&facts, kind));
        let lists = join_all(lists).await;
        assemble(ServerFacts::clone(&facts), lists, previous)
    };
    let deadline = Instant::now() + bounds.time;
    timeout_at(deadline, all).await.unwrap_or(Err(UpstreamError::Timeout(bounds.time)))
}

fn assemble(
    facts: ServerFacts,
    lists: Vec<Result<Option<Whole>, UpstreamError>>,
    previous: Option<&Capture>,
) -> Result<Pulled, UpstreamError> {
    let ttl = lists.iter().flatten().flatten().map(|list| list.ttl_ms.unwrap_or(0)).min().unwrap_or(0);
    let anything_read = lists.iter().any(|list| matches!(list, Ok(Some(_))));
    let mut capture = Capture { facts: Some(facts), ..Capture::default() };
    let (mut incomplete, mut cut) = (None, Vec::new());
    for (kind, list) in Kind::ALL.into_iter().zip(lists) {
        *capture.items_mut(kind) = match list {
            Ok(Some(list)) => {
                cut.extend((list.end == End::OutOfBytes).then_some(kind));
                list.items
            }
            Ok(None) => Vec::new(),
            Err(UpstreamError::BrokeProtocol(what)) if anything_read => {
                incomplete = Some(UpstreamError::BrokeProtocol(what));
                previous.map(|previous| previous.items(kind).to_vec()).unwrap_or_default()
            }
            Err(error) => return Err(error),
        };
    }
    capture.cut = cut;
    Ok(Pulled { capture, ttl: Duration::from_millis(ttl), incomplete })
}

impl Reader<'_> {
    async fn read_if_offered(&self, facts: &ServerFacts, kind: Kind) -> Result<Option<Whole>, UpstreamError> {
        let offered = Object::of(&facts.capabilities).is_some_and(|own| own.get(kind.capability()).is_some());
        if offered { self.read(kind).await } else { Ok(None) }
    }

    async fn read(&self, kind: Kind) -> Result<Option<Whole>, UpstreamError> {
        let mut whole = Whole::default();
        let mut first_page = None;
        let mut cursor: Option<String> = None;
        let mut seen = HashSet::new();
        for _ in 0..self.items_max.saturating_add(PAGES_SPARE) {
            let response = self.source.page(self.caller, kind, cursor.take()).await?;
            if !self.has_room_for(&response) {
                whole.end = End::OutOfBytes;
                break;
            }
            let Some(page) = result_of(&response, kind)? else { return Ok(None) };
            let listed = list_of(&page, kind)?;
            // Some servers give an empty cursor after the last page and start again when it comes back.
            if first_page.as_ref() == Some(&listed) {
                break;
            }
            whole.add(&page, &listed);
            first_page.get_or_insert(listed);
            cursor = page.string("nextCursor");
            let Some(next) = &cursor else { return Ok(Some(whole)) };
            if whole.items.len() > self.items_max || !seen.insert(next.clone()) {
                break;
            }
        }
        tracing::warn!(
            list = kind.list_method(),
            items = whole.items.len(),
            "a server's list has no end; it was cut"
        );
        Ok(Some(whole))
    }

    /// Takes the bytes of a page off what may be read, unless it is more than that.
    fn has_room_for(&self, response: &Response) -> bool {
        let bytes = response.text.as_bytes().len();
        let take = |left: usize| left.checked_sub(bytes);
        self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

impl Whole {
    /// Takes the entries of one more page. They are copied: a few small ones must not hold on to the whole page.
    fn add(&mut self, page: &Object, listed: &Raw) {
        self.items.extend(object::elements(listed).iter().map(Raw::detached));
        let ttl = page.get("ttlMs").and_then(|ttl| ttl.to_u64()).unwrap_or(0);
        self.ttl_ms = Some(self.ttl_ms.map_or(ttl, |least| least.min(ttl)));
    }
}

fn list_of(page: &Object, kind: Kind) -> Result<Raw, UpstreamError> {
    let listed = page.get(kind.result_key()).filter(|list| list.as_bytes().starts_with(b"["));
    listed.ok_or_else(|| broke(kind, "the result has no list"))
}

/// The result of one page; `None` when the server does not know the method after all.
fn result_of(response: &Response, kind: Kind) -> Result<Option<Object>, UpstreamError> {
    match &response.outcome {
        Outcome::Result(result) => {
            Object::of(result).map(Some).ok_or_else(|| broke(kind, "the result is no object"))
        }
        Outcome::Error(error) => {
            let error = Object::of(error).unwrap_or_else(Object::empty);
            let answered = error.get("code").map_or_else(String::new, |code| code.as_str().to_owned());
            if answered == code::METHOD_NOT_FOUND.to_string() {
                Ok(None)
            } else {
                Err(broke(kind, &format!("error {answered}")))
            }
        }
    }
}

fn broke(kind: Kind, what: &str) -> UpstreamError {
    UpstreamError::BrokeProtocol(format!("{}: {what}", kind.list_method()))
}
