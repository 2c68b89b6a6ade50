//! An event as one line of JSON: time, level, the fields in their order, and the part of the program it comes from.
//!
//! Every call of a client writes a line, so a line costs as little as it can: nothing is collected or sorted first, and spans,
//! which this program does not use, are not looked for.

use std::fmt;
use std::io;

use serde::Serializer as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes events as lines of JSON.
pub struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let about = event.metadata();
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        write!(line, "\",\"level\":\"{}\"", about.level())?;
        let mut members = Members { line: &mut line, written: Ok(()) };
        event.record(&mut members);
        members.written?;
        line.write_str(",\"target\":\"")?;
        line.write_str(about.target())?;
        line.write_str("\"}\n")
    }
}

/// Writes each field as a member of the object that was begun.
struct Members<'a, 'b> {
    line: &'a mut Writer<'b>,
    /// The first failure; nothing is written after it.
    written: fmt::Result,
}

impl Members<'_, '_> {
    fn member(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.written.is_ok() {
            self.written = key(self.line, field.name()).and_then(|()| write(self.line));
        }
    }
}

impl Visit for Members<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |line| json(line, |out| out.serialize_f64(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |line| write!(line, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |line| write!(line, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |line| json(line, |out| out.serialize_str(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |line| json(line, |out| out.collect_str(&format_args!("{value:?}"))));
    }
}

/// The names of fields are literals of the program: none needs escaping.
fn key(line: &mut Writer<'_>, name: &str) -> fmt::Result {
    line.write_str(",\"")?;
    line.write_str(name)?;
    line.write_str("\":")
}

type Serializer<'a, 'b> = serde_json::Serializer<Text<'a, 'b>>;

fn json(
    line: &mut Writer<'_>,
    write: impl FnOnce(&mut Serializer<'_, '_>) -> serde_json::Result<()>,
) -> fmt::Result {
    write(&mut serde_json::Serializer::new(Text(line))).map_err(|_| fmt::Error)
}

/// The line, for a serializer that writes bytes.
struct Text<'a, 'b>(&'a mut Writer<'b>);

impl io::Write for Text<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
