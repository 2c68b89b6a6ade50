//! `portcullis serve`: read the configuration, bind, announce, serve until told to stop, drain.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use admin::{Admin, Readiness};
use clock::Clock;
use config::Snapshot;
use gateway::{DataPlane, Places};
use net::{Drain, HostPolicy, Listener, Options, Server};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use url::Url;

use crate::assemble::House;
use crate::failure::Failure;
use crate::{environment, logging, reload};

/// Runs the gateway with the configuration at `path` until SIGTERM or SIGINT.
///
/// # Errors
/// The configuration cannot be used, or an address cannot be bound.
pub fn run(path: &Path) -> Result<ExitCode, Failure> {
    let loaded = environment::load(path)?;
    let _logging = logging::start();
    for warning in &loaded.warnings {
        tracing::warn!(
            config.file = warning.file,
            config.line = warning.line,
            "{}: {}",
            warning.path,
            warning.message
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("the runtime cannot be started", &error))?;
    let cut = runtime.block_on(async {
        let signals = Signals::listen()?;
        let running = Running::start(loaded.snapshot, Clock::system())?;
        signals.drain(running.drain.clone());
        let (house, plane) = (running.house.clone(), running.plane.clone());
        tokio::spawn(reload::watch(PathBuf::from(path), loaded.digest, house, plane));
        announce(&running);
        Ok(running.finished().await)
    })?;
    if cut > 0 {
        tracing::warn!(
            requests.cut = cut,
            "stopped; requests were still running when the grace period ended"
        );
    } else {
        tracing::info!("stopped; every request was answered");
    }
    Ok(ExitCode::SUCCESS)
}

/// A gateway at work.
pub struct Running {
    /// Where clients connect.
    pub data_addr: SocketAddr,
    /// Where operators look.
    pub admin_addr: SocketAddr,
    /// What outlives a reload.
    pub house: House,
    /// The data plane.
    pub plane: DataPlane,
    /// Ends it.
    pub drain: Drain,
    admin_drain: Drain,
    serving: tokio::task::JoinHandle<usize>,
}

impl Running {
    /// Binds both listeners, puts the rooms together, and serves. Needs a tokio runtime.
    ///
    /// # Errors
    /// An address cannot be bound, or something in `data_dir` cannot be used.
    pub fn start(mut snapshot: Snapshot, clock: Clock) -> Result<Self, Failure> {
        let data = bind(snapshot.listen, &snapshot)?;
        let admin = bind(snapshot.admin_listen, &snapshot)?;
        let (data_addr, admin_addr) = (data.local_addr(), admin.local_addr());
        settle_ports(&mut snapshot, data_addr, admin_addr);
        let drain = Drain::new(snapshot.limits.drain);
        let house = House::open(snapshot.clone(), clock.clone(), drain.clone())?;
        let limits = &snapshot.limits;
        let places = Places::for_requests(limits.in_flight, limits.in_flight_per_principal);
        let streams = Places::for_streams(limits.streams, limits.streams_per_principal);
        let plane = DataPlane::new(house.table(&snapshot, None)?, places, streams, clock);
        tokio::spawn(plane.clone().reap_sessions(drain.clone()));
        let admin_plane = Admin::new(admin_hosts(&snapshot)?, readiness(plane.clone(), drain.clone()));
        // The admin listener goes on until everything else has ended, so that `/readyz` can say so.
        let admin_drain = Drain::new(std::time::Duration::ZERO);
        tokio::spawn(net::serve(
            admin,
            move |request, _| {
                let answer = admin_plane.handle(&request);
                async move { answer }
            },
            admin_drain.clone(),
        ));
        let serving = tokio::spawn({
            let (plane, drain) = (plane.clone(), drain.clone());
            async move {
                let handler = move |request, _| {
                    let plane = plane.clone();
                    async move { plane.handle(request).await }
                };
                net::serve(data, handler, drain).await
            }
        });
        Ok(Self { data_addr, admin_addr, house, plane, drain, admin_drain, serving })
    }

    /// Waits until the drain has begun and everything has ended; answers how many requests and calls were cut off.
    pub async fn finished(self) -> usize {
        let requests = self.serving.await.unwrap_or_default();
        let calls = self.house.close(&self.plane.table()).await;
        self.drain.finished().await;
        self.admin_drain.cut_now();
        requests.max(calls)
    }
}

fn bind(addr: SocketAddr, snapshot: &Snapshot) -> Result<Listener, Failure> {
    let limits = &snapshot.limits;
    let options = Options {
        connections_max: limits.connections,
        head_timeout: limits.read_timeout,
        ..Options::default()
    };
    Server::bind(addr, options).map_err(|error| {
        let way_on =
            "stop what listens there, or write another address for `listen` or `admin: { listen: … }`";
        Failure::of(format!("{addr} cannot be bound"), &format!("{error}; {way_on}"))
    })
}

/// Port 0 in the configuration asks for a free port; from here on it has a number.
fn settle_ports(snapshot: &mut Snapshot, data: SocketAddr, admin: SocketAddr) {
    if snapshot.public_url.port() == Some(0) {
        // Only a URL without a host refuses a port, and the loader let none of those through.
        let _ = snapshot.public_url.set_port(Some(data.port()));
    }
    snapshot.listen = data;
    snapshot.admin_listen = admin;
}

/// The admin listener is known by its address only.
fn admin_hosts(snapshot: &Snapshot) -> Result<HostPolicy, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::of("the admin listener cannot be used", error);
    let url = Url::parse(&format!("http://{}", snapshot.admin_listen)).map_err(|error| failed(&error))?;
    HostPolicy::new::<&str>(snapshot.admin_listen.ip(), &url, &[], &[]).map_err(|error| failed(&error))
}

fn readiness(plane: DataPlane, drain: Drain) -> impl Fn() -> Readiness {
    move || {
        let gateways: Vec<_> = plane.table().sites.keys().map(ToString::to_string).collect();
        if drain.is_draining() {
            Readiness::NotReady(json!({ "status": "stopping" }))
        } else {
            Readiness::Ready(json!({ "status": "ready", "gateways": gateways }))
        }
    }
}

/// Says where the gateway is, once it can be reached there.
#[expect(clippy::print_stdout, reason = "the verb's output: scripts and people wait for these lines")]
fn announce(running: &Running) {
    let snapshot = running.house.snapshot();
    println!("portcullis: listening on http://{}, admin on http://{}", running.data_addr, running.admin_addr);
    for gateway in &snapshot.gateways {
        let inbound = match gateway.inbound {
            config::Inbound::None => "no authentication",
            config::Inbound::Jwt(_) => "bearer tokens",
        };
        println!(
            "portcullis: gateway {} at {} ({} targets, {inbound})",
            gateway.name,
            gateway.url(&snapshot.public_url),
            gateway.targets.len()
        );
    }
}

/// The signals that end the process. Listened for before anybody is told that it runs.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::of("signals cannot be listened for", &error));
        Ok(Self { term: listen(SignalKind::terminate())?, int: listen(SignalKind::interrupt())? })
    }

    /// The first signal drains, the second stops at once.
    fn drain(mut self, drain: Drain) {
        tokio::spawn(async move {
            self.next().await;
            tracing::info!("stopping: no new requests are taken; those in progress are finished");
            drain.begin();
            self.next().await;
            tracing::warn!("stopping at once");
            drain.cut_now();
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
