//! What is the same for everyone: the default listings, who owns which name, and the view made of them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use config::{Gateway, Listing, Target};
use store::{StoredName, StoredTarget};
use tokio::sync::watch;
use upstream::UpstreamError;

use crate::capture::Capture;
use crate::claims::{Claims, KEPT_DEFAULT, KEPT_DYNAMIC, Renewed};
use crate::merge::merge;
use crate::name;
use crate::pull::Pulled;
use crate::report::Report;
use crate::shelf::Shelf;
use crate::status::{State, TargetStatus, Trouble};
use crate::stored::{fingerprint, to_capture, to_stored};
use crate::view::View;

/// Reports that are logged one by one when a view changes; the rest is counted.
const REPORTS_LOGGED: usize = 20;

/// The default listings of one gateway.
pub(crate) struct Shared {
    gateway: Arc<Gateway>,
    items_max: usize,
    state: Mutex<Listings>,
    current: ArcSwap<Current>,
    /// The generation of the view.
    changes: watch::Sender<u64>,
}

/// One moment of the default listings. Immutable.
pub(crate) struct Current {
    /// The view of a principal for whom no dynamic listing is known.
    pub(crate) view: Arc<View>,
    /// The default targets' shelves.
    pub(crate) shelves: Vec<Arc<Shelf>>,
    /// The default targets' statuses, in the configuration's order.
    pub(crate) statuses: Arc<[TargetStatus]>,
    /// Who owns which name.
    pub(crate) claims: Arc<Claims>,
}

struct Listings {
    /// One per target of the configuration; a dynamic target's stays empty.
    standings: Vec<Standing>,
    claims: Claims,
    generation: u64,
}

struct Standing {
    capture: Option<Arc<Capture>>,
    shelf: Option<Arc<Shelf>>,
    status: TargetStatus,
}

impl Shared {
    /// Takes over what was stored, as far as it belongs to the configuration.
    pub(crate) fn restore(
        gateway: Arc<Gateway>,
        items_max: usize,
        stored: &[StoredTarget],
        now: u64,
    ) -> Self {
        let mut claims = Claims::default();
        let standings = gateway.targets.iter().map(|target| {
            let known = stored.iter().find(|stored| stored.target == target.name);
            if let Some(known) = known {
                claims.restore(&Arc::from(target.name.as_str()), &known.names);
            }
            Standing::restore(&gateway, target, known, items_max, now)
        });
        let mut state = Listings { standings: standings.collect(), claims: Claims::default(), generation: 0 };
        state.claims = claims;
        let current = ArcSwap::from_pointee(state.compose(&gateway));
        let changes = watch::Sender::new(0);
        Self { gateway, items_max, state: Mutex::new(state), current, changes }
    }

    /// The default listings as they are now.
    pub(crate) fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// Told whenever the view becomes another.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The last capture of a default target.
    pub(crate) fn capture(&self, index: usize) -> Option<Arc<Capture>> {
        self.lock().standings.get(index).and_then(|standing| standing.capture.clone())
    }

    /// Takes a new capture of a default target; answers what to persist.
    pub(crate) fn captured(&self, index: usize, pulled: Pulled, now: u64) -> Option<StoredTarget> {
        let target = self.gateway.targets.get(index)?;
        let mut state = self.lock();
        let Listings { standings, claims, .. } = &mut *state;
        let standing = standings.get_mut(index)?;
        let same = standing.capture.as_ref().is_some_and(|known| known.lists_the_same(&pulled.capture));
        if !same {
            standing.shelf =
                Some(Arc::new(Shelf::read(&self.gateway, target, &pulled.capture, self.items_max)));
            standing.capture = Some(Arc::new(pulled.capture));
        }
        standing.note(pulled.incomplete.as_ref(), now);
        let renewed = standing.shelf.as_ref().map_or(Renewed::Same, |shelf| {
            claims.renew(shelf, now, KEPT_DEFAULT, self.items_max, |name| self.may_claim(target, name))
        });
        let names = claims.of_target(&target.name);
        let stored = standing.capture.as_ref().map(|capture| to_stored(target, capture, now, names));
        self.publish(&mut state, same && renewed == Renewed::Same);
        stored
    }

