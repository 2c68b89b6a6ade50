//! The open loop at a rate that everything can keep up with: what a call takes longer because something is in between.

use serde::Serialize;

use super::announce;
use crate::gateway::Front;
use crate::load::{Sample, Window, open};
use crate::options::Options;
use crate::stats::Spread;
use crate::subject::{Case, Stage, Subject, What};
use crate::wire::Era;

/// Calls per second.
const RATE: u32 = 500;

const CASES: [Case; 2] = [
    Case { name: "call modern > modern", era: Era::Modern, front: Front::Modern, what: What::Call },
    Case { name: "call modern, jwt", era: Era::Modern, front: Front::Guarded, what: What::Call },
];

/// One case; milliseconds. What is added is the difference to the direct call of the same round.
#[derive(Serialize)]
pub struct Latency {
    pub case: &'static str,
    pub rate: u32,
    pub direct_p50_ms: Spread,
    pub direct_p99_ms: Spread,
    pub floor_added_p50_ms: Spread,
    pub floor_added_p99_ms: Spread,
    pub gateway_added_p50_ms: Spread,
    pub gateway_added_p99_ms: Spread,
}

pub fn run(options: &Options) -> anyhow::Result<Vec<Latency>> {
    let stage = Stage::set(&options.gateway)?;
    CASES.iter().map(|case| measure(options, &stage, case)).collect()
}

fn measure(options: &Options, stage: &Stage, case: &Case) -> anyhow::Result<Latency> {
    announce(&format!("{} at {RATE} calls per second", case.name));
    let window = Window { warm_up: options.depth.warm_up(), length: options.depth.open_window() };
    let mut rounds: Vec<[Sample; 3]> = Vec::new();
    for _ in 0..options.rounds {
        let [direct, floor, gateway] =
            Subject::ALL.map(|subject| open(&stage.load(case, subject), RATE, window));
        rounds.push([direct?, floor?, gateway?]);
    }
    let direct = |quantile| Spread::of(rounds.iter().map(|round| round[0].latency_ms(quantile)));
    let added = |index: usize, quantile: f64| {
        let added = |round: &[Sample; 3]| round[index].latency_ms(quantile) - round[0].latency_ms(quantile);
        Spread::of(rounds.iter().map(added))
    };
    Ok(Latency {
        case: case.name,
        rate: RATE,
        direct_p50_ms: direct(0.5),
        direct_p99_ms: direct(0.99),
        floor_added_p50_ms: added(1, 0.5),
        floor_added_p99_ms: added(1, 0.99),
        gateway_added_p50_ms: added(2, 0.5),
        gateway_added_p99_ms: added(2, 0.99),
    })
}
