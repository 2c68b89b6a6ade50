//! Every order in which two clients with one continuation, the clock, the server, the end of the process and the keeper can get
//! at one call that waits. Each step is one critical section, so there are no others: what the keeper looks at in one turn
//! changes under nobody else's hands but in the order in which it looks.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use super::*;

use crate::relayed::Relayed;
use upstream::UpstreamError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// A client takes the park, and calls for what was in it.
    Take(usize),
    Call(usize),
    /// The keeper looks for what has happened, and does what is left to do after that.
    Look,
    Part,
    /// The call's time ends.
    Expire,
    /// The server answers.
    Answer,
    /// The process is to end.
    Close,
}

use Move::{Answer, Call, Close, Expire, Look, Part, Take};

const FIRST: &[Move] = &[Take(0), Call(0)];
const SECOND: &[Move] = &[Take(1), Call(1)];
const KEEPER: &[Move] = &[Look, Look, Part];

/// All ways to merge what each of them does, in the order each does it.
fn orders(actors: &[&[Move]]) -> Vec<Vec<Move>> {
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

type Found = (Seat, Exchange, Option<oneshot::Sender<Exchange>>);

/// How far the keeper is.
enum Keeper {
    Waits(Pin<Box<dyn Future<Output = Found>>>),
    Found(Box<Found>),
    Done,
}

/// One client.
enum Client {
    Nowhere,
    Took(Park),
    Called(oneshot::Receiver<Exchange>),
}

struct Race {
    desk: Desk,
    park: (String, String),
    keeper: Keeper,
    clients: [Client; 2],
    server: Option<oneshot::Sender<UpstreamError>>,
}

impl Race {
    fn new(desk: &Desk) -> Self {
        let alice = principal("alice");
        let (server, failing) = oneshot::channel();
        let id = Id::of(&Raw::number(1)).unwrap();
        let mut exchange = Exchange::of(id, Relayed::waiting(desk, alice, failing));
        let mut seat = desk.seat(alice, exchange.weight()).unwrap();
        let Continuation::Park { id, owner } = seat.continuation() else { panic!("no park") };
        let (claimed, expires) = desk.lay(&seat);
        let waits = Box::pin(async move {
            let hand = wait(&mut seat, &mut exchange, claimed, expires).await;
            (seat, exchange, hand)
        });
        Self {
            desk: desk.clone(),
            park: (id, owner),
            keeper: Keeper::Waits(waits),
            clients: [Client::Nowhere, Client::Nowhere],
            server: Some(server),
        }
    }

    async fn step(&mut self, step: Move) {
        match step {
            Take(who) => {
                let (id, owner) = &self.park;
                if let Ok(park) = self.desk.take(principal("alice"), id, owner) {
                    self.clients[who] = Client::Took(park);
                }
            }
            Call(who) => {
                if let Client::Took(park) = std::mem::replace(&mut self.clients[who], Client::Nowhere) {
                    self.clients[who] = park.call().map_or(Client::Nowhere, Client::Called);
                }
            }
            Look => self.look().await,
            Part => self.part(),
            Expire => tokio::time::advance(BOUNDS.patience).await,
            Answer => {
                let server = self.server.take().unwrap();
                let _ = server.send(UpstreamError::Lost("it went away".to_owned()));
            }
            Close => self.desk.close(),
        }
    }

    async fn look(&mut self) {
        let Keeper::Waits(waits) = &mut self.keeper else { return };
        let found = poll_fn(|context| match waits.as_mut().poll(context) {
            Poll::Ready(found) => Poll::Ready(Some(found)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(found) = found.await {
            self.keeper = Keeper::Found(Box::new(found));
        }
    }

    fn part(&mut self) {
        match std::mem::replace(&mut self.keeper, Keeper::Done) {
            Keeper::Found(found) => match *found {
                (seat, exchange, Some(hand)) => hand_over(seat, exchange, hand),
                (seat, exchange, None) => give_up(&seat, exchange),
            },
            waits => self.keeper = waits,
        }
    }

    /// Who got the call in the end.
    fn handed(&mut self) -> Vec<(usize, Exchange)> {
        let called = self.clients.iter_mut().enumerate();
        let handed = called.filter_map(|(who, client)| match client {
            Client::Called(receiver) => Some((who, receiver.try_recv().ok()?)),
            Client::Nowhere | Client::Took(_) => None,
        });
        handed.collect()
    }
}

/// Who is to get the call: the first who takes the park, if they call before the keeper sees that it is all over.
fn heir(order: &[Move]) -> Option<usize> {
    let (mut first, mut called, mut over) = (None, None, None);
    for step in order {
        match step {
            Take(who) => first = first.or(Some(*who)),
            Call(who) if first == Some(*who) => called = first,
            Expire | Close => over = Some(()),
            Look if called.or(over.map(|()| 0)).is_some() => return called,
            Call(_) | Look | Part | Answer => {}
        }
    }
    None
}

/// Whether no question to the client's model is counted.
fn asks_nothing(desk: &Desk) -> bool {
    desk.sampled(principal("alice"), &Arc::from("legal"), 1).is_some()
}

async fn run(order: &[Move], desk: &Desk) -> Option<usize> {
    let mut race = Race::new(desk);
    for step in order {
        race.step(*step).await;
    }
    assert!(matches!(race.keeper, Keeper::Done), "{order:?}");
    let mut handed = race.handed();
    assert!(handed.len() <= 1, "{order:?}: handed out more than once");
    assert!(desk.is_empty(), "{order:?}: nobody finds it any more");
    let all = desk.state().all;
    let own = desk.state().held.len();
    assert_eq!((all, own), (Held::default(), 0), "{order:?}: its place comes back");
    let Some((who, mut exchange)) = handed.pop() else {
        assert!(race.server.is_none_or(|server| server.is_closed()), "{order:?}: its server goes on");
        assert!(asks_nothing(desk), "{order:?}: its question stays");
        return None;
    };
    if race.server.is_some() {
        assert!(!asks_nothing(desk), "{order:?}: its question waits for the answer");
        race.step(Answer).await;
    }
    let Step::Final(answer) = exchange.next().await else { panic!("{order:?}: no answer") };
    let said = answer.payload.into_raw();
    assert!(said.as_str().contains("legal"), "{order:?}: {said:?}");
    drop(exchange);
    assert!(asks_nothing(desk), "{order:?}: its question stays");
    Some(who)
}

#[tokio::test(start_paused = true)]
async fn whatever_the_order_a_call_is_handed_out_once_or_given_up_and_leaves_nothing() {
    let (template, clock, _folder) = desk(BOUNDS);
    let (mut got, mut nobody) = ([0, 0], 0);
    for more in [[Expire, Answer], [Close, Answer], [Expire, Close]] {
        let orders = orders(&[FIRST, SECOND, KEEPER, &more[..1], &more[1..]]);
        assert_eq!(orders.len(), 15120);
        for mut order in orders {
            // Whatever has not come by then: the keeper is woken, and at last the time is over.
            order.extend([Look, Part, Expire, Look, Part]);
            let desk = Desk::new(template.0.sealer.clone(), clock.clone(), BOUNDS);
            let heir = heir(&order);
            assert_eq!(run(&order, &desk).await, heir, "{order:?}");
            match heir {
                Some(who) => got[who] += 1,
                None => nobody += 1,
            }
        }
    }
    assert!(got[0] == got[1] && got[0] > 1000 && nobody > 1000, "{got:?} and {nobody}: all were there");
}
