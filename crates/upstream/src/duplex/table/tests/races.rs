//! Every order in which a transport, a server, a consumer and the connection can get at one request. Each step is one
//! critical section, so there are no others.

use super::*;
use crate::duplex::waiter::GivenUp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The transport begins to write the request, unless nobody wants it any more.
    Begin,
    Written,
    /// The server asks something, and answers. It can do neither before the request was begun.
    Ask,
    Answer,
    /// The consumer reads what is there.
    Read,
    GiveUp,
    /// The connection looks for what was given up.
    Look,
}

use Step::{Answer, Ask, Begin, GiveUp, Look, Read, Written};

/// All ways to merge what each of them does, in the order each does it.
fn orders(actors: &[&[Step]]) -> Vec<Vec<Step>> {
    if actors.iter().all(|steps| steps.is_empty()) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, steps) in actors.iter().enumerate() {
        let Some((first, rest)) = steps.split_first() else { continue };
        let mut left = actors.to_vec();
        left[at] = rest;
        all.extend(orders(&left).into_iter().map(|order| [vec![*first], order].concat()));
    }
    all
}

struct Race {
    bench: Bench,
    waiter: Arc<Waiter>,
    begun: bool,
    /// What the connection found given up.
    told: Vec<GivenUp>,
    /// Questions of the server, and those refused on the spot.
    asked: usize,
    refused: usize,
    finals: usize,
}

impl Race {
    async fn run(order: &[Step]) -> Self {
        let mut bench = Bench::new();
        let waiter = bench.unsent(1, Role::Call);
        let mut race =
            Self { bench, waiter, begun: false, told: Vec::new(), asked: 0, refused: 0, finals: 0 };
        for step in order {
            race.step(*step).await;
        }
        race.step(Look).await;
        race
    }

    async fn step(&mut self, step: Step) {
        match step {
            Begin => self.begun = self.waiter.begin_write(),
            Written if self.begun => self.waiter.written(),
            Ask if self.begun => {
                self.asked += 1;
                self.refused += usize::from(matches!(self.bench.sort(form()), Left::Answer(_)));
            }
            Answer if self.begun => assert!(matches!(self.bench.sort(response(json!(1))), Left::Nothing)),
            Written | Ask | Answer => {}
            Read => self.read().await,
            GiveUp => self.waiter.give_up(),
            Look => {
                self.bench.table.note_given_up();
                self.told.extend(self.bench.table.take_given_up().map(|(_, how_far)| how_far));
            }
        }
    }

    /// Reads until there is nothing. A question is dropped, which answers it.
    async fn read(&mut self) {
        loop {
            tokio::select! {
                biased;
                event = self.waiter.next() => match event {
                    Ok(Event::Final(_)) => self.finals += 1,
                    Ok(_) => {}
                    Err(_) => return,
                },
                () = std::future::ready(()) => return,
            }
        }
    }

    fn answered(&mut self) -> usize {
        let written_back = std::iter::from_fn(|| self.bench.answers.try_recv().ok()).count();
        written_back + self.refused
    }
}

fn form() -> Value {
    let params = json!({ "message": "?", "requestedSchema": { "type": "object", "properties": {} } });
    json!({ "jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": params })
}

#[tokio::test]
async fn whatever_the_order_nothing_is_cancelled_that_was_answered_and_every_question_has_one_answer() {
    let orders = orders(&[&[Begin, Written], &[Ask, Answer], &[Read, GiveUp], &[Look]]);
    assert_eq!(orders.len(), 630);
    let (mut cancelled, mut delivered) = (0, 0);
    for order in orders {
        let place = |step| order.iter().position(|other| *other == step).unwrap();
        if place(Ask) < place(Begin) {
            continue;
        }
        let mut race = Race::run(&order).await;
        assert_eq!(race.begun, place(Begin) < place(GiveUp), "{order:?}: what nobody wants is not written");
        let seen = place(Look) > place(GiveUp) && place(Look) < place(Answer);
        let expected: &[GivenUp] = match race.begun {
            true if seen => &[GivenUp::Sent],
            true => &[],
            false => &[GivenUp::Unsent],
        };
        assert_eq!(race.told, expected, "{order:?}: told once, and not of what was answered");
        let in_time = race.begun && place(Answer) < place(Read);
        assert_eq!(race.finals, usize::from(in_time), "{order:?}: the answer is read once");
        assert_eq!(race.answered(), race.asked, "{order:?}: one answer to each question");
        assert_eq!(race.bench.tally.stray(), 0, "{order:?}: every message has its place");
        cancelled += usize::from(expected == [GivenUp::Sent]);
        delivered += race.finals;
    }
    assert!(cancelled > 0 && delivered > 0, "{cancelled} and {delivered}: both were there to be mistaken");
}
