//! What a child process may know of the gateway's environment: four variables, and what the operator wrote.

use std::ffi::OsString;

use secrecy::ExposeSecret;

/// Passed on where the gateway has them. Nothing else is inherited: the gateway's environment holds secrets.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];

/// The whole environment of a child. `own` looks a variable up in the gateway's own environment.
pub(super) fn of(stdio: &config::Stdio, own: impl Fn(&str) -> Option<OsString>) -> Vec<(String, OsString)> {
    let inherited = INHERITED.into_iter().filter_map(|name| Some((name.to_owned(), own(name)?)));
    let written = stdio.env.iter().map(|(name, value)| (name.clone(), value.0.expose_secret().into()));
    // Later ones win where a command's environment is built from this.
    inherited.chain(written).collect()
}

/// The values that must not appear in a log.
pub(super) fn secrets(stdio: &config::Stdio) -> Vec<String> {
    /// Shorter values are switches and numbers, and would blank out ordinary words.
    const SECRET_MIN: usize = 8;
    let values = stdio.env.values().map(|value| value.0.expose_secret().to_owned());
    values.filter(|value| value.len() >= SECRET_MIN).collect()
}
