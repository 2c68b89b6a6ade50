//! What a child prints on stderr goes into our log, line by line: bounded, escaped, and without the secrets we gave it.
//!
//! It means nothing else. Many servers print their whole log there, so a line is no sign of an error.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use crate::error::LAST_LINE;

#[cfg(test)]
mod tests;

/// How much of the last line is quoted, in characters.
const QUOTE_MAX: usize = 200;
/// A longer line is cut, in bytes.
const LINE_MAX: usize = 2 * 1024;
/// Lines logged in one [`WINDOW`]; the others are counted.
const LINES_MAX: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10);

/// The last line that a child printed, for whoever reports that it failed. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::duplex) struct LastLine(Arc<Printed>);

#[derive(Debug)]
struct Printed {
    line: Mutex<Vec<u8>>,
    secrets: Vec<SecretString>,
}

impl LastLine {
    /// Nothing was printed yet; `secrets` are never quoted.
    pub(super) fn new(secrets: Vec<String>) -> Self {
        let secrets = secrets.into_iter().map(SecretString::from).collect();
        Self(Arc::new(Printed { line: Mutex::default(), secrets }))
    }

    /// The line as the end of a sentence in the log, bounded and safe to print; `None` when nothing was printed.
    pub(in crate::duplex) fn quoted(&self) -> Option<String> {
        let line = self.lock().clone();
        let text: String = self.printable(&line).chars().take(QUOTE_MAX).collect();
        (!text.is_empty()).then(|| format!("{LAST_LINE}{text}"))
    }

    fn keep(&self, line: &[u8]) {
        let mut last = self.lock();
        last.clear();
        last.extend_from_slice(line);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line of log must stay one line, whatever terminal shows it.
    fn printable(&self, line: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(line).trim_end().to_owned();
        for secret in &self.0.secrets {
            text = text.replace(secret.expose_secret(), "***");
        }
        let mut safe = String::with_capacity(text.len());
        for character in text.chars() {
            if character.is_control() && character != '\t' {
                safe.extend(character.escape_default());
            } else {
                safe.push(character);
            }
        }
        safe
    }
}

/// Logs what `reader` gives until it ends, and keeps the last line in `last`. `log` takes one line, safe to print.
pub(super) async fn capture<R>(mut reader: R, last: LastLine, mut log: impl FnMut(&str))
where
    R: AsyncRead + Unpin,
{
    let mut buffer = BytesMut::new();
    let mut rate = Rate { window: Instant::now(), logged: 0, suppressed: 0 };
    // The rest of a line that was cut.
    let mut skipping = false;
    loop {
        buffer.reserve(LINE_MAX);
        let ended = !matches!(reader.read_buf(&mut buffer).await, Ok(count) if count > 0);
        while let Some(end) = line_end(&buffer, ended) {
            let line = buffer.split_to(end);
            let cut = line.len() == LINE_MAX && !buffer.starts_with(b"\n");
            if !std::mem::replace(&mut skipping, cut) && !line.trim_ascii().is_empty() {
                last.keep(&line);
                rate.pass(&mut log, || last.printable(&line));
            }
            if buffer.starts_with(b"\n") {
                buffer.advance(1);
                skipping = false;
            }
        }
        if ended {
            return rate.report(&mut log);
        }
    }
}

/// Where the next line, or as much of it as is logged, ends; `None` when more has to be read.
fn line_end(buffer: &[u8], ended: bool) -> Option<usize> {
    let end = buffer.iter().take(LINE_MAX).position(|byte| *byte == b'\n');
    match end {
        Some(end) => Some(end),
        None if buffer.len() >= LINE_MAX => Some(LINE_MAX),
        None => (ended && !buffer.is_empty()).then_some(buffer.len()),
    }
}

struct Rate {
    window: Instant,
    logged: u32,
    suppressed: u64,
}

impl Rate {
    fn pass(&mut self, log: &mut impl FnMut(&str), line: impl FnOnce() -> String) {
        if self.window.elapsed() >= WINDOW {
            self.report(log);
            *self = Self { window: Instant::now(), logged: 0, suppressed: 0 };
        }
        if self.logged == LINES_MAX {
            self.suppressed += 1;
        } else {
            self.logged += 1;
            log(&line());
        }
    }

    fn report(&mut self, log: &mut impl FnMut(&str)) {
        if self.suppressed > 0 {
            log(&format!("({} more lines were not logged)", self.suppressed));
            self.suppressed = 0;
        }
    }
}
