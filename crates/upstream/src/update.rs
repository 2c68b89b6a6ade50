//! Reads a server's `notifications/resources/updated` and `notifications/subscriptions/acknowledged`.
//!
//! What leaves here is small and means one thing: an oversized or ambiguous notification is replaced by one that says
//! only which resource changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp::{Edit, Notification, Object, Splice, meta, object};

use crate::board::{Board, NotSubscribed};
use crate::inbox::Update;
use crate::params;

#[cfg(test)]
mod tests;

/// A notification above this many bytes is not passed on as it is.
const PASSED_MAX: usize = 16 * 1024;
/// The longest URI of a resource, in bytes; as in the catalogue.
const URI_MAX: usize = 8 * 1024;
/// An acknowledgement above this many bytes is not read.
const ACK_MAX: usize = 1024 * 1024;

/// The method that tells of a changed resource.
pub(crate) const UPDATED: &str = "notifications/resources/updated";
/// The method that says what a subscription covers.
pub(crate) const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

impl Update {
    /// The change that a notification tells of; `None` when it names no resource.
    #[must_use]
    pub fn of(notification: &Notification) -> Option<Self> {
        let params = &notification.params;
        let uri = params.string("uri").filter(|uri| !uri.is_empty() && uri.len() <= URI_MAX)?;
        let whole = notification.text.as_bytes().len() <= PASSED_MAX;
        let ambiguous = params.has_duplicate_keys() || params.meta().is_some_and(Object::has_duplicate_keys);
        if !whole || ambiguous {
            return Some(Self::bare(&uri));
        }
        // It may wait for long, and the message it came in may be much larger.
        let text = match params.meta() {
            None => notification.text.detached(),
            Some(meta) => {
                let own = |key: &str| key == meta::SUBSCRIPTION_ID || key.starts_with("dev.portcullis/");
                let mut splice = Splice::of(&notification.text);
                splice.apply(Edit::of(meta).remove_where(own));
                splice.finish().into_raw().detached()
            }
        };
        Some(Self { uri: uri.into(), text })
    }

    /// A change of which nothing is known but the resource.
    #[must_use]
    pub fn bare(uri: &str) -> Self {
        let text = params::notification(UPDATED, params::of_uri(uri)).into_raw();
        Self { uri: uri.into(), text }
    }
}

/// What a server says a subscription covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// The id of the request that asked for it.
    pub(crate) id: Option<u64>,
    /// The resources.
    pub(crate) uris: Vec<String>,
}

impl Acknowledged {
    /// Reads an acknowledgement; of one that is too large only the id.
    pub(crate) fn of(notification: &Notification) -> Self {
        let id = notification.params.meta().and_then(|meta| meta.get(meta::SUBSCRIPTION_ID)?.to_u64());
        let fits = notification.text.as_bytes().len() <= ACK_MAX;
        let filter = notification.params.object("notifications").filter(|_| fits);
        let uris = filter.and_then(|filter| filter.get("resourceSubscriptions"));
        let uris = uris.map(|uris| object::elements(&uris)).unwrap_or_default();
        Self { id, uris: uris.iter().filter_map(|uri| Some(uri.to_text()?.into_owned())).collect() }
    }
}

/// What a subscription covers of what was asked for.
pub(crate) struct Terms {
    /// What the server tells of.
    pub(crate) told: BTreeSet<Arc<str>>,
    /// What else it was asked to tell of.
    untold: BTreeSet<Arc<str>>,
}

impl Terms {
    /// What of `asked` was acknowledged.
    pub(crate) fn of(asked: BTreeSet<Arc<str>>, acknowledged: &[String]) -> Self {
        let is_told = |uri: &Arc<str>| acknowledged.iter().any(|told| **told == **uri);
        let (told, untold) = asked.into_iter().partition(is_told);
        Self { told, untold }
    }

    /// Tells whoever waits for an answer.
    pub(crate) fn settle(&mut self, board: &Board) {
        self.told.iter().for_each(|uri| board.held(uri));
        for uri in std::mem::take(&mut self.untold) {
            board.refused(&uri, &NotSubscribed::Unsupported);
        }
    }
}
