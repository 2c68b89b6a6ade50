//! `portcullis import`: the servers of a client's configuration, as a configuration for the gateway.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::Import;
use crate::failure::Failure;
use crate::print;

/// Bytes a client's configuration may have.
const FILE_MAX: u64 = 16 << 20;

/// Prints the translated configuration, or writes it to a new file.
///
/// # Errors
/// The file cannot be read or understood, or the output exists already.
pub fn run(arguments: &Import) -> Result<ExitCode, Failure> {
    let text = read(&arguments.file)?;
    let imported = config::import(&text)
        .map_err(|error| Failure::Usage(format!("{}: {error}", arguments.file.display())))?;
    match &arguments.output {
        Some(output) => {
            write_new(output, &imported.yaml)?;
            print::line(&wrote(output, &imported.variables))?;
        }
        None => print::line(&imported.yaml.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn wrote(output: &Path, variables: &[String]) -> String {
    let output = output.display();
    let set =
        if variables.is_empty() { String::new() } else { format!("set {}, then ", variables.join(", ")) };
    format!("wrote {output}; {set}run `portcullis check -c {output}`")
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
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::Usage(format!(
                "{} exists already; choose another name, or delete it",
                path.display()
            )),
            _ => Failure::of(format!("{} was not written", path.display()), &error),
        })
}
