//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

pub const HELP: &str = "\
Usage: ./run [--quick] [--only PART] [--case TEXT] [--connections N] [--rounds N] [--streams N] [--soak SECONDS]
             [--results FILE]

  --quick          about two minutes: short windows, fewer connection counts (full: less than thirty)
  --only PART      one part: throughput, latency, sessions, start, large, streaming, questions or streams
  --case TEXT      only the closed loops whose name contains TEXT
  --connections N  the closed loops with this many connections instead of the usual numbers
  --rounds N       interleaved rounds per line of the table; at least 5 for numbers to be quoted
  --streams N      streams that are held open (default: 10000, quick: 1000; the descriptor limit is another bound)
  --soak SECONDS   how long they are held open (default: 300, quick: 5)
  --results FILE   where every sample goes, as JSON (default: results.json)

BENCH_GATEWAY names the gateway binary to measure.";

/// What this process is.
pub enum Role {
    /// The backend.
    Backend,
    /// The floor in front of the backend at an address.
    Floor(SocketAddr),
    /// The one that measures.
    Bench(Options),
    /// The one that explains itself.
    Help,
}

/// How long, and what.
pub struct Options {
    /// The gateway binary.
    pub gateway: PathBuf,
    /// Where the samples go.
    pub results: PathBuf,
    /// How thorough to be.
    pub depth: Depth,
    /// Interleaved rounds.
    pub rounds: usize,
    /// One part only.
    pub only: Option<String>,
    /// Closed loops: only those whose name contains this.
    pub case: Option<String>,
    /// Closed loops: with this many connections instead of the usual numbers.
    pub connections: Option<usize>,
    streams: Option<usize>,
    soak: Option<u64>,
}

impl Options {
    /// Streams that are held open.
    pub fn streams(&self) -> usize {
        self.streams.unwrap_or(self.depth.pick(1_000, 10_000))
    }

    /// How long they are.
    pub fn soak(&self) -> Duration {
        Duration::from_secs(self.soak.unwrap_or(self.depth.pick(5, 300)))
    }
}

/// How thorough to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// About two minutes.
    Quick,
    /// Less than thirty.
    Full,
}

impl Depth {
    /// One value or the other.
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }

    /// Load that is not counted before each window that is.
    pub fn warm_up(self) -> Duration {
        Duration::from_millis(self.pick(50, 250))
    }

    /// What is counted of a closed loop, in each round.
    pub fn window(self) -> Duration {
        Duration::from_millis(self.pick(180, 1000))
    }

    /// What is counted of the open loop, in each round.
    pub fn open_window(self) -> Duration {
        Duration::from_millis(self.pick(300, 3000))
    }
}

/// Reads the arguments.
pub fn role(arguments: impl Iterator<Item = String>) -> anyhow::Result<Role> {
    let mut arguments = arguments;
    let mut options = Options {
        gateway: std::env::var_os("BENCH_GATEWAY").map(PathBuf::from).unwrap_or_default(),
        results: PathBuf::from("results.json"),
        depth: Depth::Full,
        rounds: 5,
        only: None,
        case: None,
        connections: None,
        streams: None,
        soak: None,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "backend" => return Ok(Role::Backend),
            "floor" => return Ok(Role::Floor(value()?.parse()?)),
            "--help" | "-h" => return Ok(Role::Help),
            "--quick" => options.depth = Depth::Quick,
            "--only" => options.only = Some(value()?),
            "--case" => options.case = Some(value()?),
            "--connections" => {
                options.connections = Some(value()?.parse().context("--connections needs a number")?);
            }
            "--streams" => options.streams = Some(value()?.parse().context("--streams needs a number")?),
            "--soak" => options.soak = Some(value()?.parse().context("--soak needs a number of seconds")?),
            "--rounds" => options.rounds = value()?.parse().context("--rounds needs a number")?,
            "--results" => options.results = PathBuf::from(value()?),
            other => bail!("`{other}` is no option\n\n{HELP}"),
        }
    }
    if options.gateway.as_os_str().is_empty() {
        bail!("BENCH_GATEWAY names no gateway; start the benchmark with ./run, which builds one");
    }
    if options.rounds == 0 {
        bail!("--rounds must be at least 1");
    }
    Ok(Role::Bench(options))
}
