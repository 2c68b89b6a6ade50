//! The feeds of one target: one per credential that its server can tell apart, and one per child, however many clients want
//! something.
//!
//! A feed is opened for the first interest and ends with the last. What a client wants is counted on a [`Board`]; the
//! target's driver tends it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp::Kind;
use policy::{Action, Permit};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::board::{Board, NotSubscribed, Ticket};
use crate::inbox::{Inbox, InboxBounds, Notice};
use crate::upstream::Upstream;
use crate::{Affinity, Caller, UpstreamError};

/// What may wait for the catalogue, which takes everything at once.
const FEED: InboxBounds = InboxBounds { notices: 16, bytes: 64 * 1024 };

/// The feeds of one target.
pub(crate) struct Hub {
    target: Arc<str>,
    feeds: Mutex<HashMap<Affinity, Arc<Board>>>,
    closed: CancellationToken,
}

/// One client's interest in changes at one target. Dropping it gives it up, at the server too when nobody shares it.
pub struct Subscription {
    _ticket: Ticket,
    upstream: Upstream,
}

impl Subscription {
    /// The target's name.
    #[must_use]
    pub fn target(&self) -> &str {
        self.upstream.name()
    }

    /// Whether it is with this very target. One that was replaced tells nothing any more.
    #[must_use]
    pub fn is_with(&self, upstream: &Upstream) -> bool {
        self.upstream.is(upstream)
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("target", &self.upstream.name()).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Has `inbox` told when the permitted resource changes. Resolves when the server has agreed.
    ///
    /// # Errors
    /// The server does not tell of changes of this resource, or the permit is not one to read it.
    pub async fn subscribe(
        &self,
        permit: Permit,
        caller: &Caller,
        inbox: &Inbox,
    ) -> Result<Subscription, NotSubscribed> {
        let operation = permit.operation();
        let fits = operation.action == Action::ReadResource
            && *operation.target == *self.name()
            && permit.principal() == caller.principal.key();
        if !fits {
            return Err(UpstreamError::NoCredential("the permit is not one to read this".to_owned()).into());
        }
        let ticket = self.feed_for(Some(caller), |board| board.watch_resource(&operation.item, inbox))?;
        let patience = self.target().connect_timeout * 2;
        match tokio::time::timeout(patience, ticket.settled()).await {
            Ok(settled) => settled?,
            Err(_) => return Err(UpstreamError::Timeout(patience).into()),
        }
        Ok(Subscription { _ticket: ticket, upstream: self.clone() })
    }

    /// Has `inbox` told which of the lists change that `caller` is shown, as far as the server says so.
    ///
    /// # Errors
    /// The target is being shut down.
    pub fn watch_lists(&self, caller: &Caller, inbox: &Inbox) -> Result<Subscription, UpstreamError> {
        let ticket = self.feed_for(Some(caller), |board| board.watch_lists(inbox))?;
        Ok(Subscription { _ticket: ticket, upstream: self.clone() })
    }

    /// Watches for changed lists on the gateway's own account until `stop`, until the process shuts down, or until nobody
    /// receives any more. Sends the kind that changed; changes that follow each other faster than they are received are one.
    pub async fn feed(&self, changed: mpsc::Sender<Kind>, stop: CancellationToken) {
        let inbox = Inbox::new(FEED);
        let Ok(_ticket) = self.feed_for(None, |board| board.watch_lists(&inbox)) else { return };
        let closed = self.hub().closed.clone();
        let pass_on = async {
            loop {
                let Notice::Lists { kinds, .. } = inbox.next().await else { continue };
                for kind in kinds {
                    if changed.send(kind).await.is_err() {
                        return;
                    }
                }
            }
        };
        tokio::select! {
            () = pass_on => {}
            () = changed.closed() => {}
            () = stop.cancelled() => {}
            () = closed.cancelled() => {}
        }
    }

    fn feed_for(
        &self,
        caller: Option<&Caller>,
        want: impl FnOnce(&Arc<Board>) -> Ticket,
    ) -> Result<Ticket, UpstreamError> {
        let hub = self.hub();
        if hub.closed.is_cancelled() {
            return Err(UpstreamError::Cancelled);
        }
        let (key, caller) = caller.map_or((Affinity::Gateway, None), |caller| self.feed_of(caller));
        let mut feeds = hub.feeds();
        if let Some(board) = feeds.get(&key) {
            return Ok(want(board));
        }
        let board = Board::new(hub.target.clone());
        let ticket = want(&board);
        feeds.insert(key, board.clone());
        drop(feeds);
        tokio::spawn(tend(self.clone(), caller, key, board));
        Ok(ticket)
    }
}

impl Hub {
    pub(crate) fn new(target: &str, shutdown: &CancellationToken) -> Self {
        Self { target: target.into(), feeds: Mutex::default(), closed: shutdown.child_token() }
    }

    /// Ends every feed.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        let boards: Vec<_> = self.feeds().drain().map(|(_, board)| board).collect();
        boards.iter().for_each(|board| board.refuse_waiting(&UpstreamError::Cancelled.into()));
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<Affinity, Arc<Board>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a feed out that nobody wants. `false`: somebody does.
    fn retire(&self, key: Affinity, board: &Board) -> bool {
        let mut feeds = self.feeds();
        let unwanted = board.is_empty();
        if unwanted {
            feeds.remove(&key);
        }
        unwanted
    }
}

async fn tend(upstream: Upstream, caller: Option<Caller>, key: Affinity, board: Arc<Board>) {
    let closed = upstream.hub().closed.clone();
    loop {
        tokio::select! {
            () = upstream.tend(caller.as_ref(), &board) => {}
            () = closed.cancelled() => return,
        }
        if upstream.hub().retire(key, &board) {
            return;
        }
    }
}
