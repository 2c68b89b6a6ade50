//! `portcullis demo`: three sample servers, two sample users, a gateway in front, and a guided tour.
//!
//! The gateway is started exactly as `serve` starts it, from a configuration file that stays readable while the demo
//! runs. What is printed and what `--check` walks are the same steps.

mod client;
mod curl;
mod folder;
mod guide;
mod message;
mod people;
mod stage;
mod step;
mod tour;
mod walk;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Demo;
use crate::failure::Failure;
use crate::logging;
use folder::Folder;
use stage::{Ports, Stage};

/// Runs the demo until it is told to stop, or walks its own tour.
///
/// # Errors
/// Something it needs is not to be had, such as the two ports.
pub fn run(arguments: &Demo) -> Result<ExitCode, Failure> {
    // The tour is what people should see; and, while they walk it, what the gateway records of it.
    let _logging = logging::start_with(if arguments.check { "warn" } else { "warn,portcullis::audit=info" });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("the runtime cannot be started", &error))?;
    let folder = Folder::open(arguments.data_dir.as_deref())?;
    runtime.block_on(play(arguments, &folder))
}

async fn play(arguments: &Demo, folder: &Folder) -> Result<ExitCode, Failure> {
    if arguments.check {
        let stage = Stage::build(folder, Ports::Free).await?;
        let walked = walk::walk(&stage).await;
        stage.close().await;
        return Ok(if walked { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let stage = Stage::build(folder, Ports::Usual).await?;
    guide::print(&stage);
    told_to_stop().await?;
    stage.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn told_to_stop() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::of("signals cannot be listened for", &error));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
