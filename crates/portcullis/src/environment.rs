//! The process environment, as the argument that the configuration loader takes.

use std::path::Path;

use config::Loaded;

use crate::failure::Failure;

/// Reads the configuration at `path`, with secrets from this process's environment.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Loaded, Failure> {
    config::load(path, &|name| std::env::var(name).ok()).map_err(Failure::Config)
}
