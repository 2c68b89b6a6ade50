//! `portcullis import`: the servers of a client's configuration, as a configuration for the gateway.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::Import;
use crate::failure::Failure;

/// Bytes a client's configuration may have.
const FILE_MAX: u64 = 16 << 20;

/// Prints the translated configuration, or writes it to a new file.
///
/// # Errors
/// The file cannot be read or understood, or the output exists already.
#[expect(clippy::print_stdout, reason = "the verb's output")]
pub fn run(arguments: &Import) -> Result<ExitCode, Failure> {
    let text = read(&arguments.file)?;
    let imported = config::import(&text)
        .map_err(|error| Failure::Usage(format!("{}: {error}", arguments.file.display())))?;
    match &arguments.output {
        Some(output) => write_new(output, &imported.yaml)?,
        None => print!("{}", imported.yaml),
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::of(format!("{} cannot be read", path.display()), &error);
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(FILE_MAX + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if read as u64 > FILE_MAX {
        return Err(Failure::Usage(format!(
            "{} is larger than 16 MiB; is it the right file?",
            path.display()
        )));
    }
    Ok(text)
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::of(format!("{} was not written", path.display()), &error))
}
