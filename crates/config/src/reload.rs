//! What may not change while the process runs.

use crate::model::Snapshot;

/// The keys whose change takes effect only after a restart: sockets are bound and the store is open by then.
/// Empty when `new` may replace `old`.
#[must_use]
pub fn restart_needed(old: &Snapshot, new: &Snapshot) -> Vec<&'static str> {
    let changed = [
        ("listen", old.listen != new.listen),
        ("admin.listen", old.admin_listen != new.admin_listen),
        ("data_dir", old.data_dir != new.data_dir),
    ];
    changed.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}
