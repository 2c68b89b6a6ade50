//! A call that waits for its client runs once, whatever that client does. Sequences of moves are drawn from a seed, many
//! clients make theirs at the same time, and the server counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e::{corp, listed, plain, text};
use serde_json::{Value, json};
use testkit::client::{Endpoint, Modern, Reply};
use testkit::fixture::{Era, FixtureServer, Run};
use testkit::gateway::Gateway;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const TOOL: &str = "fixture_ask_form";
const CLIENTS: u64 = 8;
const SEQUENCES: u64 = 15;
/// Moves in one sequence, unless it ends before.
const MOVES: usize = 8;
const REFUSED: i64 = -32602;

#[tokio::test]
async fn a_parked_call_runs_exactly_once_whatever_its_client_does() -> Result<()> {
    let fixture = FixtureServer::start(Era::Legacy).await?;
    let roomy = "limits: { parks: 1000, parks_per_principal: 1000 }\n";
    let gateway = Gateway::start(&format!("{roomy}{}", corp(&[plain("fixture", &fixture.url())]))).await?;
    let endpoint = Arc::new(gateway.endpoint("corp"));
    listed(&endpoint, &[TOOL]).await?;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let endpoint = endpoint.clone();
        clients.spawn(async move {
            let mut stories = Vec::new();
            for sequence in 0..SEQUENCES {
                let seed = client * SEQUENCES + sequence;
                let story = Story::play(&endpoint, seed).await;
                stories.push(story.with_context(|| format!("seed {seed}"))?);
            }
            anyhow::Ok(stories)
        });
    }
    let stories: Vec<Story> = clients.join_all().await.into_iter().collect::<Result<Vec<_>>>()?.concat();
    // Whatever still waits is given up; after that nothing can run any more.
    ensure!(gateway.stop().await?.success());
    let runs = fixture.stats().runs;
    for story in &stories {
        story.verify(&runs).with_context(|| format!("{story:?}: {:?}", runs.get(&story.key)))?;
    }
    assert_eq!(runs.len(), stories.len(), "calls that nobody made: {runs:?}");
    let finished = stories.iter().filter(|story| story.answered.is_some()).count();
    ensure!(finished > 20 && stories.len() - finished > 20, "{finished} of {} finished", stories.len());
    Ok(())
}

/// One call, from the question to wherever its client leaves it.
#[derive(Clone, Debug)]
struct Story {
    key: String,
    /// The moves, for whoever reads a failure.
    moves: Vec<&'static str>,
    /// The values the client sent, delivered or not.
    sent: Vec<String>,
    /// The value whose answer the client got.
    answered: Option<String>,
}

impl Story {
    async fn play(endpoint: &Endpoint, seed: u64) -> Result<Self> {
        let mut dice = Dice(seed);
        let key = format!("seed-{seed}");
        let mut story = Self { key: key.clone(), moves: Vec::new(), sent: Vec::new(), answered: None };
        let mut desk = Desk::open(endpoint, &key).await?;
        while story.moves.len() < MOVES && story.answered.is_none() {
            if !story.step(&mut desk, &mut dice).await.with_context(|| format!("{:?}", story.moves))? {
                break;
            }
        }
        Ok(story)
    }

