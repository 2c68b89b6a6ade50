//! Questions in the middle of a call: how many calls per second with a question and its answer in each.

use super::announce;
use super::throughput::{Line, line};
use crate::gateway::Front;
use crate::options::Options;
use crate::subject::{Case, Stage, What};
use crate::wire::Era;

const CONNECTIONS: usize = 64;

const CASES: [Case; 4] = [
    Case { name: "ask legacy > legacy", era: Era::Legacy, front: Front::Legacy, what: What::Ask },
    Case { name: "ask modern > modern", era: Era::Modern, front: Front::Modern, what: What::Ask },
    Case { name: "ask legacy > modern", era: Era::Legacy, front: Front::Modern, what: What::Ask },
    Case { name: "ask modern > legacy", era: Era::Modern, front: Front::Legacy, what: What::Ask },
];

pub fn run(options: &Options) -> anyhow::Result<Vec<Line>> {
    let stage = Stage::set(&options.gateway)?;
    let connections = options.connections.unwrap_or(CONNECTIONS);
    let asked = |case: &&Case| options.case.as_deref().is_none_or(|text| case.name.contains(text));
    let measure = |case: &Case| {
        announce(&format!("{} at {connections} connections", case.name));
        line(options, &stage, case, connections)
    };
    CASES.iter().filter(asked).map(measure).collect()
}
