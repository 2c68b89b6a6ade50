//! What outlives the process: one SQLite file in the data directory, behind typed functions.
//!
//! Only this crate knows SQL. Writes go through one thread with a bounded queue and are durable in the sense of
//! SQLite's WAL with `synchronous=NORMAL`: consistent after any crash, the last moments lost after a power cut.
//! Reads are small and run on the caller's thread. It never interprets what it stores, and never keeps a secret.

mod catalogue;
mod error;
mod open;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

pub use catalogue::{StoredItem, StoredName, StoredTarget};
pub use error::Error;

use writer::Writer;

/// The name of the database file inside the data directory.
pub const FILE_NAME: &str = "portcullis.sqlite3";

/// The open database. Cheap to clone; the file is closed with the last clone, after the writes already queued.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    reader: Mutex<Connection>,
    writer: Writer,
}

impl Store {
    /// Opens (or creates, mode 0600) the database in `data_dir` and brings its schema up to date. Blocks.
    ///
    /// # Errors
    /// The directory or file cannot be made, the file is not a database, or a newer release wrote it.
    pub fn open(data_dir: &Path) -> Result<Self, Error> {
        let path = open::prepare(data_dir)?;
        let writer = open::connect_writer(&path)?;
        let reader = open::connect_reader(&path)?;
        let writer = Writer::spawn(writer).map_err(|source| Error::Io { path: path.clone(), source })?;
        tracing::debug!(path = %path.display(), schema = schema::VERSION, "database open");
        Ok(Self(Arc::new(Inner { path, reader: Mutex::new(reader), writer })))
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Runs a small query on the caller's thread.
    fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        query(&reader).map_err(|source| Error::sqlite(&self.0.path, doing, source))
    }

    /// Runs a change on the writer thread, and waits until it is committed.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        match self.0.writer.run(change).await {
            Some(done) => done.map_err(|source| Error::sqlite(&self.0.path, doing, source)),
            None => Err(Error::Closed { path: self.0.path.clone(), doing }),
        }
    }
}
