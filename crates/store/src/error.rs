//! What can go wrong with the database, as sentences for the operator.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory or the file in it cannot be made, opened or protected.
    #[error("cannot use the database `{}`: {source}; check that `data_dir` exists and is writable", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a database, or is damaged.
    #[error(
        "the database `{}` is damaged or not a database ({source}); restore it from a backup, or move it away to \
         start with an empty one (the catalogue is then captured anew)",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A newer release has written the file.
    #[error(
        "the database `{}` has schema {found}, this release knows up to {known}; run the newer release, or point \
         `data_dir` somewhere else",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The schema of the file.
        found: i64,
        /// The newest schema this release can read.
        known: i64,
    },
    /// SQLite refused one operation (disk full, locked for too long, I/O error).
    #[error("cannot {doing} in the database `{}`: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was being done, as "save a target".
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The writer thread has ended.
    #[error("cannot {doing} in the database `{}`: its writer has stopped; restart the gateway", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
}

impl Error {
    /// Sorts a SQLite error into what the operator can do about it.
    pub(crate) fn sqlite(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, source },
            _ => Self::Sqlite { path, doing, source },
        }
    }
}
