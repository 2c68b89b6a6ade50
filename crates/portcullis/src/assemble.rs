//! Puts the rooms together: what outlives a reload, and what a reload makes anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use broker::{Broker, Sts};
use catalogue::{Catalogue, Pager, Parts};
use clock::Clock;
use config::{Gateway, Inbound, Issuer, Limits, Outbound, Snapshot};
use exchange::task::TaskIds;
use exchange::{Desk, Quota, Sessions};
use gateway::{Documents, LiveTarget, Site, Streams, Table};
use identity::{Authenticator, KeySources, LocalIssuer, Resource};
use net::{Client, ClientOptions, Drain, Guard, HostPolicy, Tls};
use policy::Engine;
use samples::dev_issuer::DevIssuer;
use seal::{Keyring, Sealer};
use store::Store;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use upstream::{Deps, Upstream};
use url::Url;

use crate::claim::Claim;
use crate::failure::Failure;

/// What outlives a reload. Clones share it.
#[derive(Clone)]
pub struct House(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    clock: Clock,
    pub(crate) drain: Drain,
    /// Ends whatever runs in the background.
    pub(crate) shutdown: CancellationToken,
    /// Targets that were replaced while calls ran on them.
    pub(crate) retired: Mutex<Vec<LiveTarget>>,
    store: Store,
    sealer: Sealer,
    operator: Client,
    broker: Arc<Broker>,
    pub(crate) sources: KeySources,
    /// Runs only where a gateway takes its tokens: it refuses to on anything but loopback.
    dev_issuer: Option<DevIssuer>,
    _claim: Claim,
}

impl House {
    /// Opens everything in `data_dir`, and the clients for what is outside.
    ///
    /// # Errors
    /// Something there cannot be used.
    pub fn open(snapshot: Snapshot, clock: Clock, drain: Drain) -> Result<Self, Failure> {
        let dir = &snapshot.data_dir;
        std::fs::create_dir_all(dir)
            .map_err(|error| Failure::of(format!("`data_dir` {} cannot be made", dir.display()), &error))?;
        let claim = Claim::on(dir)?;
        let in_dir =
            |error: &dyn std::fmt::Display| Failure::of(format!("{} cannot be used", dir.display()), error);
        let keyring = Keyring::open(dir).map_err(|error| in_dir(&error))?;
        let store = Store::open(dir).map_err(|error| in_dir(&error))?;
        let sts = Sts::open(dir, &snapshot.public_url).map_err(|error| in_dir(&error))?;
        let dev_issuer = open_dev_issuer(&snapshot)?;
        let local = dev_issuer
            .as_ref()
            .map(|issuer| LocalIssuer::new(issuer.issuer(), &issuer.jwk_set()))
            .transpose();
        let (operator, learned) = clients(&snapshot)?;
        Ok(Self(Arc::new(Inner {
            clock,
            drain,
            shutdown: CancellationToken::new(),
            retired: Mutex::default(),
            store,
            sealer: Sealer::new(keyring),
            sources: KeySources::new(operator.clone(), learned, local.map_err(|error| in_dir(&error))?),
            operator,
            broker: Arc::new(Broker::new(sts)),
            dev_issuer,
            _claim: claim,
            snapshot: ArcSwap::from_pointee(snapshot),
        })))
    }

    /// The configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// The development issuer, where it runs.
    pub fn dev_issuer(&self) -> Option<&DevIssuer> {
        self.0.dev_issuer.as_ref()
    }

    /// A newly loaded configuration with the ports that were settled when the running one was bound.
    pub fn settled(&self, mut next: Snapshot) -> Snapshot {
        let running = self.snapshot();
        let settle = |next: &mut std::net::SocketAddr, running: std::net::SocketAddr| {
            if next.port() == 0 && next.ip() == running.ip() {
                *next = running;
            }
        };
        settle(&mut next.listen, running.listen);
        settle(&mut next.admin_listen, running.admin_listen);
        if next.public_url.port() == Some(0) {
            // Only a URL without a host refuses a port, and the loader let none of those through.
            let _ = next.public_url.set_port(Some(running.listen.port()));
        }
        next
    }

