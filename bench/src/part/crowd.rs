//! Many streaming calls at a time: each reports progress, waits until all others have come, goes on, and ends.

use std::time::Instant;

use anyhow::ensure;
use memchr::memmem;
use serde::Serialize;
use tokio::task::{JoinSet, LocalSet};

use super::announce;
use crate::gateway::{Front, Gateway, Home};
use crate::options::Options;
use crate::subject::Backend;
use crate::wire::{Connection, Era, Place, Session, Template};

const STREAMS: usize = 1_000;
const EVENTS: usize = 10;
const INTERVAL_MS: usize = 200;

/// Clients of one era on servers of the same.
#[derive(Serialize)]
pub struct Crowd {
    pub era: &'static str,
    pub streams: usize,
    /// Progress notifications that arrived, of those that were sent.
    pub events: usize,
    pub events_sent: usize,
    /// From the first call to the last answer.
    pub seconds: f64,
    /// By how much the peak of the memory grew, per stream.
    pub peak_bytes: f64,
}

pub fn run(options: &Options) -> anyhow::Result<Vec<Crowd>> {
    let backend = Backend::start()?;
    let home = Home::new(&options.gateway, &[Front::Modern, Front::Legacy], backend.addr)?;
    let eras = [(Era::Modern, Front::Modern), (Era::Legacy, Front::Legacy)];
    eras.into_iter()
        .map(|(era, front)| {
            announce(&format!("{STREAMS} concurrent streams, {}", front.name()));
            let gateway = home.start()?;
            gateway.wait_for(front, None)?;
            measure(&gateway, era, front)
        })
        .collect()
}

fn measure(gateway: &Gateway, era: Era, front: Front) -> anyhow::Result<Crowd> {
    let place = gateway.place(front);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = gateway.process.memory()?;
    gateway.process.reset_peak()?;
    let begun = Instant::now();
    let events = LocalSet::new().block_on(&runtime, async {
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            streams.spawn_local(one(place.clone(), era));
        }
        let mut events = 0;
        while let Some(ended) = streams.join_next().await {
            events += ended??;
        }
        anyhow::Ok(events)
    })?;
    ensure!(events == STREAMS * EVENTS, "{events} of {} progress notifications arrived", STREAMS * EVENTS);
    Ok(Crowd {
        era: front.name(),
        streams: STREAMS,
        events,
        events_sent: STREAMS * EVENTS,
        seconds: begun.elapsed().as_secs_f64(),
        peak_bytes: (gateway.process.peak()? as f64 - before as f64) / STREAMS as f64,
    })
}

/// One stream; answers how many events it had.
async fn one(place: Place, era: Era) -> anyhow::Result<usize> {
    let mut connection = Connection::open(place.addr).await?;
    let session = match era {
        Era::Legacy => Some(Session::open(&mut connection, &place).await?.id),
        Era::Modern => None,
    };
    let arguments = format!(r#"{{"events":{EVENTS},"interval_ms":{INTERVAL_MS},"together":{STREAMS}}}"#);
    let mut call = Template::call(era, &place, session.as_deref(), "one___stream", &arguments);
    let reply = connection.exchange(call.next()).await?;
    reply.expect_result(call.id())?;
    Ok(memmem::find_iter(reply.body, br#""notifications/progress""#).count())
}
