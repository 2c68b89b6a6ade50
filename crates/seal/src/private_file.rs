//! Files that only their owner can read: written whole or not at all, refused when others can read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::Error;
use crate::random::random_id;

/// No key file comes near this; a larger one is not ours.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Reads the file; `None` when it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
    };
    // Asked of the open file, not of the path, so that the file judged is the file read.
    let metadata = file.metadata().map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode });
    }
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(Error::Damaged { path: path.to_owned(), what: "not a small regular file" });
    }
    // Reserved in full: a buffer that grows leaves copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize));
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Io { path: path.to_owned(), source })?;
    Ok(Some(bytes))
}

/// Creates the file with its whole content, or says that it exists (`AlreadyExists`), whoever wins the race.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let staged = stage(directory, bytes)?;
    // A hard link fails where a rename would replace: two first starts cannot each keep a key of their own.
    let linked = fs::hard_link(&staged, path);
    fs::remove_file(&staged)?;
    linked?;
    sync(directory)
}

/// Puts new content in the place of the old in one step.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    let staged = stage(directory, bytes)?;
    if let Err(error) = fs::rename(&staged, path) {
        fs::remove_file(&staged)?;
        return Err(error);
    }
    sync(directory)
}

/// Writes a new file beside the final one, flushed to the disk.
fn stage(directory: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let path = directory.join(format!(".{}.new", random_id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        fs::remove_file(&path)?;
        return Err(error);
    }
    Ok(path)
}

/// Makes the directory's new entry survive a power cut.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
