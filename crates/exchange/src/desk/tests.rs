use std::time::Duration;

use identity::{Principal, Verified};
use mcp::{Id, Method, Object, Raw};

use super::*;
use crate::Answer;

mod races;

fn desk(bounds: DeskBounds) -> (Desk, Clock, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let keyring = seal::Keyring::open(folder.path()).unwrap();
    let clock = Clock::manual(1_000_000);
    (Desk::new(Sealer::new(keyring), clock.clone(), bounds), clock, folder)
}

const BOUNDS: DeskBounds = DeskBounds {
    patience: Duration::from_secs(60),
    parks: 3,
    per_principal: 2,
    bytes: 1000,
    bytes_per_principal: 600,
};

fn principal(subject: &str) -> PrincipalKey {
    Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() }).key()
}

fn binding(subject: &str) -> Binding {
    let params = Object::of(&Raw::value(&serde_json::json!({ "name": "x" }))).unwrap();
    Binding {
        principal: principal(subject),
        gateway: "corp".into(),
        target: "legal".into(),
        item: "x".to_owned(),
        method: Method::CallTool,
        params,
    }
}

fn exchange() -> Exchange {
    let id = Id::of(&Raw::number(1)).unwrap();
    Exchange::answered(id.clone(), Answer::result(&id, Raw::value(&serde_json::json!({})).into()))
}

fn park(desk: &Desk, subject: &str) -> Option<(String, String)> {
    let seat = desk.seat(principal(subject), 1).ok()?;
    let Continuation::Park { id, owner } = seat.continuation() else { panic!("no park") };
    desk.keep(seat, exchange());
    Some((id, owner))
}

