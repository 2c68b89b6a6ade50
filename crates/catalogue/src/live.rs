//! The catalogue of one gateway, alive: what its rooms ask when a client lists, calls or reads.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use config::{Gateway, Listing};
use futures_util::FutureExt;
use futures_util::future::{Either, join_all};
use identity::Principal;
use mcp::Kind;
use store::Store;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use upstream::Caller;

use crate::dynamic::Dynamic;
use crate::error::Error;
use crate::item::Item;
use crate::merge::merge;
use crate::name;
use crate::personal::Need;
use crate::report::Report;
use crate::route::Route;
use crate::shared::Shared;
use crate::source::Source;
use crate::status::{State, TargetStatus};
use crate::sync::{Keeper, MISS_GAP, Sync};
use crate::view::View;
use crate::viewer::Viewer;

/// How long the pages after the first one may show the dynamic lists that the first one was made of.
const PAGING: Duration = Duration::from_secs(60);

/// The longest time a client is told to keep a list.
const TTL_MAX: Duration = Duration::from_secs(60);

/// What a catalogue is made of.
pub struct Parts {
    /// The gateway, as configured.
    pub gateway: Arc<Gateway>,
    /// The gateway's targets, in the configuration's order.
    pub sources: Vec<Arc<dyn Source>>,
    /// Where default listings are kept.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// `limits.catalogue_items`.
    pub items_max: usize,
}

/// The live catalogue of one gateway. Cheap to clone.
#[derive(Clone)]
pub struct Catalogue(Arc<Inner>);

struct Inner {
    gateway: Arc<Gateway>,
    clock: Clock,
    shared: Arc<Shared>,
    sync: Arc<Sync>,
    dynamic: Arc<Dynamic>,
    /// Stored targets that are not configured any more.
    gone: Vec<String>,
}

/// How live a list has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// A first page: dynamic targets are asked, as far as their `ttlMs` does not spare it.
    Live,
    /// A further page: the lists of the page before are good enough.
    Continued,
}

/// What a principal sees at one moment, before policy hides anything.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The merged lists.
    pub view: Arc<View>,
    /// How each target's lists stand, in the configuration's order.
    pub statuses: Arc<[TargetStatus]>,
    /// How long a client may keep the lists; zero while a target is missing or slow.
    pub ttl: Duration,
}

/// Why a name or URI leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// No list knows it.
    Unknown,
    /// It has the prefix of this target, whose lists cannot be had at the moment.
    Silent(Arc<str>),
}

