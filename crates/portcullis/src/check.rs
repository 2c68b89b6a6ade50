//! `portcullis check`: everything that is wrong with a configuration, and what deserves a look.

use std::path::Path;
use std::process::ExitCode;

use crate::environment;
use crate::failure::Failure;

/// Checks the configuration at `path`.
///
/// # Errors
/// It cannot be used.
#[expect(clippy::print_stdout, reason = "the verb's output")]
pub fn run(path: &Path) -> Result<ExitCode, Failure> {
    let loaded = environment::load(path)?;
    loaded.warnings.iter().for_each(|warning| println!("{warning}"));
    let targets: usize = loaded.snapshot.gateways.iter().map(|gateway| gateway.targets.len()).sum();
    println!("{}: ok ({} gateways, {targets} targets)", path.display(), loaded.snapshot.gateways.len());
    Ok(ExitCode::SUCCESS)
}
