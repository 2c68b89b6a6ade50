//! Tends one feed over a connection that carries everything else too: a child's, or an HTTP+SSE stream.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mcp::{Era, Kind, Outcome};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};

use super::connection::{Connection, NewRequest};
use super::pool::Connections;
use super::stream::CallStream;
use super::table::Heard;
use super::waiter::Role;
use crate::board::{Board, NotSubscribed};
use crate::errands::{Errand, Errands};
use crate::update::Terms;
use crate::{Caller, Event, ServerFacts, UpstreamError, facts, params};

/// Before a watch that failed is tried again; doubled with each failure that follows.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A subscription lasts as long as its connection.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why a watch came to an end.
enum End {
    /// Nobody wants to know any more.
    Unwanted,
    /// The server never says when anything changes.
    Silent,
    /// The connection ended.
    Lost,
}

impl Connections {
    /// Tends `board` until nobody wants anything of it. When the connection had to be opened again, everything that it
    /// tells of counts as changed.
    pub(crate) async fn tend(&self, caller: Option<&Caller>, board: &Board) {
        tokio::select! {
            () = self.watch(caller, board) => {}
            () = self.closed() => {
                board.refuse_waiting(&UpstreamError::Cancelled.into());
                // Whoever called this ends it too; until then there is nothing to do.
                std::future::pending().await
            }
        }
    }

    async fn watch(&self, caller: Option<&Caller>, board: &Board) {
        let mut retry = RETRY_MIN;
        let mut again = Again::No;
        // Whether the connection is gone, and nobody was told that it cannot be opened again.
        let mut lost = false;
        while !board.is_empty() {
            let wait = match self.watch_once(caller, board, again).await {
                Ok(End::Unwanted) => return,
                Ok(End::Silent) => {
                    board.refuse_waiting(&NotSubscribed::Unsupported);
                    // It is asked on schedule only; the connection may end meanwhile.
                    board.asked().await;
                    continue;
                }
                Ok(End::Lost) => {
                    retry = RETRY_MIN;
                    lost = true;
                    retry
                }
                Err(error) => {
                    tracing::debug!(target.name = self.opener().name(), %error, "no feed");
                    board.refuse_waiting(&error.into());
                    // Whoever asks for the lists now learns how the server is.
                    if std::mem::take(&mut lost) {
                        board.tell_lists(&Kind::ALL);
                    }
                    retry = (retry * 2).min(RETRY_MAX);
                    retry
                }
            };
            again = Again::Yes;
            tokio::select! {
                () = sleep(wait) => {}
                () = board.asked() => {}
            }
        }
    }

    async fn watch_once(
        &self,
        caller: Option<&Caller>,
        board: &Board,
        again: Again,
    ) -> Result<End, UpstreamError> {
        let lease = self.connection(caller).await?;
        let connection = lease.connection();
        let Some(known) = connection.facts() else { return Ok(End::Lost) };
        let flags = announced(&known);
        if !facts::declares(&known, "resources", "subscribe") {
            board.refuse_waiting(&NotSubscribed::Unsupported);
        }
        if (flags.is_empty() || !board.wants_lists()) && board.wanted().is_empty() {
            return Ok(if board.is_empty() { End::Unwanted } else { End::Silent });
        }
        let watch = Watch {
            connection,
            board,
            heard: connection.changes(),
            patience: self.connect_timeout(),
            again,
            flags,
        };
        match known.version.era() {
            Era::Legacy => Ok(watch.legacy().await),
            Era::Modern => watch.modern().await,
        }
    }
}

/// Whether there was a connection before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

/// One connection, watched.
struct Watch<'a> {
    connection: &'a Connection,
    board: &'a Board,
    heard: broadcast::Receiver<Heard>,
    patience: Duration,
    again: Again,
    flags: Vec<&'static str>,
}

