//! The parts of the benchmark, each on processes of its own, one after the other.

mod crowd;
mod large;
mod latency;
mod questions;
mod sessions;
mod start;
mod streaming;
mod streams;
mod throughput;

use anyhow::bail;
use serde::Serialize;

use crate::options::{Depth, Options};

pub use large::Large;
pub use latency::Latency;
pub use sessions::Sessions;
pub use start::Start;
pub use streaming::{First, Streaming};
pub use streams::Streams;
pub use throughput::{Column, Line};

/// Everything that was measured.
#[derive(Default, Serialize)]
pub struct Results {
    /// `quick` or `full`.
    pub depth: &'static str,
    /// Interleaved rounds behind each median.
    pub rounds: usize,
    /// Processors of the machine, which everything shares.
    pub processors: usize,
    pub throughput: Vec<Line>,
    pub latency: Vec<Latency>,
    pub sessions: Option<Sessions>,
    pub start: Option<Start>,
    pub large: Vec<Large>,
    pub streaming: Option<Streaming>,
    pub questions: Vec<Line>,
    pub streams: Vec<Streams>,
}

const NAMES: [&str; 8] =
    ["throughput", "latency", "sessions", "start", "large", "streaming", "questions", "streams"];

/// Runs the parts that were asked for.
pub fn run(options: &Options) -> anyhow::Result<Results> {
    if let Some(only) = options.only.as_deref().filter(|only| !NAMES.contains(only)) {
        bail!("there is no part `{only}`; there are: {}", NAMES.join(", "));
    }
    let wanted = |part: &str| options.only.as_deref().is_none_or(|only| only == part);
    let mut results = Results {
        depth: match options.depth {
            Depth::Quick => "quick",
            Depth::Full => "full",
        },
        rounds: options.rounds,
        processors: std::thread::available_parallelism()?.get(),
        ..Results::default()
    };
    if wanted("start") {
        results.start = Some(start::run(options)?);
    }
    if wanted("sessions") {
        results.sessions = Some(sessions::run(options)?);
    }
    if wanted("large") {
        results.large = large::run(options)?;
    }
    if wanted("streams") {
        results.streams = streams::run(options)?;
    }
    if wanted("streaming") {
        results.streaming = Some(streaming::run(options)?);
    }
    if wanted("questions") {
        results.questions = questions::run(options)?;
    }
    if wanted("latency") {
        results.latency = latency::run(options)?;
    }
    if wanted("throughput") {
        results.throughput = throughput::run(options)?;
    }
    Ok(results)
}

/// Says on standard error what is being done: a full run takes minutes.
fn announce(what: &str) {
    eprintln!("bench: {what}");
}
