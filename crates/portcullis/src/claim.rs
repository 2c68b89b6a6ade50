//! The claim of one process on its `data_dir`: keys, captures and sealed tokens are one gateway's at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failure::Failure;

/// The file that is locked. It stays behind empty; only the lock says anything.
const NAME: &str = "lock";

/// A claim, for as long as this lives. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "what holds the lock")] File);

impl Claim {
    /// Claims `dir`, which exists.
    ///
    /// # Errors
    /// Another process has, or there are no locks there.
    pub fn on(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(NAME);
        let failed = |error| Failure::of(format!("{} cannot be locked", path.display()), &error);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Failure::of(
                format!("`data_dir` {} is in use", dir.display()),
                &"another gateway runs there; stop it, or write another `data_dir` for this one",
            )),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_claimed_by_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Claim::on(dir.path()).unwrap();
        let refused = Claim::on(dir.path()).unwrap_err().to_string();
        assert!(
            refused.ends_with(
                "is in use: another gateway runs there; stop it, or write another `data_dir` for this one"
            ),
            "{refused}"
        );
        drop(first);
        Claim::on(dir.path()).unwrap();
    }
}
