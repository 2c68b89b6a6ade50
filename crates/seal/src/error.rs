//! What can go wrong with a key file, and the single answer for a token that does not open.

use std::io;
use std::path::PathBuf;

/// A key file that cannot be used. Nothing is repaired silently: a lost key loses what it sealed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading, creating or replacing the file failed.
    #[error("cannot use the key file {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner can read or write the file.
    #[error(
        "the key file {path} has mode {mode:04o}, so others than its owner can use it: \
         run `chmod 600 {path}`, and replace the key if it may have been read",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not what this version writes.
    #[error(
        "the key file {path} is damaged ({what}): restore it from a backup, or remove it to start with new keys",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The token is not one that this gateway sealed for this purpose and associated data, or it has ended.
///
/// One error for all reasons, so that an answer never tells a forger how far they got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid token of this gateway")]
pub struct Unsealable;
