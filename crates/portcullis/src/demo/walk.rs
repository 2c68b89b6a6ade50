//! `demo --check`: takes every step of the tour and looks whether it leads where the tour says.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::client::{Incoming, Reply, Until, Values};
use super::stage::Stage;
use super::step::{Act, Exchange, Keep, Step};
use super::tour;
use crate::failure::Failure;

/// For one exchange.
const PATIENCE: Duration = Duration::from_secs(15);

/// Walks the tour, printing a line for each step; answers whether all of it worked.
#[expect(clippy::print_stdout, reason = "the verb's output")]
pub async fn walk(stage: &Stage) -> bool {
    let begun = Instant::now();
    println!("gateway at {}", stage.url);
    let mut walk = Walk { stage, values: Values::new(), held: None };
    let mut failed = 0;
    for (number, step) in (1..).zip(tour::steps()) {
        match walk.take(&step).await {
            Ok(()) => println!("✓ {number}. {}", step.title),
            Err(why) => {
                failed += 1;
                println!("✗ {number}. {}\n{why}", step.title);
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

/// Somebody on the tour.
struct Walk<'a> {
    stage: &'a Stage,
    values: Values,
    /// The stream that was left open.
    held: Option<Incoming>,
}

impl Walk<'_> {
    async fn take(&mut self, step: &Step) -> Result<(), String> {
        for exchange in &step.exchanges {
            self.exchange(exchange)
                .await
                .map_err(|why| format!("     expected: {}\n     instead:  {why}", expected(exchange)))?;
        }
        Ok(())
    }

    async fn exchange(&mut self, exchange: &Exchange) -> Result<(), String> {
        let replied = timeout(PATIENCE, self.act(&exchange.act)).await;
        let reply = replied.map_err(|_| format!("no answer within {PATIENCE:?}"))?;
        let reply = reply.map_err(|failure| failure.to_string())?;
        (exchange.expect)(&reply)?;
        for keep in exchange.keeps {
            let value = match keep {
                Keep::Session => reply.session.clone(),
                Keep::Member { name, .. } => reply.value(name),
            };
            let value = value.ok_or_else(|| format!("no {} in {}", keep.variable(), reply.summary()))?;
            self.values.insert(keep.variable(), value);
        }
        Ok(())
    }

    async fn act(&mut self, act: &Act) -> Result<Reply, Failure> {
        let Stage { client, people, .. } = self.stage;
        match act {
            Act::Post(message) => client.send(message, people, &self.values).await?.read(Until::End).await,
            Act::Hold(message) => {
                let held = self.held.insert(client.send(message, people, &self.values).await?);
                held.read(Until::Question).await
            }
            Act::Rest => match &mut self.held {
                Some(held) => held.read(Until::End).await,
                None => Ok(Reply::default()),
            },
            Act::Sign => {
                let page = self.values.get("PAGE").map_or("", String::as_str);
                client.press(page).await?.read(Until::End).await
            }
        }
    }
}

fn expected(exchange: &Exchange) -> &'static str {
    match exchange.look_for {
        "" => "202, and nothing more",
        look_for => look_for,
    }
}
