//! What a verb prints on standard output. A reader that has seen enough (`portcullis schema | head`) is no failure.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use crate::failure::Failure;

/// Prints `text` and a line end.
///
/// # Errors
/// Standard output cannot be written to, for another reason than that nobody reads it.
pub fn line(text: &dyn Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::of("the output was not written", &error))
        }
        _ => Ok(()),
    }
}
