//! Streams that stay open: what each costs, whether all are still there after a while, and whether all are told of a change.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{timeout, timeout_at};

use super::announce;
use crate::gateway::{Front, Gateway, Home};
use crate::options::Options;
use crate::subject::Backend;
use crate::wire::{Connection, Era, Place, Session, Template};

/// Descriptors that are needed besides one for each stream, here and in the gateway.
const SPARE: usize = 300;
/// Of all streams, the part that is opened first and not counted: they pay for what the process allocates once.
const FIRST: usize = 10;
/// For everybody to be told.
const PATIENCE: Duration = Duration::from_secs(60);

const CHANGED: &[u8] = b"notifications/tools/list_changed";

/// Streams of clients of one era, on a server of the same.
#[derive(Serialize)]
pub struct Streams {
    pub era: &'static str,
    /// How many there were to be.
    pub wanted: usize,
    /// How many the descriptor limit allows; all were opened.
    pub opened: usize,
    /// Resident memory of the gateway for each: connection, stream and, for legacy clients, session.
    pub bytes: f64,
    /// How long they were watched.
    pub soak_seconds: u64,
    /// From the change at the server until the first and the last was told.
    pub told_first_ms: f64,
    pub told_last_ms: f64,
}

pub fn run(options: &Options) -> anyhow::Result<Vec<Streams>> {
    let wanted = options.streams();
    let opened = wanted.min(descriptors()?.saturating_sub(SPARE));
    ensure!(opened >= FIRST, "the descriptor limit leaves no room for streams (`ulimit -n`)");
    let eras = [(Era::Modern, Front::LiveModern), (Era::Legacy, Front::LiveLegacy)];
    eras.into_iter()
        .map(|(era, front)| {
            announce(&format!("{opened} open streams for {:?}, {}", options.soak(), front.name()));
            // The change of the list is there once only, so each era has a server of its own.
            let backend = Backend::start()?;
            let home = Home::new(&options.gateway, &[front], backend.addr)?;
            let gateway = home.start()?;
            gateway.wait_for(front, None)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let measured = measure(&gateway, &backend, (era, front), opened, options.soak());
            let streams = LocalSet::new().block_on(&runtime, measured)?;
            Ok(Streams { wanted, ..streams })
        })
        .collect()
}

async fn measure(
    gateway: &Gateway,
    backend: &Backend,
    (era, front): (Era, Front),
    opened: usize,
    soak: Duration,
) -> anyhow::Result<Streams> {
    let place = gateway.place(front);
    let first = opened / FIRST;
    let mut streams = JoinSet::new();
    let mut before = 0;
    for index in 0..opened {
        if index == first {
            before = gateway.process.memory()?;
        }
        let stream = open(&place, era).await.with_context(|| format!("stream {index} of {opened}"))?;
        streams.spawn_local(until_told(stream));
    }
    let bytes = (gateway.process.memory()? as f64 - before as f64) / (opened - first) as f64;
    if let Ok(Some(ended)) = timeout(soak, streams.join_next()).await {
        ended??;
        anyhow::bail!("a stream was told of a change before there was one");
    }
    let changed = Instant::now();
    change(backend).await?;
    let (mut told, mut told_first_ms) = (0, 0.0);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Ok(Some(ended)) = timeout_at(deadline, streams.join_next()).await {
        ended??;
        told += 1;
        if told == 1 {
            told_first_ms = milliseconds(changed);
        }
    }
    ensure!(told == opened, "{told} of {opened} streams were told of the change within {PATIENCE:?}");
    Ok(Streams {
        era: front.name(),
        wanted: opened,
        opened,
        bytes,
        soak_seconds: soak.as_secs(),
        told_first_ms,
        told_last_ms: milliseconds(changed),
    })
}

async fn open(place: &Place, era: Era) -> anyhow::Result<Connection> {
    let mut connection = Connection::open(place.addr).await?;
    let status = match era {
        Era::Modern => {
            let status = connection.begin(Template::listen(place).next()).await?;
            connection.until(b"notifications/subscriptions/acknowledged").await?;
            status
        }
        Era::Legacy => {
            let session = Session::open(&mut connection, place).await?;
            connection.begin(&session.listen(place)).await?
        }
    };
    ensure!(status == 200, "HTTP {status} for a stream");
    Ok(connection)
}

/// Reads on; an error says that the stream has ended.
async fn until_told(mut stream: Connection) -> anyhow::Result<()> {
    stream.until(CHANGED).await.context("a stream was dropped")?;
    Ok(())
}

async fn change(backend: &Backend) -> anyhow::Result<()> {
    let place = Place::new(backend.addr, "/live/mcp");
    let mut call = Template::call(Era::Modern, &place, None, "change", "{}");
    let mut connection = Connection::open(place.addr).await?;
    connection.exchange(call.next()).await?.expect_result(call.id())
}

/// As many descriptors as this process, and those it starts, may have.
fn descriptors() -> anyhow::Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
