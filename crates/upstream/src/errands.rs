//! What a legacy server is asked so that it tells of what a board wants: `resources/subscribe` for each resource that is
//! wanted and not held, `resources/unsubscribe` for each that is held and not wanted. How it is asked is for the driver.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp::{ErrorObject, Outcome};
use tokio::task::JoinSet;

use crate::UpstreamError;
use crate::board::{Board, NotSubscribed};

/// Subscriptions that are asked for, or given up, at a time.
const ASKED_MAX: usize = 16;

/// What a server is asked meanwhile.
#[derive(Default)]
pub(crate) struct Errands {
    jobs: JoinSet<Done>,
    under_way: BTreeSet<Arc<str>>,
}

/// What a server is asked about one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    Subscribe,
    Unsubscribe,
}

/// One errand, with what came of it.
pub(crate) struct Done {
    uri: Arc<str>,
    errand: Errand,
    pub(crate) outcome: Result<Outcome, UpstreamError>,
}

impl Errand {
    /// The method that is asked.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Subscribe => "resources/subscribe",
            Self::Unsubscribe => "resources/unsubscribe",
        }
    }
}

impl Errands {
    /// Whether nothing is asked.
    pub(crate) fn is_done(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Asks for what `board` wants and is not `held`, and gives up what is held and not wanted.
    pub(crate) fn set_out<F>(
        &mut self,
        board: &Board,
        held: &BTreeSet<Arc<str>>,
        ask: impl Fn(Errand, Arc<str>) -> F,
    ) where
        F: Future<Output = Result<Outcome, UpstreamError>> + Send + 'static,
    {
        let wanted = board.wanted();
        let missing = wanted.difference(held).map(|uri| (uri, Errand::Subscribe));
        let spare = held.difference(&wanted).map(|uri| (uri, Errand::Unsubscribe));
        for (uri, errand) in missing.chain(spare) {
            if self.jobs.len() >= ASKED_MAX {
                return;
            }
            if self.under_way.insert(uri.clone()) {
                let (uri, asked) = (uri.clone(), ask(errand, uri.clone()));
                self.jobs.spawn(async move { Done { uri, errand, outcome: asked.await } });
            }
        }
    }

    /// The next errand that is done. Cancel safe.
    pub(crate) async fn done(&mut self) -> Done {
        loop {
            match self.jobs.join_next().await {
                Some(Ok(done)) => return done,
                Some(Err(_)) => {}
                None => return std::future::pending().await,
            }
        }
    }

    /// Tells whoever waits for an answer, and notes in `held` what the server tells of from now on.
    pub(crate) fn settle(&mut self, board: &Board, held: &mut BTreeSet<Arc<str>>, done: Done) {
        let Done { uri, errand, outcome } = done;
        self.under_way.remove(&uri);
        match (errand, outcome) {
            (Errand::Unsubscribe, _) => drop(held.remove(&uri)),
            (Errand::Subscribe, Ok(Outcome::Result(_))) => {
                board.held(&uri);
                held.insert(uri);
            }
            (Errand::Subscribe, Ok(Outcome::Error(error))) => {
                board.refused(&uri, &NotSubscribed::Refused(ErrorObject::read(&error)));
            }
            (Errand::Subscribe, Err(error)) => board.refused(&uri, &error.into()),
        }
    }
}
