//! A changed configuration file is taken over while requests run. One that is wrong changes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::Severity;
use gateway::DataPlane;
use notify::{RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::assemble::House;
use crate::environment;
use crate::failure::Failure;

/// Editors and config maps write in several steps; a file is read when it has been left alone for this long.
const SETTLED: Duration = Duration::from_millis(250);

/// However busy the folder is, a change is read after this long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes over the configuration at `path` whenever it differs from that of `digest`, and on SIGHUP. Runs until the
/// process ends.
pub async fn watch(path: PathBuf, digest: String, house: House, plane: DataPlane) {
    let (sender, mut changes) = mpsc::channel(1);
    let _watcher = match watcher(&path, sender.clone()) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the configuration file is not watched; send SIGHUP after a change");
            None
        }
    };
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    // What changed before the folder was watched is not told by anybody.
    let _ = sender.try_send(());
    let mut seen = Some(digest);
    let mut refused = false;
    loop {
        tokio::select! {
            Some(()) = changes.recv() => settle(&mut changes).await,
            // A secret in another file may have changed, which the digest of this one does not show.
            _ = hangup.recv() => seen = None,
        }
        match environment::load(&path) {
            Ok(loaded) if seen.as_ref() == Some(&loaded.digest) => {
                if std::mem::take(&mut refused) {
                    tracing::info!("the configuration is good again; nothing has changed");
                }
            }
            Ok(loaded) => {
                seen = Some(loaded.digest.clone());
                refused = false;
                take_over(loaded, &house, &plane).await;
            }
            Err(failure) => {
                refused = true;
                refuse(&failure);
            }
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
            for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error) {
                tracing::error!(config.place = diagnostic.place(), "{}", diagnostic.sentence());
            }
        }
        other => tracing::error!("{other}"),
    }
    tracing::error!("the configuration was not taken over; the last good one stays");
}

/// Watches the folder, not the file: editors and config maps replace it.
fn watcher(path: &Path, changed: mpsc::Sender<()>) -> notify::Result<notify::RecommendedWatcher> {
    let name = path.file_name().map(ToOwned::to_owned);
    let concerns = move |path: &PathBuf| {
        // A config map swaps a link called `..data` beside the file.
        path.file_name().is_some_and(|changed| {
            Some(changed) == name.as_deref() || changed.as_encoded_bytes().starts_with(b"..")
        })
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let is_change = event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(&concerns));
        if is_change {
            // Full means that a change is noted already.
            let _ = changed.try_send(());
        }
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

async fn settle(changes: &mut mpsc::Receiver<()>) {
    let at_last = Instant::now() + PATIENCE;
    while let Ok(Some(())) = timeout_at((Instant::now() + SETTLED).min(at_last), changes.recv()).await {}
}
