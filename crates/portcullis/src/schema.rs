//! `portcullis schema`: the JSON Schema of the configuration, for editors.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::print;

/// Prints the schema.
///
/// # Errors
/// It cannot be written.
pub fn run() -> Result<ExitCode, Failure> {
    print::line(&format!("{:#}", config::schema()))?;
    Ok(ExitCode::SUCCESS)
}
