//! The tasks that one listening client is told of, until they are over or nobody listens.
//!
//! A few are asked about at a time, and only as many answers wait for the client: it sets the pace.

use std::sync::Arc;

use mcp::Object;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::operation::{self, Context, News, WatchedTask};
use crate::sites::Sites;

/// Tasks of one listener that are asked about at a time.
const ASKED_MAX: usize = 8;

/// See the module. Dropped, it asks no more.
pub(crate) struct Attended {
    news: mpsc::Receiver<Object>,
    /// Keeps the channel open, so that no task means no news.
    tell: mpsc::Sender<Object>,
    asking: JoinSet<()>,
}

impl Attended {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        let (tell, news) = mpsc::channel(1);
        Self { news, tell, asking: JoinSet::new() }
    }

    /// Attends to the tasks of these ids; answers for which of them that is possible, in their order.
    pub(crate) async fn to(&mut self, sites: &Sites, context: &Context, ids: Vec<String>) -> Vec<String> {
        let (turns, mut looks) = (Arc::new(Semaphore::new(ASKED_MAX)), JoinSet::new());
        for (at, id) in ids.iter().cloned().enumerate() {
            let (turns, context) = (turns.clone(), context.clone());
            looks.spawn(async move {
                let _turn = turns.acquire().await.ok()?;
                Some((at, operation::watch_task(&context, id).await?))
            });
        }
        let mut covered = vec![false; ids.len()];
        while let Some(look) = looks.join_next().await {
            let Ok(Some((at, task))) = look else { continue };
            covered[at] = true;
            self.asking.spawn(attend(task, sites.clone(), turns.clone(), self.tell.clone()));
        }
        let covered = ids.into_iter().zip(covered).filter(|(_, covered)| *covered);
        covered.map(|(id, _)| id).collect()
    }

    /// The next task that there is something to tell of. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Object> {
        self.news.recv().await
    }
}

async fn attend(mut task: WatchedTask, sites: Sites, turns: Arc<Semaphore>, tell: mpsc::Sender<Object>) {
    loop {
        sleep(task.pause()).await;
        let Ok(_turn) = turns.acquire().await else { return };
        let Some(site) = sites.named(task.gateway()) else { return };
        let goes_on = match task.news(site).await {
            News::Now(seen) => tell.send(seen).await.is_ok(),
            News::Last(seen) => {
                let _ = tell.send(seen).await;
                false
            }
            News::Nothing => true,
            News::Over => false,
        };
        if !goes_on {
            return;
        }
    }
}
