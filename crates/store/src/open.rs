//! Makes the file and its connections: permissions, pragmas, migrations.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::{Error, FILE_NAME, schema};

/// How long a statement waits for another process (a backup, an inspector) that holds a lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the data directory (0700 when new) and the file (always 0600; SQLite gives its WAL the same mode).
pub(crate) fn prepare(data_dir: &Path) -> Result<PathBuf, Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(io(data_dir))?;
    let path = data_dir.join(FILE_NAME);
    OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(io(&path))?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(io(&path))?;
    Ok(path)
}

/// Opens the connection that writes, and migrates the file.
pub(crate) fn connect_writer(path: &Path) -> Result<Connection, Error> {
    let failed = |source| Error::sqlite(path, "open the file", source);
    let mut connection = connect(path).map_err(failed)?;
    let found = schema::version(&connection).map_err(failed)?;
    if found > schema::VERSION {
        return Err(Error::NewerSchema { path: path.to_owned(), found, known: schema::VERSION });
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
    if found < schema::VERSION {
        schema::migrate(&mut connection)
            .map_err(|source| Error::sqlite(path, "migrate the schema", source))?;
    }
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(crate) fn connect_reader(path: &Path) -> Result<Connection, Error> {
    let opened = || -> rusqlite::Result<Connection> {
        let connection = connect(path)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    opened().map_err(|source| Error::sqlite(path, "open the file for reading", source))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // A connection never leaves the thread or lock that owns it, so SQLite's own mutex is not needed.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}