    /// What the data plane serves under `snapshot`. Targets, sessions and streams that did not change are those of `running`.
    ///
    /// # Errors
    /// A gateway cannot be made. Nothing has been changed then.
    pub fn table(&self, snapshot: &Snapshot, running: Option<&Table>) -> Result<Table, Failure> {
        let only_one = snapshot.gateways.len() == 1;
        let mut sites = HashMap::new();
        for gateway in &snapshot.gateways {
            let before = running.and_then(|table| table.sites.get(gateway.name.as_str()));
            let alias = only_one.then(|| Resource::new(&under(&snapshot.public_url, "mcp")));
            let site = self.site(snapshot, gateway, alias, before)?;
            sites.insert(site.name.clone(), Arc::new(site));
        }
        Ok(Table { sites, documents: self.documents(snapshot) })
    }

    fn site(
        &self,
        snapshot: &Snapshot,
        gateway: &Gateway,
        alias: Option<Resource>,
        before: Option<&Arc<Site>>,
    ) -> Result<Site, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::of(format!("gateway {} cannot be used", gateway.name), error)
        };
        let name: Arc<str> = gateway.name.as_str().into();
        let resource = Resource::new(&under(&snapshot.public_url, &format!("{name}/mcp")));
        let resources: Vec<_> = [Some(resource.clone()), alias.clone()].into_iter().flatten().collect();
        let authenticator = Authenticator::new(&gateway.inbound, &resources, &self.0.sources);
        let hosts = HostPolicy::new(
            snapshot.listen.ip(),
            &snapshot.public_url,
            &gateway.allowed_hosts,
            &gateway.allowed_origins,
        );
        let targets = self.targets(snapshot, gateway, before);
        let unchanged = before.filter(|site| site.config == *gateway && same(&site.targets, &targets));
        let (catalogue, upkeep) = match unchanged {
            Some(site) => (site.catalogue.clone(), site.upkeep.clone()),
            None => self.catalogue(snapshot, gateway, &targets).map_err(|error| failed(&error))?,
        };
        let bounds = Site::session_bounds(gateway, &snapshot.limits);
        // Open sessions go on; their new bounds come into force with the new table.
        let running = before.and_then(|site| site.sessions.clone());
        let sessions = bounds.map(|bounds| running.unwrap_or_else(|| Sessions::new(bounds)));
        let desk = before.map(|site| site.desk.clone()).unwrap_or_else(|| {
            let bounds = Site::desk_bounds(gateway, &snapshot.limits);
            Desk::new(self.0.sealer.clone(), self.0.clock.clone(), bounds)
        });
        Ok(Site {
            authenticator: authenticator.map_err(|error| failed(&error))?,
            hosts: hosts.map_err(|error| failed(&error))?,
            policy: Engine::allow_all(),
            catalogue,
            upkeep,
            pager: Pager::new(self.0.sealer.clone(), &name, gateway.page_size),
            desk,
            tasks: TaskIds::new(self.0.sealer.clone()),
            streams: before.map_or_else(Streams::default, |site| site.streams.clone()),
            subscriptions: before.map_or_else(Quota::default, |site| site.subscriptions.clone()),
            config: gateway.clone(),
            limits: snapshot.limits.clone(),
            drain: self.0.drain.clone(),
            resource,
            alias,
            targets,
            sessions,
            name,
        })
    }

    fn targets(
        &self,
        snapshot: &Snapshot,
        gateway: &Gateway,
        before: Option<&Arc<Site>>,
    ) -> HashMap<Arc<str>, LiveTarget> {
        let same_limits = before.is_some_and(|site| same_for_targets(&site.limits, &snapshot.limits));
        let of = |target: &config::Target| {
            let running = before.and_then(|site| site.targets.get(target.name.as_str()));
            match running.filter(|running| same_limits && running.upstream.target() == target) {
                Some(running) => running.clone(),
                None => LiveTarget {
                    upstream: Upstream::new(&gateway.name, target.clone(), self.deps(snapshot)),
                    calls: TaskTracker::new(),
                },
            }
        };
        gateway.targets.iter().map(|target| (Arc::from(target.name.as_str()), of(target))).collect()
    }

    /// Loads what is persisted, and starts to keep it fresh.
    fn catalogue(
        &self,
        snapshot: &Snapshot,
        gateway: &Gateway,
        targets: &HashMap<Arc<str>, LiveTarget>,
    ) -> Result<(Catalogue, Arc<DropGuard>), catalogue::Error> {
        let source = |target: &config::Target| {
            let live = targets.get(target.name.as_str());
            live.map(|live| Arc::new(live.upstream.clone()) as Arc<dyn catalogue::Source>)
        };
        let catalogue = Catalogue::load(Parts {
            sources: gateway.targets.iter().filter_map(source).collect(),
            gateway: Arc::new(gateway.clone()),
            store: self.0.store.clone(),
            clock: self.0.clock.clone(),
            items_max: snapshot.limits.catalogue_items,
        })?;
        let stop = self.0.shutdown.child_token();
        let (running, until) = (catalogue.clone(), stop.clone());
        tokio::spawn(async move { running.run(until).await });
        Ok((catalogue, Arc::new(stop.drop_guard())))
    }

    fn deps(&self, snapshot: &Snapshot) -> Deps {
        Deps {
            client: self.0.operator.clone(),
            broker: self.0.broker.clone(),
            limits: snapshot.limits.clone(),
            clock: self.0.clock.clone(),
            shutdown: self.0.shutdown.clone(),
        }
    }

    /// The embedded issuers' documents. The token service's are there only where some target takes its assertions.
    fn documents(&self, snapshot: &Snapshot) -> Documents {
        let asserts = |target: &config::Target| matches!(target.outbound, Outbound::Assertion { .. });
        let has_assertions = snapshot.gateways.iter().flat_map(|gateway| &gateway.targets).any(asserts);
        let house = self.clone();
        Box::new(move |path| {
            let sts = has_assertions.then(|| house.0.broker.sts().document(path)).flatten();
            sts.or_else(|| house.0.dev_issuer.as_ref()?.document(path))
        })
    }
}

