//! The persisted catalogue: what each target listed when it was last asked, and which target owns which exposed name.

use mcp::Kind;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};

use crate::{Error, Store};

/// One target of one gateway, as last captured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredTarget {
    /// The target's name, unique in its gateway.
    pub target: String,
    /// A digest of the part of the configuration that decides which server this is.
    pub fingerprint: String,
    /// When the lists were captured, in seconds since the Unix epoch; `None` when only names are held.
    pub captured_at: Option<u64>,
    /// The protocol revision the server spoke, such as `2025-11-25`.
    pub version: Option<String>,
    /// The server's `serverInfo`, as JSON text.
    pub server_info: Option<String>,
    /// The server's `capabilities`, as JSON text.
    pub capabilities: Option<String>,
    /// The server's `instructions`.
    pub instructions: Option<String>,
    /// Everything it listed, each kind in the server's order.
    pub items: Vec<StoredItem>,
    /// The exposed names this target owns.
    pub names: Vec<StoredName>,
}

/// One entry of a target's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredItem {
    /// Which list it belongs to.
    pub kind: Kind,
    /// The server's own name (tool, prompt), URI (resource) or URI template.
    pub key: String,
    /// The entry as the server wrote it, as JSON text.
    pub raw: String,
}

/// One exposed name and what it stands for. The owner keeps it against newcomers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredName {
    /// [`Kind::Tool`] or [`Kind::Prompt`]: names of different kinds do not meet.
    pub kind: Kind,
    /// The name clients see.
    pub exposed: String,
    /// The name the server knows.
    pub upstream: String,
    /// When the owner first listed it, in seconds since the Unix epoch.
    pub first_seen: u64,
    /// When the owner last listed it, in seconds since the Unix epoch.
    pub last_seen: u64,
}

impl Store {
    /// Everything persisted about a gateway's targets, by target name. Blocks for the length of three small queries.
    ///
    /// # Errors
    /// SQLite cannot read the file.
    pub fn load_catalogue(&self, gateway: &str) -> Result<Vec<StoredTarget>, Error> {
        self.read("load the catalogue", |connection| load(connection, gateway))
    }

    /// Replaces one target's capture and the names it owns, all or nothing.
    ///
    /// A name that another target of the gateway owns stays where it is.
    ///
    /// # Errors
    /// SQLite cannot write the file; what was stored before is then unchanged.
    pub async fn replace_target(&self, gateway: &str, target: StoredTarget) -> Result<(), Error> {
        let gateway = gateway.to_owned();
        self.write("save a target", move |connection| {
            let transaction = connection.transaction()?;
            replace(&transaction, &gateway, &target)?;
            transaction.commit()
        })
        .await
    }

    /// Replaces the names one target owns, and leaves its capture alone.
    ///
    /// A target nobody has captured yet is recorded with `fingerprint` and no capture.
    ///
    /// # Errors
    /// SQLite cannot write the file; what was stored before is then unchanged.
    pub async fn replace_names(
        &self,
        gateway: &str,
        target: &str,
        fingerprint: &str,
        names: Vec<StoredName>,
    ) -> Result<(), Error> {
        let (gateway, target, fingerprint) = (gateway.to_owned(), target.to_owned(), fingerprint.to_owned());
        self.write("save names", move |connection| {
            let transaction = connection.transaction()?;
            let id = match id_of(&transaction, &gateway, &target)? {
                Some(id) => id,
                None => insert_target(
                    &transaction,
                    &gateway,
                    &StoredTarget { target, fingerprint, ..StoredTarget::default() },
                )?,
            };
            transaction.execute("DELETE FROM name WHERE target_id = ?1", [id])?;
            insert_names(&transaction, &gateway, id, &names)?;
            transaction.commit()
        })
        .await
    }

    /// Forgets one target: its capture and the names it owns. Forgetting an unknown target does nothing.
    ///
    /// # Errors
    /// SQLite cannot write the file.
    pub async fn forget_target(&self, gateway: &str, target: &str) -> Result<(), Error> {
        let (gateway, target) = (gateway.to_owned(), target.to_owned());
        self.write("forget a target", move |connection| {
            connection
                .execute("DELETE FROM target WHERE gateway = ?1 AND target = ?2", params![gateway, target])
                .map(drop)
        })
        .await
    }
}

fn load(connection: &Connection, gateway: &str) -> rusqlite::Result<Vec<StoredTarget>> {
    let mut targets = load_targets(connection, gateway)?;
    let mut items = connection.prepare(
        "SELECT item.target_id, item.kind, item.key, item.raw FROM item
         JOIN target ON target.id = item.target_id
         WHERE target.gateway = ?1 ORDER BY item.target_id, item.kind, item.position",
    )?;
    let mut rows = items.query([gateway])?;
    while let Some(row) = rows.next()? {
        if let Some(target) = by_id(&mut targets, row.get(0)?) {
            target.items.push(StoredItem { kind: read_kind(row, 1)?, key: row.get(2)?, raw: row.get(3)? });
        }
    }
    let mut names = connection.prepare(
        "SELECT target_id, kind, exposed, upstream, first_seen, last_seen FROM name
         WHERE gateway = ?1 ORDER BY kind, exposed",
    )?;
    let mut rows = names.query([gateway])?;
    while let Some(row) = rows.next()? {
        if let Some(target) = by_id(&mut targets, row.get(0)?) {
            target.names.push(read_name(row)?);
        }
    }
    Ok(targets.into_iter().map(|(_, target)| target).collect())
}

