//! The closed loop: each client sends its next request when it has the answer to the last.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};

use super::client::Client;
use super::{Load, Sample, Window, histogram};
use crate::process::Process;

/// For all clients to connect.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Counted,
    Over,
}

struct Shared {
    phase: Cell<Phase>,
    /// Clients that are not connected yet.
    missing: Cell<usize>,
    all_connected: Notify,
    latency: RefCell<Histogram<u64>>,
}

/// Loads with `connections` clients, each with a connection of its own, from one thread; counts the processor time of `process`.
pub fn closed(
    load: &Load,
    connections: usize,
    window: Window,
    process: Option<&Process>,
) -> anyhow::Result<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(load, connections, window, process))
}

async fn run(
    load: &Load,
    connections: usize,
    window: Window,
    process: Option<&Process>,
) -> anyhow::Result<Sample> {
    let shared = Rc::new(Shared {
        phase: Cell::new(Phase::WarmUp),
        missing: Cell::new(connections),
        all_connected: Notify::new(),
        latency: RefCell::new(histogram()?),
    });
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let (load, shared) = (load.clone(), shared.clone());
        clients.spawn_local(async move { client(&load, &shared).await });
    }
    let (elapsed, cpu) = tokio::select! {
        measured = measure(&shared, window, process) => measured?,
        Some(ended) = clients.join_next() => {
            ended??;
            bail!("a client ended before it was told to");
        }
    };
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let latency = shared.latency.borrow().clone();
    Ok(Sample { calls: latency.len(), elapsed, latency, cpu })
}

async fn measure(
    shared: &Shared,
    window: Window,
    process: Option<&Process>,
) -> anyhow::Result<(Duration, Option<Duration>)> {
    let connected = tokio::time::timeout(PATIENCE, shared.all_connected.notified());
    connected.await.context("not all clients could connect")?;
    tokio::time::sleep(window.warm_up).await;
    let cpu = || process.map(Process::cpu).transpose();
    let (before, begun) = (cpu()?, Instant::now());
    shared.phase.set(Phase::Counted);
    tokio::time::sleep(window.length).await;
    shared.phase.set(Phase::Over);
    let (elapsed, after) = (begun.elapsed(), cpu()?);
    Ok((elapsed, after.zip(before).map(|(after, before)| after.saturating_sub(before))))
}

async fn client(load: &Load, shared: &Shared) -> anyhow::Result<()> {
    let mut client = Client::open(load).await?;
    shared.missing.set(shared.missing.get() - 1);
    if shared.missing.get() == 0 {
        shared.all_connected.notify_one();
    }
    while shared.phase.get() != Phase::Over {
        let took = client.once().await?;
        if shared.phase.get() == Phase::Counted {
            shared.latency.borrow_mut().saturating_record(u64::try_from(took.as_nanos())?);
        }
    }
    client.close().await
}
