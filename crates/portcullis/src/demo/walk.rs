//! `demo --check`: takes every step of the tour and looks whether it leads where the tour says.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::stage::Stage;
use super::tour::{self, Step};

/// For one step.
const PATIENCE: Duration = Duration::from_secs(15);

/// Walks the tour, printing a line for each step; answers whether all of it worked.
#[expect(clippy::print_stdout, reason = "the verb's output")]
pub async fn walk(stage: &Stage) -> bool {
    let begun = Instant::now();
    println!("gateway at {}", stage.url);
    let mut failed = 0;
    for (number, step) in (1..).zip(tour::steps()) {
        match take(stage, &step).await {
            Ok(()) => println!("✓ {number}. {}", step.title),
            Err(why) => {
                failed += 1;
                println!(
                    "✗ {number}. {}\n     expected: {}\n     instead:  {why}",
                    step.title, step.look_for
                );
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f32();
    match failed {
        0 => println!("the whole tour worked, in {seconds:.1} s"),
        count => println!("{count} of its steps did not work, in {seconds:.1} s"),
    }
    failed == 0
}

async fn take(stage: &Stage, step: &Step) -> Result<(), String> {
    let asked = timeout(PATIENCE, stage.client.ask(step, &stage.people));
    let reply = asked.await.map_err(|_| format!("no answer within {PATIENCE:?}"))?;
    (step.expect)(&reply.map_err(|failure| failure.to_string())?)
}
