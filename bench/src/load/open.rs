//! The open loop: calls are due at fixed times, whatever became of the ones before.
//!
//! Latency counts from the moment a call was due, not from the moment it could be sent: a stall costs every call it delayed
//! (no coordinated omission).

use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Load, Sample, Window, histogram};
use crate::wire::{Blocking, Template};

/// Threads, each with a connection of its own; a call waits for the one before only when that took longer than this many
/// intervals.
const THREADS: u32 = 20;

/// Loads with `rate` calls per second.
pub fn open(load: &Load, rate: u32, window: Window) -> anyhow::Result<Sample> {
    let interval = Duration::from_secs(1) / rate;
    let total = (window.length.as_secs_f64() * f64::from(rate)) as u32;
    let warm_up = (window.warm_up.as_secs_f64() * f64::from(rate)) as u32;
    // Everything is connected before the first call is due.
    let begin = Instant::now() + Duration::from_millis(50);
    let latency = thread::scope(|scope| {
        let clients: Vec<_> = (0..THREADS)
            .map(|client| {
                let due = (client..warm_up + total).step_by(THREADS as usize);
                let due = due.map(move |call| (begin + interval * call, call >= warm_up));
                scope.spawn(move || run(load, due))
            })
            .collect();
        let mut latency = histogram()?;
        for client in clients {
            let seen = client.join().map_err(|_| anyhow::anyhow!("a client of the open loop panicked"))??;
            latency.add(seen)?;
        }
        anyhow::Ok(latency)
    })?;
    Ok(Sample { calls: latency.len(), elapsed: window.length, latency, cpu: None })
}

fn run(load: &Load, calls: impl Iterator<Item = (Instant, bool)>) -> anyhow::Result<Histogram<u64>> {
    let mut connection = Blocking::open(load.place.addr)?;
    let mut request: Template = load.template(None);
    let mut latency = histogram()?;
    for (due, counted) in calls {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let reply = connection.exchange(request.next())?;
        let took = due.elapsed();
        reply.expect_result(request.id())?;
        if counted {
            latency.saturating_record(u64::try_from(took.as_nanos())?);
        }
    }
    Ok(latency)
}
