//! Logs: for people on a terminal, JSON for machines otherwise. Standard output stays free for what a verb prints.
//!
//! Lines are handed to one thread that writes many at a time, so that no request waits for the terminal or the disk. No line
//! is dropped: when the thread cannot keep up, whoever logs waits.

mod json;
mod paced;

use std::io::{BufWriter, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use self::json::Json;
use self::paced::Paced;

/// The environment variable that chooses what is logged.
const FILTER: &str = "PORTCULLIS_LOG";
/// What is logged of calls, whatever is chosen: the record is not a matter of taste.
const AUDIT: &str = "portcullis::audit=info";
/// Lines that may wait to be written.
const LINES_MAX: usize = 16 * 1024;
/// What the thread collects before it writes, in bytes.
const BATCH: usize = 64 * 1024;

/// Logging, for as long as this lives; what is still waiting is written when it is dropped.
#[must_use]
pub struct Logging {
    _writer: WorkerGuard,
}

/// Starts logging to standard error. `PORTCULLIS_LOG` chooses what is logged, such as `info,portcullis_upstream=debug`; the
/// record of calls always is.
pub fn start() -> Logging {
    start_with("info")
}

/// The same with another choice of what is logged where `PORTCULLIS_LOG` makes none.
pub fn start_with(filter: &str) -> Logging {
    let wanted = std::env::var(FILTER).ok();
    let (filter, mistake) = match wanted.as_deref().map(read) {
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
        tracing::warn!(
            mistake,
            "{FILTER} is not used; write something like `info,portcullis_upstream=debug`"
        );
    }
    Logging { _writer: guard }
}

/// The filter that somebody wrote, with the record of calls.
///
/// # Errors
/// Says what is wrong. A word that is neither a level nor a part of this program would be taken for a part that logs nothing.
fn read(wanted: &str) -> Result<EnvFilter, String> {
    let is_known = |word: &str| word.starts_with("portcullis") || word.parse::<LevelFilter>().is_ok();
    let words = wanted.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
    match words.into_iter().find(|word| !word.is_empty() && !is_known(word)) {
        Some(word) => Err(format!("`{word}` is neither a level nor a part of this program")),
        None => filter_of(wanted).map_err(|mistake| mistake.to_string()),
    }
}

fn filter_of(wanted: &str) -> Result<EnvFilter, ParseError> {
    Ok(EnvFilter::try_new(wanted)?.add_directive(AUDIT.parse()?))
}

#[cfg(test)]
mod tests;
