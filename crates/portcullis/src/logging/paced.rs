//! A writer that pauses after each flush.
//!
//! The thread that writes the log flushes when no line is left, and then sleeps until the next one comes: on a busy gateway
//! that is a wake-up for every line, paid by whoever logs. A pause lets lines gather, so that there is one wake-up for many.

use std::io::{self, Write};
use std::time::Duration;

/// By how much a line may come later. A person who watches the log does not see it.
const PAUSE: Duration = Duration::from_millis(5);

/// Pauses after each flush; everything else is the inner writer's.
pub struct Paced<W>(W);

impl<W: Write> Paced<W> {
    pub fn new(inner: W) -> Self {
        Self(inner)
    }
}

impl<W: Write> Write for Paced<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        std::thread::sleep(PAUSE);
        Ok(())
    }
}
