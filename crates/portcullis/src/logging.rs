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
    let filter = EnvFilter::try_from_env("PORTCULLIS_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
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
    Logging { _writer: guard }
}