impl Catalogue {
    /// Loads what is persisted, so that the catalogue is there before any server is. Blocks for a few small queries.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn load(parts: Parts) -> Result<Self, Error> {
        let Parts { gateway, sources, store, clock, items_max } = parts;
        let stored = store.load_catalogue(&gateway.name)?;
        let configured = |name: &str| gateway.targets.iter().any(|target| target.name == name);
        let gone =
            stored.iter().map(|stored| stored.target.clone()).filter(|name| !configured(name)).collect();
        let shared =
            Arc::new(Shared::restore(Arc::clone(&gateway), items_max, &stored, clock.unix_seconds()));
        let listing = |wanted: Listing| {
            let both = gateway.targets.iter().zip(&sources).enumerate();
            both.filter(move |(_, (target, _))| target.listing == wanted)
                .map(|(index, (_, source))| (index, Arc::clone(source)))
        };
        let sync = Arc::new(Sync {
            gateway: Arc::clone(&gateway),
            shared: Arc::clone(&shared),
            store: store.clone(),
            clock: clock.clone(),
            items_max,
            keepers: listing(Listing::Default)
                .map(|(index, source)| Arc::new(Keeper::new(index, source)))
                .collect(),
        });
        let dynamic = listing(Listing::Dynamic).collect();
        let dynamic = Arc::new(Dynamic::new(
            Arc::clone(&gateway),
            dynamic,
            Arc::clone(&shared),
            store,
            clock.clone(),
            items_max,
        ));
        Ok(Self(Arc::new(Inner { gateway, clock, shared, sync, dynamic, gone })))
    }

    /// Keeps the default listings fresh until `stop`. To be run once, in a task of its own.
    pub async fn run(&self, stop: CancellationToken) {
        for target in &self.0.gone {
            if let Err(error) = self.0.sync.store.forget_target(&self.0.gateway.name, target).await {
                tracing::error!(target.name = %target, %error, "a target that is not configured any more stays in the database");
            }
        }
        Arc::clone(&self.0.sync).run(stop).await;
    }

    /// Has a default target's lists captured soon, because calls to it fail: the status then says how it is. However
    /// often this is asked, a server is asked no more than once in two seconds. Does nothing for other targets.
    pub fn resync(&self, target: &str) {
        if let Some(keeper) = self.keeper_of(target) {
            keeper.doubt();
        }
    }

    /// What `caller` sees, within the gateway's list budget: fresh where possible, last known where not.
    pub async fn seen(&self, caller: &Caller, freshness: Freshness) -> Seen {
        let inner = &*self.0;
        let deadline = Instant::now() + inner.gateway.list_budget;
        let viewer = Viewer::of(&caller.principal);
        let need = match freshness {
            Freshness::Live => Need::Fresh,
            Freshness::Continued => Need::Retried(PAGING),
        };
        let budget = inner.gateway.list_budget;
        let first = self.unasked().map(|keeper| {
            Either::Left(async move {
                let _ = timeout_at(keeper.patience(deadline, budget), keeper.first_attempt()).await;
                None
            })
        });
        let asked = inner.dynamic.indexes().map(|index| {
            let ended = inner.dynamic.ask(viewer, caller, index, need, budget);
            Either::Right(async move { (!ended.await).then_some(index) })
        });
        let late: Vec<usize> = join_all(first.chain(asked)).await.into_iter().flatten().collect();
        self.compose(viewer, &late)
    }

    /// What is known for a principal, without asking any server.
    #[must_use]
    pub fn known(&self, principal: &Principal) -> Seen {
        self.compose(Viewer::of(principal), &[])
    }

    /// The tool or prompt that clients call `exposed`. When no known list has it, the targets it could belong to are asked,
    /// each at most once in a while.
    ///
    /// # Errors
    /// There is no such item for this caller.
    pub async fn find(&self, caller: &Caller, kind: Kind, exposed: &str) -> Result<Arc<Item>, Missed> {
        // INVARIANT: what the shared view shows is owned by its target, so every principal's own view shows it too.
        if let Some(item) = self.0.shared.current().view.get(kind, exposed) {
            return Ok(Arc::clone(item));
        }
        let known = || self.known(&caller.principal).view.get(kind, exposed).cloned();
        if let Some(item) = known() {
            return Ok(item);
        }
        let gateway = &self.0.gateway;
        let possible = |index: &usize| {
            gateway.targets.get(*index).is_some_and(|target| name::could_be_of(gateway, target, exposed))
        };
        let possible: Vec<usize> = (0..gateway.targets.len()).filter(possible).collect();
        self.ask_now(caller, &possible).await;
        known().ok_or_else(|| self.silent(caller, &possible).map_or(Missed::Unknown, Missed::Silent))
    }

    /// What answers `uri`. When no known list has it, the targets whose lists are not known for sure are asked first.
    ///
    /// # Errors
    /// No list and no template knows the URI.
    pub async fn route(&self, caller: &Caller, uri: &str) -> Result<Route, Missed> {
        let known = self.known(&caller.principal);
        match known.view.route_uri(uri) {
            Some(route @ Route::Listed(_)) => return Ok(route),
            Some(route) if known.statuses.iter().all(|status| status.state != State::Missing) => {
                return Ok(route);
            }
            _ => {}
        }
        let gateway = &self.0.gateway;
        let unsure = gateway.targets.iter().enumerate().filter(|(_, target)| {
            let missing =
                |status: &TargetStatus| *status.target == *target.name && status.state == State::Missing;
            target.listing == Listing::Dynamic || known.statuses.iter().any(missing)
        });
        let unsure: Vec<usize> = unsure.map(|(index, _)| index).collect();
        self.ask_now(caller, &unsure).await;
        self.known(&caller.principal).view.route_uri(uri).ok_or(Missed::Unknown)
    }

    /// Told whenever the default listings, or the owners of names, have become others. What a principal sees may be the
    /// same all the same: compare [`View::digest`].
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.shared.changes()
    }

    /// The gateway's targets whose lists each caller has to themselves.
    pub fn dynamic_targets(&self) -> impl Iterator<Item = &str> {
        let targets = &self.0.gateway.targets;
        self.0.dynamic.indexes().filter_map(|index| targets.get(index)).map(|target| target.name.as_str())
    }

    /// Asks a dynamic target anew for `caller`'s lists, because they changed, and returns when that has ended or after
    /// the time it may take to connect. Does nothing for other targets: those are captured when their feed says so.
    pub async fn refresh(&self, caller: &Caller, target: &str) {
        let inner = &*self.0;
        let Some(index) = inner.gateway.targets.iter().position(|known| known.name == target) else { return };
        let patience = inner.gateway.targets[index].connect_timeout.max(inner.gateway.list_budget);
        let need = Need::Since(Instant::now());
        // What was under way already may have been asked before the change.
        for _ in 0..2 {
            inner.dynamic.ask(Viewer::of(&caller.principal), caller, index, need, patience).await;
        }
    }

    /// What is left out of the default view, and why.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        self.0.shared.current().view.reports().to_vec()
    }

    /// Asks these targets, each within its time to connect but not less than the list budget.
    async fn ask_now(&self, caller: &Caller, indexes: &[usize]) {
        let inner = &*self.0;
        let viewer = Viewer::of(&caller.principal);
        let asked = indexes.iter().filter_map(|index| {
            let target = inner.gateway.targets.get(*index)?;
            let patience = inner.gateway.list_budget.max(target.connect_timeout);
            let keeper = self.keeper_of(&target.name);
            let ended = match keeper {
                Some(keeper) => {
                    Either::Left(timeout(patience, keeper.capture_now()).map(|ended| ended.is_ok()))
                }
                None => Either::Right(inner.dynamic.ask(
                    viewer,
                    caller,
                    *index,
                    Need::Retried(MISS_GAP),
                    patience,
                )),
            };
            Some(ended)
        });
        join_all(asked).await;
    }

    /// The prefixed target among these whose lists are not known at all.
    fn silent(&self, caller: &Caller, indexes: &[usize]) -> Option<Arc<str>> {
        let statuses = self.known(&caller.principal).statuses;
        let targets = indexes.iter().filter_map(|index| self.0.gateway.targets.get(*index));
        let mut prefixed = targets.filter(|target| target.prefix == config::Prefix::Target);
        prefixed.find_map(|target| {
            let missing =
                |status: &&TargetStatus| *status.target == *target.name && status.state == State::Missing;
            statuses.iter().find(missing).map(|status| Arc::clone(&status.target))
        })
    }

    fn keeper_of(&self, target: &str) -> Option<&Arc<Keeper>> {
        let position = self.0.gateway.targets.iter().position(|known| known.name == target)?;
        self.0.sync.keepers.iter().find(|keeper| keeper.index() == position)
    }

    /// The default targets of which nothing is known.
    fn unasked(&self) -> impl Iterator<Item = &Arc<Keeper>> {
        self.0.sync.keepers.iter().filter(|keeper| self.0.shared.capture(keeper.index()).is_none())
    }

    /// Puts default and dynamic lists together; `late` targets did not answer within the budget.
    fn compose(&self, viewer: Viewer, late: &[usize]) -> Seen {
        let inner = &*self.0;
        let current = inner.shared.current();
        if inner.dynamic.is_empty() {
            let ttl = if settled(&current.statuses) { TTL_MAX } else { Duration::ZERO };
            return Seen { view: Arc::clone(&current.view), statuses: Arc::clone(&current.statuses), ttl };
        }
        let held = inner.dynamic.held(viewer, late, inner.clock.unix_seconds());
        let shelves: Vec<_> = held.iter().filter_map(|(_, held)| held.shelf.clone()).collect();
        let view = inner.dynamic.composed(viewer, &current, &shelves, |all| {
            merge(&inner.gateway, all, &current.claims, inner.shared.next_generation()).for_one()
        });
        let own = held.iter().map(|(_, held)| &held.status);
        let all: Vec<&TargetStatus> = current.statuses.iter().chain(own).collect();
        let in_order = inner.gateway.targets.iter();
        let statuses: Arc<[TargetStatus]> = in_order
            .filter_map(|target| {
                all.iter().find(|status| *status.target == *target.name).map(|status| (*status).clone())
            })
            .collect();
        let least = held.iter().map(|(_, held)| held.fresh_for).min().unwrap_or_default().min(TTL_MAX);
        let ttl = if settled(&statuses) { least } else { Duration::ZERO };
        Seen { view, statuses, ttl }
    }
}

fn settled(statuses: &[TargetStatus]) -> bool {
    statuses.iter().all(|status| status.state == State::Fresh)
}