/// Whether the limits that a target is made with are the same.
fn same_for_targets(before: &Limits, now: &Limits) -> bool {
    let used =
        |limits: &Limits| (limits.upstream_event, limits.json_depth, limits.sessions, limits.questions);
    used(before) == used(now)
}

fn same(before: &HashMap<Arc<str>, LiveTarget>, now: &HashMap<Arc<str>, LiveTarget>) -> bool {
    before.len() == now.len()
        && now
            .iter()
            .all(|(name, target)| before.get(name).is_some_and(|other| other.upstream.is(&target.upstream)))
}

fn open_dev_issuer(snapshot: &Snapshot) -> Result<Option<DevIssuer>, Failure> {
    let wanted = snapshot
        .gateways
        .iter()
        .flat_map(|gateway| issuers(&gateway.inbound))
        .any(|issuer| *issuer == Issuer::Dev);
    if !wanted {
        return Ok(None);
    }
    let opened = DevIssuer::open(&snapshot.data_dir, &snapshot.public_url);
    opened.map(Some).map_err(|error| Failure::of("the development issuer cannot be used", &error))
}

pub(crate) fn issuers(inbound: &Inbound) -> impl Iterator<Item = &Issuer> {
    let authorizers = match inbound {
        Inbound::None => [].iter(),
        Inbound::Jwt(authorizers) => authorizers.iter(),
    };
    authorizers.map(|authorizer| &authorizer.issuer)
}

fn clients(snapshot: &Snapshot) -> Result<(Client, Client), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::of("no connections can be opened", error);
    let guard = Guard::new(&snapshot.egress.allow).map_err(|error| failed(&error))?;
    let tls = Tls::new(own_roots()?.as_deref()).map_err(|error| failed(&error))?;
    let options = ClientOptions::default();
    Ok((Client::operator(guard.clone(), tls.clone(), &options), Client::learned(guard, tls, &options)))
}

/// Root certificates of the organisation's own, from the file that `SSL_CERT_FILE` names, as other programs read them.
fn own_roots() -> Result<Option<Vec<u8>>, Failure> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE") else { return Ok(None) };
    let read = std::fs::read(&path);
    read.map(Some)
        .map_err(|error| Failure::of(format!("SSL_CERT_FILE {} cannot be read", path.display()), &error))
}

/// `path` below the public URL.
fn under(public_url: &Url, path: &str) -> Url {
    let mut url = public_url.clone();
    url.set_path(&format!("{}/{path}", public_url.path().trim_end_matches('/')));
    url
}
