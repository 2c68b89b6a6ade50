//! From a file, or a text, to a snapshot or the list of everything that is wrong.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::diagnostic::{Diagnostic, Problem, Severity};
use crate::form::section::Section;
use crate::interpolate::Env;
use crate::model::Snapshot;
use crate::node::Position;
use crate::place::{Place, Reading};
use crate::section::root;
use crate::yaml::{self, Document, Fault};

/// Bytes a configuration file may have.
const FILE_BYTES_MAX: usize = 1 << 20;
/// The file as a whole.
const WHOLE: Position = Position { line: 0, column: 0 };

/// A configuration that may be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The compiled configuration.
    pub snapshot: Snapshot,
    /// What someone should look at. None of severity error.
    pub warnings: Vec<Diagnostic>,
    /// SHA-256 of the text, in hexadecimal. Says nothing of what its references resolved to.
    pub digest: String,
}

/// Reads the file at `path`. `env` looks up the variables it refers to. A relative `data_dir` is taken from the folder
/// of the file, so that whoever names the same file finds the same keys.
///
/// # Errors
/// Everything that is wrong, errors and warnings, in the order of the file; in one gateway, errors come first.
pub fn load(path: &Path, env: Env<'_>) -> Result<Loaded, Vec<Diagnostic>> {
    let name = path.display().to_string();
    let bytes = read(path).map_err(|problem| alone(&name, env, WHOLE, problem))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let at = position_after(&bytes[..error.valid_up_to()]);
        let problem = Problem::new("is not UTF-8 text from here on").help("save the file as UTF-8");
        alone(&name, env, at, problem)
    })?;
    let mut loaded = parse(text, &name, env)?;
    let snapshot = &mut loaded.snapshot;
    snapshot.data_dir = beside(path, std::mem::take(&mut snapshot.data_dir));
    Ok(loaded)
}

/// Reads a configuration from `text`. `file_name` appears in diagnostics; no file is touched but those the text
/// refers to as `${file:…}`. A relative `data_dir` is left as written.
///
/// # Errors
/// Everything that is wrong, errors and warnings, in the order of the text; in one gateway, errors come first.
pub fn parse(text: &str, file_name: &str, env: Env<'_>) -> Result<Loaded, Vec<Diagnostic>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > FILE_BYTES_MAX {
        return Err(alone(file_name, env, WHOLE, too_large()));
    }
    let reading = Reading::new(file_name, env);
    let note = |faults: Vec<Fault>| {
        for fault in faults {
            reading.log(Severity::Error, fault.at, "", fault.problem);
        }
    };
    let root = match yaml::parse(text) {
        Ok(Document { root: Some(root), faults }) if !root.is_null() => {
            note(faults);
            root
        }
        Ok(_) => {
            let help = "write at least `gateways:`, or start from `portcullis import` or the examples";
            return Err(alone(file_name, env, WHOLE, Problem::new("is empty").help(help)));
        }
        Err(faults) => {
            note(faults);
            return Err(reading.into_diagnostics());
        }
    };
    let snapshot = Section::read(&Place::root(&reading, &root), root::read);
    let diagnostics = reading.into_diagnostics();
    let is_sound = diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
    match snapshot {
        Some(snapshot) if is_sound => Ok(Loaded { snapshot, warnings: diagnostics, digest: sha256(text) }),
        _ => Err(diagnostics),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let cannot = |error: std::io::Error| {
        let problem = Problem::new(format!("cannot be read: {error}"));
        match error.kind() {
            std::io::ErrorKind::NotFound => problem.help("name the file with `-c`, or create it"),
            _ => problem,
        }
    };
    if path.is_dir() {
        return Err(Problem::new("is a directory").help("name the file in it with `-c`"));
    }
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() > FILE_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

/// `dir` as seen from the folder of `file`. A pipe has no folder of its own: `dir` stays as it is.
fn beside(file: &Path, dir: PathBuf) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && file.is_file() => {
            folder.join(dir.strip_prefix(".").unwrap_or(&dir))
        }
        _ => dir,
    }
}

fn too_large() -> Problem {
    Problem::new(format!("is larger than {} MiB", FILE_BYTES_MAX >> 20))
}

fn alone(file: &str, env: Env<'_>, at: Position, problem: Problem) -> Vec<Diagnostic> {
    let reading = Reading::new(file, env);
    reading.log(Severity::Error, at, "", problem);
    reading.into_diagnostics()
}

/// Where the text after `valid` starts.
fn position_after(valid: &[u8]) -> Position {
    let text = String::from_utf8_lossy(valid);
    let last_line = text.rsplit('\n').next().unwrap_or_default();
    Position { line: text.matches('\n').count() + 1, column: last_line.chars().count() + 1 }
}

fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
