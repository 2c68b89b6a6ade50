//! Logs: for people on a terminal, JSON for machines otherwise. Standard output stays free for what a verb prints.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `PORTCULLIS_LOG` chooses what is logged, such as `info,portcullis_upstream=debug`.
pub fn start() {
    start_with("info");
}

/// The same with another choice of what is logged where `PORTCULLIS_LOG` makes none.
pub fn start_with(filter: &str) {
    let filter = EnvFilter::try_from_env("PORTCULLIS_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start changes nothing: whoever started first (a test, an embedding program) decides.
    let _ = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    };
}
