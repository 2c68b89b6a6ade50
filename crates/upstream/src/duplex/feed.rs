//! Watches one target for changed lists, over a connection of the gateway's own.

use std::time::Duration;

use mcp::{Era, Kind};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, NewRequest};
use super::pool::Connections;
use super::stream::CallStream;
use super::waiter::Role;
use crate::{ServerFacts, UpstreamError, facts, params};

/// Before a watch that failed is tried again; doubled with each failure that follows.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A subscription lasts as long as its connection.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The capability that says that a list can change, and the flag by which a modern server is asked to tell.
const LISTS: [(&str, &str); 3] =
    [("tools", "toolsListChanged"), ("prompts", "promptsListChanged"), ("resources", "resourcesListChanged")];

/// Why a watch came to an end.
enum End {
    /// Nobody wants to know any more.
    Unwanted,
    /// The server never says when its lists change.
    Silent,
    /// The connection ended.
    Lost,
}

impl Connections {
    /// Sends each kind of list that changed, until `stop` or until nobody listens. When the connection had to be opened
    /// again, anything may have changed, and every kind is sent.
    pub(crate) async fn feed(&self, changed: mpsc::Sender<Kind>, stop: CancellationToken) {
        tokio::select! {
            () = self.watch(&changed) => {}
            () = changed.closed() => {}
            () = stop.cancelled() => {}
            () = self.closed() => {}
        }
    }

    async fn watch(&self, changed: &mpsc::Sender<Kind>) {
        let mut retry = RETRY_MIN;
        let mut again = false;
        // Whether the connection is gone, and nobody was told that it cannot be opened again.
        let mut lost = false;
        loop {
            match self.watch_once(changed, again).await {
                Ok(End::Unwanted) => return,
                // It is asked on schedule only; the connection may end meanwhile.
                Ok(End::Silent) => return std::future::pending().await,
                Ok(End::Lost) => {
                    retry = RETRY_MIN;
                    lost = true;
                }
                Err(error) => {
                    tracing::debug!(target.name = self.opener().name(), %error, "no feed");
                    // Whoever asks for the lists now learns how the server is.
                    if std::mem::take(&mut lost) && tell(changed, &Kind::ALL).await.is_err() {
                        return;
                    }
                    retry = (retry * 2).min(RETRY_MAX);
                }
            }
            again = true;
            sleep(retry).await;
        }
    }

    async fn watch_once(&self, changed: &mpsc::Sender<Kind>, again: bool) -> Result<End, UpstreamError> {
        let lease = self.connection(None).await?;
        let connection = lease.connection();
        let Some(known) = connection.facts() else { return Ok(End::Lost) };
        let flags = announced(&known);
        if flags.is_empty() {
            return Ok(End::Silent);
        }
        let mut changes = connection.changes();
        let mut subscription = match known.version.era() {
            Era::Modern => Some(subscribe(connection, &flags).await?),
            Era::Legacy => None,
        };
        if again && tell(changed, &Kind::ALL).await.is_err() {
            return Ok(End::Unwanted);
        }
        loop {
            let kinds = tokio::select! {
                kinds = changes.recv() => match kinds {
                    Ok(kinds) => kinds,
                    // So many changes that some were lost: any list may be among them.
                    Err(RecvError::Lagged(_)) => &Kind::ALL,
                    Err(RecvError::Closed) => return Ok(End::Lost),
                },
                () = connection.ended() => return Ok(End::Lost),
                () = ended(&mut subscription) => return Ok(End::Lost),
            };
            if tell(changed, kinds).await.is_err() {
                return Ok(End::Unwanted);
            }
        }
    }
}

/// The flags for the lists that the server says can change.
fn announced(known: &ServerFacts) -> Vec<&'static str> {
    LISTS
        .into_iter()
        .filter(|(list, _)| facts::declares(known, list, "listChanged"))
        .map(|(_, flag)| flag)
        .collect()
}

async fn subscribe(connection: &Connection, flags: &[&'static str]) -> Result<CallStream, UpstreamError> {
    let request = NewRequest::own(Role::Subscription, FOR_EVER);
    connection
        .begin(request, |id| params::request(id, "subscriptions/listen", params::of_listen(flags)))
        .await
}

/// Resolves when the server ended the subscription; never without one.
async fn ended(subscription: &mut Option<CallStream>) {
    match subscription {
        Some(stream) => while matches!(stream.next().await, Ok(crate::Event::Notification(_))) {},
        None => std::future::pending().await,
    }
}

async fn tell(changed: &mpsc::Sender<Kind>, kinds: &[Kind]) -> Result<(), mpsc::error::SendError<Kind>> {
    for kind in kinds {
        changed.send(*kind).await?;
    }
    Ok(())
}
