//! Texts to start from, and what is asserted of them.

use portcullis_config::{Diagnostic, Loaded, Snapshot, parse};

/// A gateway without warnings, to which a test adds what it is about.
pub(crate) const SOUND: &str = "\
gateways:
  a:
    streaming: true
    sessions: {}
    inbound: none
    targets:
      t:
        mcp: { url: http://127.0.0.1:9/mcp }
";

/// No variable is set but `TOKEN`.
pub(crate) fn env(name: &str) -> Option<String> {
    (name == "TOKEN").then(|| "s3cr3t-value".to_owned())
}

pub(crate) fn read(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    parse(text, "p.yaml", &env)
}

/// The snapshot of a text that has to be accepted.
#[track_caller]
pub(crate) fn snapshot(text: &str) -> Snapshot {
    match read(text) {
        Ok(loaded) => loaded.snapshot,
        Err(diagnostics) => panic!("refused:\n{}", shown(&diagnostics)),
    }
}

/// Diagnostics as they are printed.
pub(crate) fn shown(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect()
}

/// Asserts that `text` is refused with exactly these lines.
#[track_caller]
pub(crate) fn refused(text: &str, expected: &str) {
    match read(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(diagnostics) => assert_eq!(shown(&diagnostics).trim_end(), expected.trim_end(), "\nfor:\n{text}"),
    }
}

/// Asserts that `text` is accepted with exactly these warnings.
#[track_caller]
pub(crate) fn warned(text: &str, expected: &str) {
    match read(text) {
        Ok(loaded) => assert_eq!(shown(&loaded.warnings).trim_end(), expected.trim_end(), "\nfor:\n{text}"),
        Err(diagnostics) => panic!("refused:\n{}", shown(&diagnostics)),
    }
}

/// `SOUND` with `lines` at the top.
pub(crate) fn on_top(lines: &str) -> String {
    format!("{lines}\n{SOUND}")
}

/// A sound gateway with `lines` in it, from line 3 on.
pub(crate) fn in_gateway(lines: &str) -> String {
    let mut keys = vec![
        "streaming: true",
        "sessions: {}",
        "inbound: none",
        "targets: { t: { mcp: { url: http://127.0.0.1:9/mcp } } }",
    ];
    let written: Vec<&str> = lines.lines().filter_map(|line| line.split(':').next()).collect();
    keys.retain(|key| !written.contains(&key.split(':').next().unwrap_or_default()));
    let lines = lines.lines().chain(keys).map(|line| format!("    {line}\n")).collect::<String>();
    format!("gateways:\n  a:\n{lines}")
}

/// A sound gateway whose target `t` is `lines`, from line 4 on.
pub(crate) fn in_target(lines: &str) -> String {
    let lines = lines.lines().map(|line| format!("        {line}\n")).collect::<String>();
    format!(
        "gateways:\n  a:\n    targets:\n      t:\n{lines}    streaming: true\n    sessions: {{}}\n    inbound: none\n"
    )
}
