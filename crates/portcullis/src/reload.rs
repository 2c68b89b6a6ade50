//! A changed configuration file is taken over while requests run. One that is wrong changes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::DataPlane;
use notify::{RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::assemble::House;
use crate::environment;
use crate::failure::Failure;

/// Editors and config maps write in several steps; a file is read when it has been left alone for this long.
const SETTLED: Duration = Duration::from_millis(250);

/// Takes over the configuration at `path` whenever it changes, and on SIGHUP. Runs until the process ends.
pub async fn watch(path: PathBuf, house: House, plane: DataPlane) {
    let (sender, mut changes) = mpsc::channel(1);
    let _watcher = match watcher(&path, sender) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the configuration file is not watched; send SIGHUP after a change");
            None
        }
    };
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let mut seen = environment::load(&path).map(|loaded| loaded.digest).ok();
    loop {
        tokio::select! {
            Some(()) = changes.recv() => settle(&mut changes).await,
            _ = hangup.recv() => seen = None,
        }
        match environment::load(&path) {
            Ok(loaded) if seen.as_ref() == Some(&loaded.digest) => {}
            Ok(loaded) => {
                seen = Some(loaded.digest.clone());
                take_over(loaded, &house, &plane).await;
            }
            Err(failure) => refuse(&failure),
        }
    }
}

async fn take_over(loaded: config::Loaded, house: &House, plane: &DataPlane) {
    let running = house.snapshot();
    let next = house.settled(loaded.snapshot);
    let restart = config::restart_needed(&running, &next);
    if !restart.is_empty() {
        tracing::error!(
            config.keys = restart.join(", "),
            "restart needed: these keys cannot change while running; nothing was changed"
        );
        return;
    }
    match house.table(&next, Some(&plane.table())) {
        Ok(table) => {
            let old = plane.swap(table);
            house.replaced(next, &old, &plane.table());
            tracing::info!("configuration taken over");
        }
        Err(failure) => refuse(&failure),
    }
}

fn refuse(failure: &Failure) {
    match failure {
        Failure::Config(diagnostics) => {
            for diagnostic in diagnostics {
                tracing::error!("{diagnostic}");
            }
        }
        other => tracing::error!("{other}"),
    }
    tracing::error!("the configuration was not taken over; the last good one stays");
}

/// Watches the folder, not the file: editors and config maps replace it.
fn watcher(path: &Path, changed: mpsc::Sender<()>) -> notify::Result<notify::RecommendedWatcher> {
    let name = path.file_name().map(ToOwned::to_owned);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // A config map swaps a link beside the file, so any change in the folder may be one of the file.
        let is_read = event.as_ref().is_ok_and(|event| event.kind.is_access());
        if name.is_some() && !is_read {
            // Full means that a change is noted already.
            let _ = changed.try_send(());
        }
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

async fn settle(changes: &mut mpsc::Receiver<()>) {
    while let Ok(Some(())) = tokio::time::timeout(SETTLED, changes.recv()).await {}
}
