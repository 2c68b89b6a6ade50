//! `portcullis check`: everything that is wrong with a configuration, and what deserves a look.

use std::path::Path;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::{environment, print};

/// Checks the configuration at `path`.
///
/// # Errors
/// It cannot be used.
pub fn run(path: &Path) -> Result<ExitCode, Failure> {
    let loaded = environment::load(path)?;
    for warning in &loaded.warnings {
        print::line(warning)?;
    }
    let targets: usize = loaded.snapshot.gateways.iter().map(|gateway| gateway.targets.len()).sum();
    let gateways = loaded.snapshot.gateways.len();
    print::line(&format!("{}: ok (gateways: {gateways}, targets: {targets})", path.display()))?;
    Ok(ExitCode::SUCCESS)
}
