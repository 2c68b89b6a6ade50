//! Streaming calls of ten events and a result: what the first event takes longer because something is in between, and how
//! many events get through when nobody waits.

use serde::Serialize;

use super::announce;
use super::crowd::{self, Crowd};
use super::throughput::{Line, line};
use crate::gateway::Front;
use crate::load::{EVENTS, Sample, Window, closed};
use crate::options::Options;
use crate::stats::Spread;
use crate::subject::{Case, Stage, Subject, What};
use crate::wire::Era;

const CONNECTIONS: usize = 16;
/// Between two events, where the first one is waited for: no two of them travel together.
const APART_MS: u64 = 5;

/// All that was measured of streaming calls.
#[derive(Serialize)]
pub struct Streaming {
    pub first: Vec<First>,
    /// Events before the result of each call.
    pub events: usize,
    /// Calls per second, with nothing between two events.
    pub lines: Vec<Line>,
    pub crowd: Vec<Crowd>,
}

/// From a call to its first event; milliseconds. What is added is the difference to the direct call of the same round.
#[derive(Serialize)]
pub struct First {
    pub case: &'static str,
    pub connections: usize,
    pub direct_p50_ms: Spread,
    pub direct_p99_ms: Spread,
    pub floor_added_p50_ms: Spread,
    pub floor_added_p99_ms: Spread,
    pub gateway_added_p50_ms: Spread,
    pub gateway_added_p99_ms: Spread,
}

const fn cases(what: What) -> [Case; 2] {
    [
        Case { name: "stream modern", era: Era::Modern, front: Front::Modern, what },
        Case { name: "stream legacy", era: Era::Legacy, front: Front::Legacy, what },
    ]
}

pub fn run(options: &Options) -> anyhow::Result<Streaming> {
    let stage = Stage::set(&options.gateway)?;
    let connections = options.connections.unwrap_or(CONNECTIONS);
    let first = cases(What::Stream(APART_MS)).into_iter().map(|case| {
        announce(&format!("first event, {}, at {connections} connections", case.name));
        first(options, &stage, &case, connections)
    });
    let first = first.collect::<anyhow::Result<_>>()?;
    let lines = cases(What::Stream(0)).into_iter().map(|case| {
        announce(&format!("events, {}, at {connections} connections", case.name));
        line(options, &stage, &case, connections)
    });
    let lines = lines.collect::<anyhow::Result<_>>()?;
    drop(stage);
    Ok(Streaming { first, events: EVENTS, lines, crowd: crowd::run(options)? })
}

fn first(options: &Options, stage: &Stage, case: &Case, connections: usize) -> anyhow::Result<First> {
    let window = Window { warm_up: options.depth.warm_up(), length: options.depth.open_window() };
    let mut rounds: Vec<[Sample; 3]> = Vec::new();
    for _ in 0..options.rounds {
        let [direct, floor, gateway] =
            Subject::ALL.map(|subject| closed(&stage.load(case, subject), connections, window, None));
        rounds.push([direct?, floor?, gateway?]);
        stage.gateway.forget_log()?;
    }
    let direct = |quantile| Spread::of(rounds.iter().map(|round| round[0].latency_ms(quantile)));
    let added = |index: usize, quantile: f64| {
        let added = |round: &[Sample; 3]| round[index].latency_ms(quantile) - round[0].latency_ms(quantile);
        Spread::of(rounds.iter().map(added))
    };
    Ok(First {
        case: case.name,
        connections,
        direct_p50_ms: direct(0.5),
        direct_p99_ms: direct(0.99),
        floor_added_p50_ms: added(1, 0.5),
        floor_added_p99_ms: added(1, 0.99),
        gateway_added_p50_ms: added(2, 0.5),
        gateway_added_p99_ms: added(2, 0.99),
    })
}
