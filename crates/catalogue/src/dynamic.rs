//! Asks dynamic targets under the caller's identity: one question at a time per principal and target, bounded in all.
//!
//! A question goes on when the list that started it has answered without it: its answer serves the next list.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use config::{Gateway, Target};
use store::{Store, StoredName};
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};
use upstream::{Caller, UpstreamError};

use crate::capture::Capture;
use crate::personal::{Held, Need, Personal, Turn, UnderWay};
use crate::pull::{Bounds, Pulled, pull};
use crate::shared::{Current, Shared};
use crate::shelf::Shelf;
use crate::source::Source;
use crate::status::{State, TargetStatus, Trouble};
use crate::stored::fingerprint;
use crate::view::View;
use crate::viewer::Viewer;

/// Questions under way at a time, per gateway; more wait.
const PULLS_MAX: usize = 64;

/// The longest time one question may take, whatever a call may.
const PULL_TIME_MAX: Duration = Duration::from_secs(30);

/// The dynamic targets of one gateway.
pub(crate) struct Dynamic {
    gateway: Arc<Gateway>,
    /// By position in the configuration, in its order.
    sources: Vec<(usize, Arc<dyn Source>)>,
    shared: Arc<Shared>,
    store: Store,
    clock: Clock,
    items_max: usize,
    personal: Personal,
    room: Semaphore,
}

/// One question to one target for one principal.
struct Question {
    viewer: Viewer,
    caller: Caller,
    index: usize,
    source: Arc<dyn Source>,
    previous: Option<Arc<Capture>>,
}

impl Dynamic {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        sources: Vec<(usize, Arc<dyn Source>)>,
        shared: Arc<Shared>,
        store: Store,
        clock: Clock,
        items_max: usize,
    ) -> Self {
        let (personal, room) = (Personal::default(), Semaphore::new(PULLS_MAX));
        Self { gateway, sources, shared, store, clock, items_max, personal, room }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The dynamic targets' positions in the configuration.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = usize> {
        self.sources.iter().map(|(index, _)| *index)
    }

    /// Sees to it that the listing of target `index` is fresh enough for the caller. The future says whether it is, or the
    /// attempt has failed, within `patience` of the attempt's start; the attempt itself goes on without it.
    pub(crate) fn ask(
        self: &Arc<Self>,
        viewer: Viewer,
        caller: &Caller,
        index: usize,
        need: Need,
        patience: Duration,
    ) -> impl Future<Output = bool> + use<> {
        let wait = self.start(viewer, caller, index, need);
        async move {
            let Some(mut wait) = wait else { return true };
            // The channel never carries a value; it ends with the attempt.
            timeout_at(wait.started + patience, wait.ended.changed()).await.is_ok()
        }
    }

    /// What is known for a principal about each dynamic target, in the configuration's order.
    pub(crate) fn held(&self, viewer: Viewer, late: &[usize], now: u64) -> Vec<(usize, Held)> {
        let mut known = self.personal.known(viewer);
        let held = |index| {
            let late_at = late.contains(&index).then_some(now);
            Some((index, self.held_one(&mut known, index, late_at)?))
        };
        self.indexes().filter_map(held).collect()
    }

    /// The view of one principal, made anew only when one of its parts is new.
    pub(crate) fn composed(
        &self,
        viewer: Viewer,
        current: &Current,
        shelves: &[Arc<Shelf>],
        make: impl FnOnce(&[Arc<Shelf>]) -> View,
    ) -> Arc<View> {
        if shelves.is_empty() {
            return Arc::clone(&current.view);
        }
        if let Some(view) = self.personal.composed(viewer, &current.view, shelves) {
            return view;
        }
        let all: Vec<_> = current.shelves.iter().chain(shelves).cloned().collect();
        let view = Arc::new(make(&all));
        self.personal.keep(viewer, Arc::clone(&current.view), shelves.to_vec(), Arc::clone(&view));
        view
    }

    fn start(
        self: &Arc<Self>,
        viewer: Viewer,
        caller: &Caller,
        index: usize,
        need: Need,
    ) -> Option<UnderWay> {
        let (_, source) = self.sources.iter().find(|(known, _)| *known == index)?;
        let name: Arc<str> = Arc::from(self.gateway.targets.get(index)?.name.as_str());
        match self.personal.turn(viewer, index, &name, need, self.clock.unix_seconds()) {
            Turn::Ready => None,
            Turn::Wait(wait) => Some(wait),
            Turn::Pull { done, wait, previous } => {
                let question =
                    Question { viewer, caller: caller.clone(), index, source: Arc::clone(source), previous };
                let dynamic = Arc::clone(self);
                tokio::spawn(async move {
                    dynamic.answer(question).await;
                    drop(done);
                });
                Some(wait)
            }
        }
    }

    async fn answer(&self, question: Question) {
        let Some(target) = self.gateway.targets.get(question.index) else { return };
        let now = || self.clock.unix_seconds();
        match self.pull(&question, target.call_timeout.min(PULL_TIME_MAX)).await {
            Ok(pulled) => {
                let shelf = Arc::new(Shelf::read(&self.gateway, target, &pulled.capture, self.items_max));
                let names = self.shared.shown(question.index, &shelf, now());
                self.personal.pulled(question.viewer, question.index, pulled, shelf, now());
                if let Some(names) = names {
                    self.persist(target, names).await;
                }
            }
            Err(error) => {
                let news = self.personal.failed(question.viewer, question.index, &error, now());
                let (gateway, target) = (&*self.gateway.name, &*target.name);
                if news && !matches!(error, UpstreamError::Cancelled) {
                    tracing::warn!(gateway.name = gateway, target.name = target, %error, "cannot list under the caller's identity");
                } else {
                    tracing::debug!(gateway.name = gateway, target.name = target, %error, "cannot list under the caller's identity");
                }
            }
        }
    }

    async fn persist(&self, target: &Target, names: Vec<StoredName>) {
        let fingerprint = fingerprint(target);
        let kept = self.store.replace_names(&self.gateway.name, &target.name, &fingerprint, names);
        if let Err(error) = kept.await {
            tracing::error!(target.name = %target.name, %error, "the owners of names are not persisted");
        }
    }

    async fn pull(&self, question: &Question, time: Duration) -> Result<Pulled, UpstreamError> {
        let busy = || UpstreamError::Busy(format!("{PULLS_MAX} lists are being read already"));
        let _place = match timeout(self.gateway.list_budget, self.room.acquire()).await {
            Ok(Ok(place)) => place,
            _ => return Err(busy()),
        };
        let bounds = Bounds { items: self.items_max, time };
        pull(&*question.source, Some(&question.caller), question.previous.as_deref(), bounds).await
    }

    fn held_one(&self, known: &mut HashMap<usize, Held>, index: usize, late_at: Option<u64>) -> Option<Held> {
        let name: Arc<str> = Arc::from(self.gateway.targets.get(index)?.name.as_str());
        let unasked = || Held {
            shelf: None,
            status: TargetStatus::unasked(&name, self.clock.unix_seconds()),
            fresh_for: Duration::ZERO,
        };
        let mut held = known.remove(&index).unwrap_or_else(unasked);
        if let Some(now) = late_at {
            let state = if held.shelf.is_some() { State::Stale } else { State::Missing };
            held.status.change(state, Some(Trouble::TooSlow), now);
        }
        Some(held)
    }
}
