//! Closed loops: how many calls per second, how long each takes, and how much processor time each costs the proxy.

use serde::Serialize;

use super::announce;
use crate::gateway::Front;
use crate::load::{Sample, Window, closed};
use crate::options::{Depth, Options};
use crate::stats::Spread;
use crate::subject::{Case, Stage, Subject, What};
use crate::wire::Era;

/// One case at one number of connections.
#[derive(Serialize)]
pub struct Line {
    pub case: &'static str,
    pub connections: usize,
    pub direct: Column,
    pub floor: Column,
    pub gateway: Column,
    /// The gateway's calls per second as a part of those of a direct call, round by round.
    pub of_direct: Spread,
    /// The same, of the floor's.
    pub of_floor: Spread,
    /// The gateway's processor time per call over the floor's, round by round.
    pub cpu_ratio: Spread,
}

/// One subject's part of a line.
#[derive(Serialize)]
pub struct Column {
    pub per_second: Spread,
    pub p50_ms: Spread,
    pub p99_ms: Spread,
    /// Processor time per call; of the proxies only.
    pub cpu_us: Option<Spread>,
}

const CASES: [Case; 6] = [
    Case { name: "call modern > modern", era: Era::Modern, front: Front::Modern, what: What::Call },
    Case { name: "call legacy > legacy", era: Era::Legacy, front: Front::Legacy, what: What::Call },
    Case { name: "list 10 x 20 tools", era: Era::Modern, front: Front::Merged, what: What::List },
    Case { name: "call legacy > modern", era: Era::Legacy, front: Front::Modern, what: What::Call },
    Case { name: "call modern > legacy", era: Era::Modern, front: Front::Legacy, what: What::Call },
    Case { name: "call modern, jwt", era: Era::Modern, front: Front::Guarded, what: What::Call },
];

/// The first three cases at every number of connections, the others where it matters most.
fn connections(index: usize, depth: Depth) -> &'static [usize] {
    match (index, depth) {
        (0..=2, Depth::Full) => &[1, 16, 64, 256],
        (0, Depth::Quick) => &[1, 64],
        (5, Depth::Full) => &[1, 64],
        _ => &[64],
    }
}

pub fn run(options: &Options) -> anyhow::Result<Vec<Line>> {
    let stage = Stage::set(&options.gateway)?;
    let mut lines = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        if options.case.as_deref().is_some_and(|text| !case.name.contains(text)) {
            continue;
        }
        let usual = connections(index, options.depth);
        for connections in options.connections.as_ref().map_or(usual, std::slice::from_ref) {
            announce(&format!("{} at {connections} connections", case.name));
            lines.push(line(options, &stage, case, *connections)?);
        }
    }
    Ok(lines)
}

/// One line: rounds of all three, in turn.
pub(super) fn line(
    options: &Options,
    stage: &Stage,
    case: &Case,
    connections: usize,
) -> anyhow::Result<Line> {
    let window = Window { warm_up: options.depth.warm_up(), length: options.depth.window() };
    let mut rounds: Vec<[Sample; 3]> = Vec::new();
    for _ in 0..options.rounds {
        let measure =
            |subject| closed(&stage.load(case, subject), connections, window, stage.process(subject));
        let [direct, floor, gateway] = Subject::ALL.map(measure);
        rounds.push([direct?, floor?, gateway?]);
        stage.gateway.forget_log()?;
    }
    let column = |index: usize| {
        let of = |value: &dyn Fn(&Sample) -> f64| Spread::of(rounds.iter().map(|round| value(&round[index])));
        Column {
            per_second: of(&Sample::rate),
            p50_ms: of(&|sample| sample.latency_ms(0.5)),
            p99_ms: of(&|sample| sample.latency_ms(0.99)),
            cpu_us: (index > 0).then(|| of(&|sample| sample.cpu_us().unwrap_or(f64::NAN))),
        }
    };
    let ratio = |over: usize| Spread::of(rounds.iter().map(|round| round[2].rate() / round[over].rate()));
    let cpu = |round: &[Sample; 3]| Some(round[2].cpu_us()? / round[1].cpu_us()?);
    Ok(Line {
        case: case.name,
        connections,
        direct: column(0),
        floor: column(1),
        gateway: column(2),
        of_direct: ratio(0),
        of_floor: ratio(1),
        cpu_ratio: Spread::of(rounds.iter().filter_map(cpu)),
    })
}
