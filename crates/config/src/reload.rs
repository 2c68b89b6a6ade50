//! What may not change while the process runs.

use crate::model::Snapshot;
use crate::section::root::default_public_url;

/// The keys whose change takes effect only after a restart: sockets are bound, the store is open, and what was made of
/// these keys is in use. Empty when `new` may replace `old`.
#[must_use]
pub fn restart_needed(old: &Snapshot, new: &Snapshot) -> Vec<&'static str> {
    let (before, after) = (&old.limits, &new.limits);
    let changed = [
        ("listen", old.listen != new.listen),
        ("admin.listen", old.admin_listen != new.admin_listen),
        ("public_url", old.public_url != new.public_url && !(follows_listen(old) && follows_listen(new))),
        ("data_dir", old.data_dir != new.data_dir),
        ("egress.allow", old.egress != new.egress),
        ("limits.in_flight", before.in_flight != after.in_flight),
        ("limits.in_flight_per_principal", before.in_flight_per_principal != after.in_flight_per_principal),
        ("limits.streams", before.streams != after.streams),
        ("limits.streams_per_principal", before.streams_per_principal != after.streams_per_principal),
        ("limits.connections", before.connections != after.connections),
        ("limits.read_timeout", before.read_timeout != after.read_timeout),
        ("limits.drain", before.drain != after.drain),
    ];
    changed.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// Whether the origin is what it is without a word of the operator's: then only `listen` has been changed.
fn follows_listen(snapshot: &Snapshot) -> bool {
    default_public_url(snapshot.listen).as_ref() == Some(&snapshot.public_url)
}
