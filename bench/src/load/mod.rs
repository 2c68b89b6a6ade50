//! Load: as many calls as connections allow (closed loop), or as many as were promised (open loop).

mod client;
mod closed;
mod open;

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::wire::{Era, Place, Template};

pub use closed::closed;
pub use open::open;

/// What each client does over and over.
#[derive(Clone, Debug)]
pub enum Operation {
    /// `tools/call` of the tool `echo`, under the name it has there.
    Call(&'static str),
    /// `tools/list`.
    List,
    /// `tools/call` of the tool `stream`, under the name it has there, with so much between two of its events.
    Stream { tool: &'static str, interval_ms: u64 },
    /// `tools/call` of the tool `ask`, under the name it has there, and the answer to its question.
    Ask(&'static str),
}

/// Events of a streaming call before its result.
pub const EVENTS: usize = 10;

/// Whom to load, and with what.
#[derive(Clone, Debug)]
pub struct Load {
    pub place: Place,
    pub era: Era,
    pub operation: Operation,
}

/// How long.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Load before that, which is not counted.
    pub warm_up: Duration,
    /// What is counted.
    pub length: Duration,
}

/// What was seen in one window.
pub struct Sample {
    /// Calls that ended in the window.
    pub calls: u64,
    /// How long the window was.
    pub elapsed: Duration,
    /// Latencies in nanoseconds; of streaming calls up to the first event.
    pub latency: Histogram<u64>,
    /// Processor time the process used.
    pub cpu: Option<Duration>,
}

impl Load {
    fn template(&self, session: Option<&str>) -> Template {
        match self.operation {
            Operation::Call(tool) => {
                let message = "Is the contract of 12 March still in force, and who has to sign the renewal?";
                Template::call(self.era, &self.place, session, tool, &format!(r#"{{"message":"{message}"}}"#))
            }
            Operation::List => Template::list(self.era, &self.place, session),
            Operation::Stream { tool, interval_ms } => {
                let arguments = format!(r#"{{"events":{EVENTS},"interval_ms":{interval_ms}}}"#);
                Template::call(self.era, &self.place, session, tool, &arguments)
            }
            Operation::Ask(tool) => Template::ask(self.era, &self.place, session, tool),
        }
    }
}

impl Sample {
    /// Calls per second.
    pub fn rate(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64()
    }

    /// A quantile of the latency, in milliseconds.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e6
    }

    /// Processor time per call, in microseconds.
    pub fn cpu_us(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / self.calls.max(1) as f64)
    }
}

/// From a microsecond to a minute, to three digits.
fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?)
}
