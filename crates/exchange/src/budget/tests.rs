//! Shelves against a model that forgets nothing: what they give is exactly what the model has, or nothing; and who gives way.

use identity::{Principal, Verified};
use proptest::prelude::*;

use super::*;
use crate::window::KEPT;

const ROOMY: ResumeBounds = ResumeBounds { per_session: 30, per_principal: 1000, total: 1000 };
const TEN: &[u8] = b"0123456789";

fn who(subject: &str) -> PrincipalKey {
    Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() }).key()
}

fn used(budget: &Budget) -> usize {
    budget.ledger().used
}

fn ten(shelf: &Shelf, stream: u32, times: usize) {
    for _ in 0..times {
        shelf.push(stream, |_| vec![Bytes::from_static(TEN)]);
    }
}

/// How many events of a stream are kept, of `pushed`.
fn kept(shelf: &Shelf, stream: u32, pushed: u64) -> usize {
    (0..=pushed).find_map(|after| shelf.after(stream, after)).map_or(0, |events| events.len())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push { shelf: usize, stream: u32, bytes: usize },
    End { shelf: usize, stream: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = (0..4_usize, 0..3_u32, 1..40_usize).prop_map(|(shelf, stream, bytes)| Step::Push {
        shelf,
        stream,
        bytes,
    });
    let end = (0..4_usize, 1..3_u32).prop_map(|(shelf, stream)| Step::End { shelf, stream });
    proptest::collection::vec(prop_oneof![8 => push, 1 => end], 0..80)
}

proptest! {
    #[test]
    fn what_is_resumed_has_no_gap_and_no_event_twice(
        steps in steps(),
        per_session in 1..200_usize,
        per_principal in 1..250_usize,
        total in 1..300_usize,
    ) {
        let budget = Budget::new(ResumeBounds { per_session, per_principal, total });
        let shelves = ["alice", "alice", "alice", "bob"].map(|name| budget.shelf(who(name)));
        let mut model: HashMap<(usize, u32), Vec<Bytes>> = HashMap::new();
        let mut ended = Vec::new();
        for step in steps {
            match step {
                Step::Push { shelf, stream, .. } | Step::End { shelf, stream } if ended.contains(&(shelf, stream)) => {}
                Step::Push { shelf, stream, bytes } => {
                    let text = Bytes::from(vec![b'x'; bytes]);
                    let all = model.entry((shelf, stream)).or_default();
                    let number = all.len() as u64 + 1;
                    shelves[shelf].push(stream, |given| {
                        assert_eq!(given, number);
                        vec![text.clone()]
                    });
                    all.push(text);
                }
                Step::End { shelf, stream } => {
                    shelves[shelf].end(stream);
                    ended.push((shelf, stream));
                }
            }
            {
                let ledger = budget.ledger();
                prop_assert!(ledger.used <= total);
                prop_assert!(ledger.accounts.values().all(|account| account.used <= per_principal));
                let sessions = || ledger.accounts.values().flat_map(|account| account.sessions.values());
                prop_assert!(sessions().all(|session| session.used <= per_session));
                prop_assert_eq!(sessions().map(|session| session.used).sum::<usize>(), ledger.used);
            }
            for ((shelf, stream), all) in &model {
                for after in 0..=all.len() as u64 {
                    if let Some(events) = shelves[*shelf].after(*stream, after) {
                        prop_assert_eq!(&events[..], &all[usize::try_from(after).unwrap()..]);
                    }
                }
                prop_assert!(shelves[*shelf].after(*stream, all.len() as u64 + 1).is_none(), "a number that never was");
                if !ended.contains(&(*shelf, *stream)) {
                    let last = shelves[*shelf].after(*stream, all.len() as u64);
                    prop_assert!(last.is_some(), "nothing is missing after the last");
                }
            }
        }
        drop(shelves);
        prop_assert_eq!(used(&budget), 0);
        prop_assert!(budget.ledger().accounts.is_empty());
    }
}

#[test]
fn the_newest_events_are_kept() {
    let shelf = Budget::new(ROOMY).shelf(who("alice"));
    ten(&shelf, 1, 10);
    assert_eq!(shelf.after(1, 7).map(|events| events.len()), Some(3));
    assert_eq!(shelf.after(1, 6), None);
    ten(&shelf, 2, 1);
    assert_eq!(shelf.after(1, 7), None, "the oldest of all streams goes first");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ended_is_kept_for_a_while() {
    let budget = Budget::new(ROOMY);
    let shelf = budget.shelf(who("alice"));
    ten(&shelf, 1, 1);
    shelf.end(1);
    shelf.expire();
    assert!(shelf.after(1, 0).is_some());
    tokio::time::advance(KEPT).await;
    shelf.expire();
    assert_eq!(shelf.after(1, 0), None);
    assert_eq!(used(&budget), 0);
}

#[test]
fn one_principal_keeps_no_more_than_its_share_in_however_many_sessions() {
    let budget = Budget::new(ResumeBounds { per_session: 100, per_principal: 100, total: 1000 });
    let sessions: Vec<_> = (0..10).map(|_| budget.shelf(who("alice"))).collect();
    sessions.iter().for_each(|shelf| ten(shelf, 1, 10));
    assert_eq!(used(&budget), 100);
    assert!(kept(&sessions[9], 1, 10) > 0, "the newest session has its part");
}

#[test]
fn who_takes_most_gives_way_first() {
    let budget = Budget::new(ResumeBounds { per_session: 100, per_principal: 200, total: 200 });
    let [first, second] = [budget.shelf(who("mallory")), budget.shelf(who("mallory"))];
    ten(&first, 1, 10);
    ten(&second, 1, 10);
    assert_eq!(used(&budget), 200);
    let alice = budget.shelf(who("alice"));
    ten(&alice, 1, 10);
    assert_eq!(kept(&alice, 1, 10), 10, "nothing of who takes least is lost");
    ten(&first, 1, 10);
    assert_eq!(kept(&alice, 1, 10), 10);
    assert_eq!(used(&budget), 200);
}

#[test]
fn what_is_kept_has_a_buffer_of_its_own() {
    let shelf = Budget::new(ROOMY).shelf(who("alice"));
    let received = Bytes::from(vec![b'x'; 1 << 20]);
    let written = shelf.push(1, |_| vec![Bytes::from_static(b"data: "), received.slice(..4), Bytes::new()]);
    assert_eq!(written.concat(), b"data: xxxx");
    let pinned = received.clone();
    drop(received);
    assert!(pinned.is_unique(), "nobody else holds on to the message it came in");
}
