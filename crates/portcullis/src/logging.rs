//! Logs: for people on a terminal, JSON for machines otherwise. Standard output stays free for what a verb prints.
//!
//! Lines are handed to one thread that writes many at a time, so that no request waits for the terminal or the disk. No line
//! is dropped: when the thread cannot keep up, whoever logs waits.

mod json;
mod paced;

use std::io::{BufWriter, IsTerminal};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use self::json::Json;
use self::paced::Paced;

/// The environment variable that chooses what is logged.
const FILTER: &str = "PORTCULLIS_LOG";
/// Lines that may wait to be written.
const LINES_MAX: usize = 16 * 1024;
/// What the thread collects before it writes, in bytes.
const BATCH: usize = 64 * 1024;

/// Logging, for as long as this lives; what is still waiting is written when it is dropped.
#[must_use]
pub struct Logging {
    _writer: WorkerGuard,
}

/// Starts logging to standard error. `PORTCULLIS_LOG` chooses what is logged, such as `info,portcullis_upstream=debug`.
pub fn start() -> Logging {
    start_with("info")
}

/// The same with another choice of what is logged where `PORTCULLIS_LOG` makes none.
pub fn start_with(filter: &str) -> Logging {
    let wanted = std::env::var(FILTER).ok().map(EnvFilter::try_new);
    let (filter, mistake) = match wanted {
        Some(Ok(wanted)) => (wanted, None),
        Some(Err(mistake)) => (EnvFilter::new(filter), Some(mistake)),
        None => (EnvFilter::new(filter), None),
    };
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(false)
        .buffered_lines_limit(LINES_MAX)
        .thread_name("log")
        .finish(Paced::new(BufWriter::with_capacity(BATCH, std::io::stderr())));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // A second start changes nothing: whoever started first (a test, an embedding program) decides.
    let _ = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.with_ansi(false).event_format(Json).try_init()
    };
    if let Some(mistake) = mistake {
        tracing::warn!(%mistake, "{FILTER} is not used; write something like `info,portcullis_upstream=debug`");
    }
    Logging { _writer: guard }
}
