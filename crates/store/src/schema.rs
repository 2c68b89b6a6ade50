//! The tables, as a list of migrations. `PRAGMA user_version` counts how many a file has seen.
//!
//! A migration that has been released is never edited; a change is a new one at the end.

use rusqlite::{Connection, TransactionBehavior};

/// How many migrations this release knows: the newest schema it can read and write.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

const MIGRATIONS: &[&str] = &[CATALOGUE];

/// The persisted catalogue. `name` is the table of incumbents: an exposed name has one owner in a gateway.
const CATALOGUE: &str = "
    CREATE TABLE target (
        id INTEGER PRIMARY KEY,
        gateway TEXT NOT NULL,
        target TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        captured_at INTEGER,
        version TEXT,
        server_info TEXT,
        capabilities TEXT,
        instructions TEXT,
        UNIQUE (gateway, target)
    ) STRICT;
    CREATE TABLE item (
        target_id INTEGER NOT NULL REFERENCES target (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        position INTEGER NOT NULL,
        key TEXT NOT NULL,
        raw TEXT NOT NULL
    ) STRICT;
    CREATE INDEX item_of_target ON item (target_id, kind, position);
    CREATE TABLE name (
        gateway TEXT NOT NULL,
        kind TEXT NOT NULL,
        exposed TEXT NOT NULL,
        target_id INTEGER NOT NULL REFERENCES target (id) ON DELETE CASCADE,
        upstream TEXT NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        PRIMARY KEY (gateway, kind, exposed)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX name_of_target ON name (target_id);
";

/// The schema of the file behind a connection: 0 for a new one.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Applies the migrations the file has not seen, all or none of them.
///
/// The caller has checked that the file is not newer than [`VERSION`].
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seen = usize::try_from(version(&transaction)?).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(seen) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
