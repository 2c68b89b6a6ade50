//! `portcullis schema`: the JSON Schema of the configuration, for editors.

use std::process::ExitCode;

use crate::failure::Failure;

/// Prints the schema.
///
/// # Errors
/// None; every verb has the same form.
#[expect(clippy::print_stdout, reason = "the verb's output")]
pub fn run() -> Result<ExitCode, Failure> {
    println!("{:#}", config::schema());
    Ok(ExitCode::SUCCESS)
}