    /// One move; `false` when the client does not come back.
    async fn step(&mut self, desk: &mut Desk, dice: &mut Dice) -> Result<bool> {
        let name = MOVE[dice.roll(MOVE.len())];
        self.moves.push(name);
        match name {
            "answers" => {
                let value = self.value();
                let reply = desk.call(&desk.with(accept(&value))).await?;
                self.answer(&reply.result()?, value)?;
            }
            "answers twice at once, differently" => {
                let (one, other) = (self.value(), self.value());
                let (first, second) = (desk.with(accept(&one)), desk.with(accept(&other)));
                let (first, second) = tokio::join!(desk.call(&first), desk.call(&second));
                let (won, value) =
                    only_one(first?, second?).map(|(won, at)| (won, [one, other][at].clone()))?;
                self.answer(&won.result()?, value)?;
            }
            "answers wrongly twice at once" => {
                let odd = desk.with(json!({"action": "accept", "content": {"value": 7}}));
                let (first, second) = tokio::join!(desk.call(&odd), desk.call(&odd));
                desk.renew(&only_one(first?, second?)?.0.result()?)?;
            }
            "answers wrongly" => {
                let odd = desk.with(json!({"action": "accept", "content": {}}));
                desk.renew(&desk.call(&odd).await?.result()?)?;
            }
            "answers nothing" => {
                let mut empty = desk.with(Value::Null);
                empty["inputResponses"] = json!({});
                desk.renew(&desk.call(&empty).await?.result()?)?;
            }
            "repeats what is spent" => {
                for spent in &desk.spent {
                    assert_eq!(desk.call(spent).await?.error_code()?, REFUSED);
                }
            }
            "changes the request" => {
                for odd in desk.forged() {
                    assert_eq!(desk.call(&odd).await?.error_code()?, REFUSED, "{odd}");
                }
            }
            "hangs up while it answers, and tries again" => {
                let value = self.value();
                let params = desk.with(accept(&value));
                desk.hang_up(&params).await?;
                let again = desk.call(&params).await?.message()?;
                match again["error"]["code"].as_i64() {
                    // What it sent before arrived.
                    Some(REFUSED) => return Ok(false),
                    _ => self.answer(&again["result"], value)?,
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// One more value that only this client sends.
    fn value(&mut self) -> String {
        let value = format!("{}, value {}", self.key, self.sent.len());
        self.sent.push(value.clone());
        value
    }

    fn answer(&mut self, result: &Value, value: String) -> Result<()> {
        assert_eq!(text(result), told(&value), "{result}");
        self.answered = Some(value);
        Ok(())
    }

    fn verify(&self, runs: &BTreeMap<String, Run>) -> Result<()> {
        let run = runs.get(&self.key).context("it never ran")?;
        ensure!(run.begun == 1, "it was called {} times", run.begun);
        ensure!(run.ended.len() <= 1, "it ended more than once");
        match &self.answered {
            Some(value) => ensure!(run.ended == [told(value)], "the client was told of another end"),
            None => {
                let dismissed = |said: &str| said == r#"answers: {"form":{"action":"cancel"}}"#;
                let own = |said: &str| self.sent.iter().any(|value| said == told(value));
                ensure!(run.ended.iter().all(|said| dismissed(said) || own(said)), "an answer of nobody's");
            }
        }
        Ok(())
    }
}

const MOVE: [&str; 10] = [
    "answers",
    "answers twice at once, differently",
    "answers wrongly twice at once",
    "answers wrongly",
    "answers nothing",
    "repeats what is spent",
    "changes the request",
    "changes the request",
    "hangs up while it answers, and tries again",
    "never comes back",
];

/// What the tool says in the end.
fn told(value: &str) -> String {
    format!(r#"answers: {{"form":{{"action":"accept","content":{{"value":"{value}"}}}}}}"#)
}

fn accept(value: &str) -> Value {
    json!({"action": "accept", "content": {"value": value}})
}

/// Of two that came with the same state one is served and one refused.
fn only_one(first: Reply, second: Reply) -> Result<(Reply, usize)> {
    let refused = |reply: &Reply| reply.error_code().is_ok_and(|code| code == REFUSED);
    match (refused(&first), refused(&second)) {
        (false, true) => Ok((first, 0)),
        (true, false) => Ok((second, 1)),
        _ => anyhow::bail!("both alike: {} {}", first.text(), second.text()),
    }
}

/// The call as its client holds it: the question, and the state that goes with it.
struct Desk {
    client: Modern,
    endpoint: Endpoint,
    params: Value,
    question: String,
    /// Requests with states that were used.
    spent: Vec<Value>,
}

impl Desk {
    async fn open(endpoint: &Endpoint, key: &str) -> Result<Self> {
        let client = Modern::with(endpoint, json!({"elicitation": {"form": {}}}));
        let params = json!({"name": TOOL, "arguments": {"key": key}});
        let asked = client.call("tools/call", params.clone()).await?.result()?;
        let (question, spent) = (String::new(), Vec::new());
        let mut desk = Self { client, endpoint: endpoint.clone(), params, question, spent };
        desk.take(&asked)?;
        Ok(desk)
    }

    fn take(&mut self, asked: &Value) -> Result<()> {
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        let questions = asked["inputRequests"].as_object().context("no question")?;
        self.question = questions.keys().next().context("no question")?.clone();
        self.params["requestState"] = asked["requestState"].clone();
        Ok(())
    }

    /// Goes on with the state of another round.
    fn renew(&mut self, asked: &Value) -> Result<()> {
        let spent = self.with(accept("spent"));
        ensure!(asked["requestState"] != spent["requestState"], "the state is the same");
        self.spent.push(spent);
        self.take(asked)
    }

    /// The request that goes on with this answer.
    fn with(&self, answer: Value) -> Value {
        let mut params = self.params.clone();
        params["inputResponses"] = json!({&*self.question: answer});
        params
    }

    /// Requests that look like it, and must open nothing and start nothing.
    fn forged(&self) -> [Value; 4] {
        let good = self.with(accept("forged"));
        let state = good["requestState"].as_str().unwrap_or_default();
        let change = |pointer: &str, value: Value| {
            let mut odd = good.clone();
            odd[pointer] = value;
            odd
        };
        let mut stateless = good.clone();
        stateless.as_object_mut().map(|params| params.remove("requestState"));
        [
            change("requestState", json!(format!("{state}x"))),
            change("arguments", json!({"key": "another"})),
            change("name", json!("fixture_ask_two")),
            stateless,
        ]
    }

    async fn call(&self, params: &Value) -> Result<Reply> {
        self.client.call("tools/call", params.clone()).await
    }

    /// Sends the request and closes the connection at once.
    async fn hang_up(&self, params: &Value) -> Result<()> {
        let request = self.client.request(1, "tools/call", params.clone());
        let mut socket = TcpStream::connect(self.endpoint.address).await?;
        socket.write_all(&request.to_bytes()).await?;
        Ok(())
    }
}

/// SplitMix64: the same moves for the same seed, everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }
}