fn load_targets(connection: &Connection, gateway: &str) -> rusqlite::Result<Vec<(i64, StoredTarget)>> {
    let mut statement = connection.prepare(
        "SELECT id, target, fingerprint, captured_at, version, server_info, capabilities, instructions
         FROM target WHERE gateway = ?1 ORDER BY target",
    )?;
    let rows = statement.query_map([gateway], |row| {
        let target = StoredTarget {
            target: row.get(1)?,
            fingerprint: row.get(2)?,
            captured_at: row.get::<_, Option<i64>>(3)?.map(from_seconds),
            version: row.get(4)?,
            server_info: row.get(5)?,
            capabilities: row.get(6)?,
            instructions: row.get(7)?,
            ..StoredTarget::default()
        };
        Ok((row.get(0)?, target))
    })?;
    rows.collect()
}

fn by_id(targets: &mut [(i64, StoredTarget)], id: i64) -> Option<&mut StoredTarget> {
    targets.iter_mut().find(|(known, _)| *known == id).map(|(_, target)| target)
}

fn read_name(row: &Row<'_>) -> rusqlite::Result<StoredName> {
    Ok(StoredName {
        kind: read_kind(row, 1)?,
        exposed: row.get(2)?,
        upstream: row.get(3)?,
        first_seen: from_seconds(row.get(4)?),
        last_seen: from_seconds(row.get(5)?),
    })
}

fn replace(transaction: &Transaction<'_>, gateway: &str, target: &StoredTarget) -> rusqlite::Result<()> {
    transaction
        .execute("DELETE FROM target WHERE gateway = ?1 AND target = ?2", params![gateway, target.target])?;
    let id = insert_target(transaction, gateway, target)?;
    let mut insert = transaction
        .prepare("INSERT INTO item (target_id, kind, position, key, raw) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (position, item) in target.items.iter().enumerate() {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        insert.execute(params![id, kind_text(item.kind), position, item.key, item.raw])?;
    }
    insert_names(transaction, gateway, id, &target.names)
}

fn insert_target(
    transaction: &Transaction<'_>,
    gateway: &str,
    target: &StoredTarget,
) -> rusqlite::Result<i64> {
    transaction.execute(
        "INSERT INTO target
         (gateway, target, fingerprint, captured_at, version, server_info, capabilities, instructions)
         VALUES (:gateway, :target, :fingerprint, :captured_at, :version, :server_info, :capabilities, :instructions)",
        named_params! {
            ":gateway": gateway,
            ":target": target.target,
            ":fingerprint": target.fingerprint,
            ":captured_at": target.captured_at.map(to_seconds),
            ":version": target.version,
            ":server_info": target.server_info,
            ":capabilities": target.capabilities,
            ":instructions": target.instructions,
        },
    )?;
    Ok(transaction.last_insert_rowid())
}

fn insert_names(
    transaction: &Transaction<'_>,
    gateway: &str,
    id: i64,
    names: &[StoredName],
) -> rusqlite::Result<()> {
    // INVARIANT: an exposed name has one owner. OR IGNORE lets the owner keep it whatever the order of writes.
    let mut insert = transaction.prepare(
        "INSERT OR IGNORE INTO name (gateway, kind, exposed, target_id, upstream, first_seen, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for name in names {
        let (first_seen, last_seen) = (to_seconds(name.first_seen), to_seconds(name.last_seen));
        insert.execute(params![
            gateway,
            kind_text(name.kind),
            name.exposed,
            id,
            name.upstream,
            first_seen,
            last_seen
        ])?;
    }
    Ok(())
}

fn id_of(transaction: &Transaction<'_>, gateway: &str, target: &str) -> rusqlite::Result<Option<i64>> {
    transaction
        .query_row("SELECT id FROM target WHERE gateway = ?1 AND target = ?2", [gateway, target], |row| {
            row.get(0)
        })
        .optional()
}

/// SQLite has signed integers only.
fn to_seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn from_seconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0)
}

/// How a kind is written in the file. Never changes, unlike names on the wire.
fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Tool => "tool",
        Kind::Prompt => "prompt",
        Kind::Resource => "resource",
        Kind::Template => "template",
    }
}

fn read_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<Kind> {
    let text: String = row.get(column)?;
    let known = Kind::ALL.into_iter().find(|kind| kind_text(*kind) == text);
    known.ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("unknown kind {text}").into())
    })
}