impl Watch<'_> {
    /// `resources/subscribe` for each resource; changed lists come by themselves.
    async fn legacy(mut self) -> End {
        if self.again == Again::Yes {
            self.board.tell_missed(&Kind::ALL);
        }
        let (mut errands, mut held) = (Errands::default(), BTreeSet::new());
        let (connection, patience) = (self.connection, self.patience);
        let ask = |errand, uri| run(connection.clone(), errand, uri, patience);
        errands.set_out(self.board, &held, ask);
        loop {
            if self.board.is_empty() && errands.is_done() && held.is_empty() {
                return End::Unwanted;
            }
            tokio::select! {
                heard = self.heard.recv() => match heard {
                    Err(RecvError::Closed) => return End::Lost,
                    heard => self.tell(heard),
                },
                () = self.connection.ended() => return End::Lost,
                () = self.board.changed() => errands.set_out(self.board, &held, ask),
                done = errands.done() => {
                    errands.settle(self.board, &mut held, done);
                    errands.set_out(self.board, &held, ask);
                }
            }
        }
    }

    /// One `subscriptions/listen` for everything; another one is acknowledged before it is let go.
    async fn modern(mut self) -> Result<End, UpstreamError> {
        let mut current = self.listen().await?;
        current.terms.settle(self.board);
        if self.again == Again::Yes {
            self.board.tell_missed(&Kind::ALL);
        }
        loop {
            tokio::select! {
                heard = self.heard.recv() => match heard {
                    Err(RecvError::Closed) => return Ok(End::Lost),
                    heard => self.tell(heard),
                },
                () = self.connection.ended() => return Ok(End::Lost),
                () = ended(&mut current.stream) => return Ok(End::Lost),
                () = self.board.changed() => {
                    if self.board.is_empty() {
                        return Ok(End::Unwanted);
                    }
                    let lists = self.flags.is_empty() || self.board.wants_lists() == current.lists;
                    if !(lists && self.board.wanted() == current.terms.told) {
                        // The old one is let go before anybody learns of the new one, so that nothing is told twice.
                        current = self.listen().await?;
                        current.terms.settle(self.board);
                    }
                }
            }
        }
    }

    async fn listen(&mut self) -> Result<Listening, UpstreamError> {
        let uris = self.board.wanted();
        let lists = self.board.wants_lists();
        let flags = if lists { &self.flags[..] } else { &[] };
        let filter = params::of_listen(flags, uris.iter().map(|uri| &**uri), None);
        let request = NewRequest::own(Role::Subscription, FOR_EVER);
        let begun =
            self.connection.begin(request, |id| params::request(id, "subscriptions/listen", filter)).await;
        let stream = begun?;
        let told = timeout(self.patience, self.acknowledgement(stream.id())).await.unwrap_or_default();
        let terms = Terms::of(uris, &told);
        Ok(Listening { stream, terms, lists })
    }

    /// The resources that the server says it tells of; none when it does not say.
    async fn acknowledgement(&mut self, id: u64) -> Vec<String> {
        loop {
            match self.heard.recv().await {
                Ok(Heard::Acknowledged(acknowledged)) if acknowledged.id == Some(id) => {
                    return acknowledged.uris.clone();
                }
                Err(RecvError::Closed) => return Vec::new(),
                heard => self.tell(heard),
            }
        }
    }

    fn tell(&self, heard: Result<Heard, RecvError>) {
        match heard {
            Ok(Heard::Lists(kinds)) => self.board.tell_lists(kinds),
            Ok(Heard::Updated(update)) => self.board.tell_update(&update),
            Ok(Heard::Acknowledged(_)) | Err(RecvError::Closed) => {}
            // So many changes that some were lost: anything may be among them.
            Err(RecvError::Lagged(_)) => self.board.tell_missed(&Kind::ALL),
        }
    }
}

/// A modern server's subscription.
struct Listening {
    stream: CallStream,
    terms: Terms,
    lists: bool,
}

async fn run(
    connection: Connection,
    errand: Errand,
    uri: Arc<str>,
    patience: Duration,
) -> Result<Outcome, UpstreamError> {
    let request = NewRequest::own(Role::Handshake, patience);
    let text = |id| params::request(id, errand.method(), params::of_uri(&uri));
    Ok(connection.begin(request, text).await?.answer().await?.outcome)
}

/// The flags for the lists that the server says can change.
fn announced(known: &ServerFacts) -> Vec<&'static str> {
    let can_change = |kind: &Kind| facts::declares(known, kind.capability(), "listChanged");
    let mut flags: Vec<_> = Kind::ALL.into_iter().filter(can_change).map(Kind::listen_flag).collect();
    // Resources and their templates are told as one.
    flags.dedup();
    flags
}

/// Resolves when the server ended the subscription.
async fn ended(subscription: &mut CallStream) {
    while matches!(subscription.next().await, Ok(Event::Notification(_))) {}
}