    /// Notes that a default target could not be captured.
    pub(crate) fn failed(&self, index: usize, error: &UpstreamError, now: u64) {
        let mut state = self.lock();
        if let Some(standing) = state.standings.get_mut(index) {
            standing.note(Some(error), now);
        }
        self.publish(&mut state, true);
    }

    /// Takes the names of a dynamic listing somebody was shown; answers what to persist when owners changed.
    pub(crate) fn shown(&self, index: usize, shelf: &Shelf, now: u64) -> Option<Vec<StoredName>> {
        let target = self.gateway.targets.get(index)?;
        let mut state = self.lock();
        let renewed =
            state.claims.renew(shelf, now, KEPT_DYNAMIC, self.items_max, |name| self.may_claim(target, name));
        if renewed == Renewed::Same {
            return None;
        }
        self.publish(&mut state, false);
        Some(state.claims.of_target(&target.name))
    }

    /// A number greater than that of every view before.
    pub(crate) fn next_generation(&self) -> u64 {
        let mut state = self.lock();
        state.generation += 1;
        state.generation
    }

    fn may_claim(&self, target: &Target, name: &str) -> bool {
        name::foreign_prefix(&self.gateway, target, name).is_none()
    }

    fn publish(&self, state: &mut Listings, same_view: bool) {
        let before = self.current();
        let next = if same_view {
            Current {
                view: Arc::clone(&before.view),
                shelves: before.shelves.clone(),
                statuses: state.statuses(&self.gateway),
                claims: Arc::clone(&before.claims),
            }
        } else {
            let next = state.compose(&self.gateway);
            log_news(before.view.reports(), next.view.reports());
            next
        };
        let generation = next.view.generation();
        self.current.store(Arc::new(next));
        self.changes.send_if_modified(|known| std::mem::replace(known, generation) != generation);
    }

    fn lock(&self) -> MutexGuard<'_, Listings> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listings {
    fn compose(&mut self, gateway: &Gateway) -> Current {
        self.generation += 1;
        let shelves: Vec<_> = self.standings.iter().filter_map(|standing| standing.shelf.clone()).collect();
        let view = Arc::new(merge(gateway, &shelves, &self.claims, self.generation));
        Current { view, shelves, statuses: self.statuses(gateway), claims: Arc::new(self.claims.clone()) }
    }

    fn statuses(&self, gateway: &Gateway) -> Arc<[TargetStatus]> {
        let both = gateway.targets.iter().zip(&self.standings);
        let default = both.filter(|(target, _)| target.listing == Listing::Default);
        default.map(|(_, standing)| standing.status.clone()).collect()
    }
}

impl Standing {
    fn restore(
        gateway: &Gateway,
        target: &Target,
        known: Option<&StoredTarget>,
        items_max: usize,
        now: u64,
    ) -> Self {
        let current = |known: &&StoredTarget| {
            target.listing == Listing::Default && known.fingerprint == fingerprint(target)
        };
        let known = known.filter(current).and_then(|known| known.captured_at.map(|at| (known, at)));
        let name: Arc<str> = Arc::from(target.name.as_str());
        let Some((known, captured_at)) = known else {
            return Self { capture: None, shelf: None, status: TargetStatus::unasked(&name, now) };
        };
        let capture = to_capture(known);
        let shelf = Some(Arc::new(Shelf::read(gateway, target, &capture, items_max)));
        let status = TargetStatus { target: name, state: State::Fresh, trouble: None, since: captured_at };
        Self { capture: Some(Arc::new(capture)), shelf, status }
    }

    fn note(&mut self, trouble: Option<&UpstreamError>, now: u64) {
        let state = match (trouble, &self.shelf) {
            (None, _) => State::Fresh,
            (Some(_), Some(_)) => State::Stale,
            (Some(_), None) => State::Missing,
        };
        self.status.change(state, trouble.map(Trouble::from), now);
    }
}

/// Logs what is newly left out, once, and not at all what was left out before.
fn log_news(before: &[Report], now: &[Report]) {
    let known: HashSet<String> = before.iter().map(ToString::to_string).collect();
    let news: Vec<String> =
        now.iter().map(ToString::to_string).filter(|report| !known.contains(report)).collect();
    for report in news.iter().take(REPORTS_LOGGED) {
        tracing::warn!("{report}");
    }
    if news.len() > REPORTS_LOGGED {
        tracing::warn!(more = news.len() - REPORTS_LOGGED, "further entries are not offered");
    }
}
