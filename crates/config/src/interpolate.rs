//! References in values: `${NAME}` from the environment, `${file:/path}` from a file; `$${` is a literal `${`.
//!
//! What a reference resolves to is not looked at again: a value cannot bring in another reference. The
//! environment is an argument. A resolved value never appears in a message.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::diagnostic::{Problem, quoted};

/// Looks up an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Bytes a secret file may hold.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// Bytes one value may have once its references are resolved.
const VALUE_BYTES_MAX: usize = 256 * 1024;

/// Stand in for the braces of a reference while the text is read as YAML, where a brace ends a plain scalar in
/// `{ … }` and `[ … ]`. Private-use characters: valid in YAML, one column wide, found in no real text.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// A value after its references were resolved.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// What it means.
    pub(crate) value: String,
    /// What stands in the file. Shown in messages, where `value` must not be.
    pub(crate) written: String,
    /// Whether any part came from a reference.
    pub(crate) source: Source,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Literal,
    Reference,
}

impl Resolved {
    /// What stands in the file, for a message.
    pub(crate) fn shown(&self) -> String {
        quoted(&self.written)
    }
}

/// Resolves every reference in `text`.
pub(crate) fn resolve(text: &str, env: Env<'_>) -> Result<Resolved, Problem> {
    let mut value = String::with_capacity(text.len());
    let mut source = Source::Literal;
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        if rest[..dollar].ends_with('$') {
            value.push_str(&rest[..dollar - 1]);
            value.push_str("${");
            rest = &rest[dollar + 2..];
            continue;
        }
        value.push_str(&rest[..dollar]);
        let Some(end) = rest[dollar..].find('}') else {
            return Err(Problem::new("`${` without a `}`").help("for a literal `${` write `$${`"));
        };
        value.push_str(&look_up(&rest[dollar + 2..dollar + end], env)?);
        source = Source::Reference;
        if value.len() > VALUE_BYTES_MAX {
            return Err(Problem::new(format!("longer than {VALUE_BYTES_MAX} bytes once resolved")));
        }
        rest = &rest[dollar + end + 1..];
    }
    value.push_str(rest);
    Ok(Resolved { value, written: text.to_owned(), source })
}

/// Hides the braces of references from the YAML parser. Keeps every line and column.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        masked.push_str(before);
        masked.push('$');
        let inside = &from[2..];
        match inside.find(|c| !is_bare(c)) {
            Some(end) if inside.as_bytes()[end] == b'}' => {
                masked.push(OPEN);
                masked.push_str(&inside[..end]);
                masked.push(CLOSE);
                rest = &inside[end + 1..];
            }
            _ => {
                masked.push('{');
                rest = inside;
            }
        }
    }
    masked.push_str(rest);
    masked
}

/// What a reference may hold outside of quotes. Anything else, such as a path with blanks, needs quotes around it,
/// and inside quotes a brace means nothing to YAML.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./:@%+=~".contains(c)
}

/// Brings the braces back.
pub(crate) fn unmask(text: &str) -> String {
    text.replace(OPEN, "{").replace(CLOSE, "}")
}

fn look_up(reference: &str, env: Env<'_>) -> Result<String, Problem> {
    if let Some(path) = reference.strip_prefix("file:") {
        return read_secret(path);
    }
    if !is_variable(reference) {
        return Err(Problem::new(format!("{} is not a reference", quoted(&format!("${{{reference}}}"))))
            .help("write `${NAME}` or `${file:/path}`; for a literal `${` write `$${`"));
    }
    env(reference).ok_or_else(|| {
        Problem::new(format!("environment variable `{}` is not set", reference))
            .help(format!("export {reference} before starting, or use `${{file:/path}}`"))
    })
}

/// Whether `name` can be an environment variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 128
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn read_secret(path: &str) -> Result<String, Problem> {
    let path = Path::new(path);
    let shown = quoted(&path.to_string_lossy());
    if !path.is_absolute() {
        return Err(Problem::new(format!("the file reference {shown} is not an absolute path"))
            .help("write the whole path, from `/` on"));
    }
    let cannot = |error: std::io::Error| {
        let problem = Problem::new(format!("cannot read the file {shown}: {error}"));
        match error.kind() {
            std::io::ErrorKind::NotFound => problem.help("create the file, or correct the path"),
            std::io::ErrorKind::PermissionDenied => {
                problem.help("let the user who runs portcullis read the file")
            }
            _ => problem,
        }
    };
    // A device or a pipe could block, or never end.
    if !path.metadata().map_err(cannot)?.is_file() {
        return Err(
            Problem::new(format!("{shown} is not a regular file")).help("name the file that holds the value")
        );
    }
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Problem::new(format!("the file {shown} is larger than {FILE_BYTES_MAX} bytes")));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| Problem::new(format!("the file {shown} is not UTF-8 text")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