#[tokio::test]
async fn call_is_handed_out_once_and_to_its_own_principal() {
    let (desk, _, _folder) = desk(BOUNDS);
    let (id, owner) = park(&desk, "alice").unwrap();
    assert_eq!(desk.claim(principal("bob"), &id, &owner).await.unwrap_err(), Stale);
    assert_eq!(desk.claim(principal("alice"), &id, "another process").await.unwrap_err(), Stale);
    assert!(desk.claim(principal("alice"), &id, &owner).await.is_ok());
    assert_eq!(desk.claim(principal("alice"), &id, &owner).await.unwrap_err(), Stale);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_claim_one_call_at_once_one_gets_it() {
    let (desk, _, _folder) = desk(BOUNDS);
    for _ in 0..50 {
        let (id, owner) = park(&desk, "alice").unwrap();
        let claims = (0..8).map(|_| {
            let (desk, id, owner) = (desk.clone(), id.clone(), owner.clone());
            tokio::spawn(async move { desk.claim(principal("alice"), &id, &owner).await.is_ok() })
        });
        let mut won = 0;
        for claim in claims.collect::<Vec<_>>() {
            won += usize::from(claim.await.unwrap());
        }
        assert_eq!(won, 1);
    }
    assert!(desk.is_empty());
}

#[tokio::test]
async fn places_are_bounded_in_all_and_per_principal_and_come_back() {
    let (desk, _, _folder) = desk(BOUNDS);
    let (id, owner) = park(&desk, "alice").unwrap();
    park(&desk, "alice").unwrap();
    assert!(park(&desk, "alice").is_none());
    park(&desk, "bob").unwrap();
    assert!(park(&desk, "carol").is_none());
    desk.claim(principal("alice"), &id, &owner).await.unwrap();
    assert!(park(&desk, "carol").is_some());
}

#[tokio::test]
async fn bytes_are_bounded_in_all_and_per_principal_and_come_back() {
    let (desk, _, _folder) = desk(BOUNDS);
    let full = |subject: &str, bytes| desk.seat(principal(subject), bytes).map(|_| ()).unwrap_err();
    assert_eq!(full("alice", 601), Full::Limit("park_bytes_per_principal"));
    let mut seat = desk.seat(principal("alice"), 300).unwrap();
    assert_eq!(full("alice", 301), Full::Limit("park_bytes_per_principal"));
    assert_eq!(seat.weigh(601), Err(Full::Limit("park_bytes_per_principal")));
    seat.weigh(600).unwrap();
    assert_eq!(full("bob", 401), Full::Limit("park_bytes"));
    seat.weigh(100).unwrap();
    desk.seat(principal("bob"), 600).unwrap();
    drop(seat);
    let state = desk.state();
    assert_eq!((state.all, state.held.len()), (Held::default(), 0));
}

#[tokio::test]
async fn answer_that_is_too_large_to_wait_is_let_go() {
    let (desk, _, _folder) = desk(BOUNDS);
    let id = Id::of(&Raw::number(1)).unwrap();
    let large = Raw::string(&"x".repeat(700));
    let seat = desk.seat(principal("alice"), 1).unwrap();
    let Continuation::Park { id: park, owner } = seat.continuation() else { panic!("no park") };
    desk.keep(seat, Exchange::answered(id.clone(), Answer::result(&id, large.into())));
    while desk.state().all.bytes < 2 {
        tokio::task::yield_now().await;
    }
    assert!(desk.state().all.bytes < 600);
    let mut kept = desk.claim(principal("alice"), &park, &owner).await.unwrap();
    let Step::Final(answer) = kept.next().await else { panic!("no answer") };
    let said = answer.payload.into_raw();
    assert!(said.as_str().contains("1413") && said.as_str().contains("limits.park_bytes_per_principal"));
}

#[tokio::test(start_paused = true)]
async fn call_that_nobody_comes_back_to_is_given_up() {
    let (desk, _, _folder) = desk(BOUNDS);
    let (id, owner) = park(&desk, "alice").unwrap();
    tokio::time::sleep(BOUNDS.patience * 2).await;
    assert_eq!(desk.claim(principal("alice"), &id, &owner).await.unwrap_err(), Stale);
    assert!(desk.is_empty());
}

#[tokio::test(start_paused = true)]
async fn call_that_is_claimed_as_its_time_ends_is_handed_out_once_at_most_and_its_place_comes_back() {
    let (desk, _, _folder) = desk(BOUNDS);
    for _ in 0..BOUNDS.per_principal * 2 {
        let (id, owner) = park(&desk, "alice").unwrap();
        let mut first = std::pin::pin!(desk.claim(principal("alice"), &id, &owner));
        tokio::select! {
            biased;
            early = &mut first => panic!("its keeper has not run: {early:?}"),
            () = std::future::ready(()) => {}
        }
        // From here on its keeper finds both at once: that it is claimed, and that its time is over.
        tokio::time::advance(BOUNDS.patience).await;
        assert_eq!(desk.claim(principal("alice"), &id, &owner).await.unwrap_err(), Stale);
        assert!(first.await.is_ok());

        // Here two come in the very moment in which its time is over.
        let (id, owner) = park(&desk, "alice").unwrap();
        tokio::time::sleep(BOUNDS.patience).await;
        let again = || desk.claim(principal("alice"), &id, &owner);
        let claims = tokio::join!(again(), again());
        assert!(!matches!(claims, (Ok(_), Ok(_))), "{claims:?}");
        assert!(desk.is_empty());
    }
}

#[tokio::test]
async fn desk_that_is_closed_keeps_nothing() {
    let (desk, _, _folder) = desk(BOUNDS);
    let (id, owner) = park(&desk, "alice").unwrap();
    desk.close();
    while !desk.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.claim(principal("alice"), &id, &owner).await.unwrap_err(), Stale);
    assert!(park(&desk, "alice").is_none());
}

#[test]
fn state_opens_for_its_own_request_and_in_its_time() {
    let (desk, clock, _folder) = desk(BOUNDS);
    let anew =
        Continuation::Anew { asked: std::collections::BTreeMap::new(), spent: crate::Spent::default() };
    let token = desk.seal(&binding("alice"), &anew);
    assert_eq!(desk.open(&binding("alice"), &token), Ok(anew));
    assert_eq!(desk.open(&binding("bob"), &token), Err(Stale));
    let mut flipped = token.clone().into_bytes();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    assert_eq!(desk.open(&binding("alice"), &String::from_utf8(flipped).unwrap()), Err(Stale));
    assert_eq!(desk.open(&binding("alice"), ""), Err(Stale));
    clock.advance(BOUNDS.patience);
    assert_eq!(desk.open(&binding("alice"), &token), Err(Stale));
}
