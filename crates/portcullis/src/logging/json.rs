//! An event as one line of JSON: time, level, the fields in their order, and the part of the program it comes from.
//!
//! Every call of a client writes a line, so a line costs as little as it can: nothing is collected or sorted first, it is handed
//! on in one piece, and spans, which this program does not use, are not looked for.

use std::fmt;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Room for a line about a call.
const LINE: usize = 512;

/// Writes events as lines of JSON.
pub struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let about = event.metadata();
        let mut line = String::with_capacity(LINE);
        line.push_str("{\"timestamp\":\"");
        SystemTime.format_time(&mut Writer::new(&mut line))?;
        line.push_str("\",\"level\":\"");
        line.push_str(about.level().as_str());
        line.push('"');
        let mut members = Members { line: line.into_bytes(), written: Ok(()) };
        event.record(&mut members);
        members.written.map_err(|_| fmt::Error)?;
        let mut line = String::from_utf8(members.line).map_err(|_| fmt::Error)?;
        line.push_str(",\"target\":\"");
        line.push_str(about.target());
        line.push_str("\"}\n");
        out.write_str(&line)
    }
}

/// Writes each field as a member of the object that was begun.
struct Members {
    line: Vec<u8>,
    /// The first failure; nothing is written after it.
    written: serde_json::Result<()>,
}

impl Members {
    /// The names of fields are literals of the program: none needs escaping.
    fn member<T: Serialize + ?Sized>(&mut self, field: &Field, value: &T) {
        if self.written.is_ok() {
            self.line.extend_from_slice(b",\"");
            self.line.extend_from_slice(field.name().as_bytes());
            self.line.extend_from_slice(b"\":");
            self.written = serde_json::to_writer(&mut self.line, value);
        }
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // `Arguments` serializes as the text that it makes.
        self.member(field, &format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
