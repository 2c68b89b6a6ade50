//! From the start of the process to the first 200 of `/readyz`, with ten targets whose lists are in the database and which
//! are switched off.

use std::time::Instant;

use anyhow::bail;
use serde::Serialize;

use super::announce;
use crate::backend::tools::SERVERS;
use crate::gateway::{Front, Gateway, Home};
use crate::options::Options;
use crate::stats::Spread;
use crate::subject::Backend;
use crate::wire::{Blocking, Era, Place, Template};

const STARTS: usize = 10;

/// Milliseconds since the process was started.
#[derive(Serialize)]
pub struct Start {
    pub targets: usize,
    pub starts: usize,
    /// Until `/readyz` said 200.
    pub ready_ms: Spread,
    /// Until a client had the whole list.
    pub listed_ms: Spread,
}

pub fn run(options: &Options) -> anyhow::Result<Start> {
    announce(&format!("{STARTS} starts with {SERVERS} cached targets"));
    let backend = Backend::start()?;
    let home = Home::new(&options.gateway, &[Front::Merged], backend.addr)?;
    let first = home.start()?;
    first.wait_for(Front::Merged, None)?;
    first.process.stop()?;
    drop(backend);
    let mut ready = Vec::new();
    let mut listed = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let gateway = home.start()?;
        expect_ready(&gateway)?;
        ready.push(begun.elapsed().as_secs_f64() * 1e3);
        list(&gateway)?;
        listed.push(begun.elapsed().as_secs_f64() * 1e3);
        gateway.wait_for(Front::Merged, None)?;
    }
    Ok(Start { targets: SERVERS, starts: STARTS, ready_ms: Spread::of(ready), listed_ms: Spread::of(listed) })
}

fn expect_ready(gateway: &Gateway) -> anyhow::Result<()> {
    let request = Place::new(gateway.admin, "/readyz").render("GET", "", "");
    let mut connection = Blocking::open(gateway.admin)?;
    match connection.exchange(&request)?.status {
        200 => Ok(()),
        status => bail!("HTTP {status} for /readyz after the gateway said that it listens"),
    }
}

fn list(gateway: &Gateway) -> anyhow::Result<()> {
    let place = gateway.place(Front::Merged);
    let mut list = Template::list(Era::Modern, &place, None);
    let mut connection = Blocking::open(place.addr)?;
    connection.exchange(list.next())?.expect_result(list.id())
}
