//! A catalogue with its store, its clock and its servers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use config::{Gateway, Listing, Target};
use identity::{Principal, Verified};
use mcp::{Era, Kind};
use portcullis_catalogue::{Catalogue, Freshness, Parts, Seen, Source};
use store::Store;
use tokio_util::sync::{CancellationToken, DropGuard};
use upstream::Caller;

use super::server::Server;
use super::{ITEMS_MAX, gateway, names, raw};

/// A running catalogue.
pub struct World {
    pub catalogue: Catalogue,
    pub clock: Clock,
    stop: CancellationToken,
    /// Ends the upkeep with the test.
    _guard: DropGuard,
}

impl World {
    /// Starts a catalogue over what `dir` holds.
    pub fn start(dir: &Path, gateway: Gateway, servers: &[&Arc<Server>]) -> Self {
        let world = Self::idle(dir, gateway, servers);
        let (catalogue, stop) = (world.catalogue.clone(), world.stop.clone());
        tokio::spawn(async move { catalogue.run(stop).await });
        world
    }

    /// Loads a catalogue and starts no upkeep.
    pub fn idle(dir: &Path, gateway: Gateway, servers: &[&Arc<Server>]) -> Self {
        let clock = Clock::manual(1_000_000);
        let parts = Parts {
            gateway: Arc::new(gateway),
            sources: servers.iter().map(|server| Arc::clone(server) as Arc<dyn Source>).collect(),
            store: Store::open(dir).unwrap(),
            clock: clock.clone(),
            items_max: ITEMS_MAX,
        };
        let stop = CancellationToken::new();
        Self { catalogue: Catalogue::load(parts).unwrap(), clock, _guard: stop.clone().drop_guard(), stop }
    }

    pub async fn seen(&self, subject: &str) -> Seen {
        self.catalogue.seen(&caller(subject), Freshness::Live).await
    }

    /// The tools a subject sees, as `target:name`.
    pub async fn tools(&self, subject: &str) -> Vec<String> {
        names(&self.seen(subject).await.view, Kind::Tool)
    }

    /// Waits until a subject sees these tools.
    pub async fn until_tools(&self, subject: &str, expected: &[&str]) {
        let reached = async {
            while self.tools(subject).await != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
    }

    /// Waits until something holds.
    pub async fn until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let reached = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
    }
}

/// A gateway whose lists wait long: a test that reaches the end of it has found a mistake.
pub fn patient(targets: Vec<Target>) -> Gateway {
    Gateway { list_budget: Duration::from_secs(20), ..gateway(targets) }
}

/// A gateway whose lists hardly wait.
pub fn hasty(targets: Vec<Target>) -> Gateway {
    let hasty = |target: Target| Target { connect_timeout: Duration::from_millis(50), ..target };
    Gateway { list_budget: Duration::from_millis(50), ..gateway(targets.into_iter().map(hasty).collect()) }
}

pub fn dynamic(target: Target) -> Target {
    Target { listing: Listing::Dynamic, ..target }
}

pub fn caller(subject: &str) -> Caller {
    caller_with(Verified { subject: subject.to_owned(), ..Verified::default() })
}

pub fn caller_with(verified: Verified) -> Caller {
    Caller {
        principal: Arc::new(Principal::from(verified)),
        session: None,
        era: Era::Modern,
        capabilities: raw("{}"),
        abilities: upstream::Abilities::NONE,
        info: None,
    }
}
