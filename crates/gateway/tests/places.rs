//! Places: so many in all, so many for one principal, and each comes back when whatever held it ends.

use identity::{Principal, PrincipalKey, Verified};
use portcullis_gateway::Places;

fn who(subject: &str) -> PrincipalKey {
    Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() }).key()
}

#[test]
fn there_are_as_many_places_as_were_made() {
    let places = Places::for_requests(2, 2);
    let first = places.take().unwrap();
    let _second = places.clone().take().unwrap();
    assert!(places.take().is_err(), "clones share them");
    drop(first);
    assert!(places.take().is_ok());
}

#[test]
fn one_principal_holds_no_more_than_its_share() {
    let places = Places::for_requests(10, 2);
    let first = places.take_for(Some(who("alice"))).unwrap();
    let _second = places.take_for(Some(who("alice"))).unwrap();
    assert!(places.take_for(Some(who("alice"))).is_err());
    assert!(places.take_for(Some(who("bob"))).is_ok());
    drop(first);
    assert!(places.take_for(Some(who("alice"))).is_ok());
}

#[test]
fn a_place_that_was_refused_to_its_principal_is_free_for_others() {
    let places = Places::for_requests(2, 1);
    let _held = places.take_for(Some(who("alice"))).unwrap();
    for _ in 0..10 {
        assert!(places.take_for(Some(who("alice"))).is_err());
    }
    assert!(places.take_for(Some(who("bob"))).is_ok());
}

#[test]
fn a_place_outlives_the_handle_and_counts_until_it_is_dropped() {
    let places = Places::for_requests(1, 1);
    let place = places.take_for(Some(who("alice"))).unwrap();
    let moved = std::thread::spawn(move || place).join().unwrap();
    assert!(places.take().is_err());
    drop(moved);
    assert!(places.take_for(Some(who("alice"))).is_ok());
}

#[test]
fn a_share_may_be_larger_than_the_whole() {
    let places = Places::for_requests(1, usize::MAX);
    let _held = places.take_for(Some(who("alice"))).unwrap();
    assert!(places.take().is_err());
    assert!(Places::for_streams(usize::MAX, 1).take().is_ok(), "more than a semaphore can count is no error");
}
