//! `make matrix`: every SDK client in every version it speaks, against servers of every era, through the gateway, in
//! everything a client can be asked or told. Prints a table and fails when one cell is not what it must be. A cell that
//! cannot work is named in [`cannot`], and is an error as soon as it works.
#![expect(deprecated, reason = "sampling and roots are deprecated and have to work all the same")]

mod backends;
mod cannot;
mod clients;
mod feature;
mod rust_client;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use backends::Backends;
use clients::Client;
use feature::Cell;
use table::Row;

/// Clients at a time: they mostly wait, and each is a process that has to start.
const AT_ONCE: usize = 4;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(rows) if table::print(&rows) == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("matrix: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<Vec<Row>> {
    feature::can_fail()?;
    let backends = Backends::start().await?;
    for line in backends.prove().await? {
        println!("{line}");
    }
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (at, (client, version)) in clients::all().into_iter().enumerate() {
        let (turns, urls) = (turns.clone(), backends.urls());
        running.spawn(async move {
            let _turn = turns.acquire().await;
            (at, client, version, client.run(version, &urls).await)
        });
    }
    let mut done = running.join_all().await;
    done.sort_by_key(|(at, ..)| *at);
    for line in backends.confirm()? {
        println!("{line}");
    }
    Ok(done.into_iter().flat_map(|(_, client, version, reports)| rows(client, version, reports)).collect())
}

/// One row per backend.
fn rows(client: Client, version: &'static str, reports: Result<Vec<clients::Report>>) -> Vec<Row> {
    let judge = |at: usize, backend: &'static str| {
        let cells = feature::ALL.map(|feature| match &reports {
            Ok(reports) => reports[at].judge(feature, client, version, at),
            Err(error) => Cell::Failed(format!("the client did not report: {error:#}")),
        });
        Row { client: client.name(), version, backend, cells }
    };
    backends::NAMES.into_iter().enumerate().map(|(at, backend)| judge(at, backend)).collect()
}
