//! `portcullis sample`: one of the demo's servers on stdin and stdout. The demo starts it; people need not.

use std::process::ExitCode;

use crate::cli::Sample;
use crate::failure::Failure;

/// Runs the server called so until its input ends.
///
/// # Errors
/// There is no such server.
pub fn run(arguments: &Sample) -> Result<ExitCode, Failure> {
    if arguments.name != "operations" {
        return Err(Failure::Usage(format!(
            "there is no sample server `{}`; there is `operations`",
            arguments.name
        )));
    }
    samples::operations::run_on_stdio().map_err(|error| Failure::of("the sample server failed", &error))?;
    Ok(ExitCode::SUCCESS)
}
