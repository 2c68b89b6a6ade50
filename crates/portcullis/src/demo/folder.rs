//! Where a demo keeps its configuration, its keys and its database.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A folder for one demo. A temporary one goes away with this.
pub struct Folder {
    path: PathBuf,
    stays: Stays,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stays {
    Yes,
    No,
}

impl Folder {
    /// The folder that was asked for, or a new one that only this user can look into.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(wanted: Option<&Path>) -> Result<Self, Failure> {
        let (path, stays) = match wanted {
            Some(path) => (path.to_owned(), Stays::Yes),
            // A name nobody can guess, so that nobody can have made it before.
            None => (
                std::env::temp_dir().join(format!("portcullis-demo-{}", &seal::random_id()[..12])),
                Stays::No,
            ),
        };
        let failed =
            |error: std::io::Error| Failure::of(format!("{} cannot be made", path.display()), &error);
        DirBuilder::new().recursive(stays == Stays::Yes).mode(0o700).create(&path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        Ok(Self { path, stays })
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.stays == Stays::No {
            // The system clears its temporary files anyway.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
