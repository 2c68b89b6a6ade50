//! What a client answers to the questions of a task: only what was asked goes to its server, and only what fits.

use std::collections::BTreeMap;

use audit::Trail;
use mcp::{Edit, Object, Raw};

use crate::round::Round;
use crate::rules::{Rules, Spent};
use crate::state::{Continuation, Expected};

/// The answers that belong to the questions of `task` as it is now. Those to anything else are left out.
///
/// # Errors
/// Which answer does not fit, and why.
pub fn fitting(task: &Object, answers: &Object, rules: &Rules, trail: &Trail) -> Result<Raw, String> {
    let questions = Round::read(task, rules).map_or_else(|_| Vec::new(), |round| round.questions);
    // What must not be asked was not asked.
    let asked = questions.into_iter().filter_map(|wanted| {
        let form = rules.judge(wanted.kind, &wanted.params).ok()?.form;
        Some((wanted.key, Expected { kind: wanted.kind, form }))
    });
    let asked: BTreeMap<_, _> = asked.collect();
    let open = Continuation::Server { state: None, asked, known: Vec::new(), spent: Spent::default() };
    open.check(answers, trail)?;
    let foreign = |key: &str| !open.has_asked(key);
    if answers.keys().any(|key| foreign(&key)) {
        trail.stray();
    }
    Ok(Edit::of(answers).remove_where(foreign).finish().into_raw())
}
