//! Places: so many in all, so many for one principal, and each comes back when whatever held it ends.

use identity::{Principal, PrincipalKey, Verified};
use portcullis_gateway::Places;

fn who(subject: &str) -> PrincipalKey {
    Principal::from(Verified { subject: subject.to_owned(), ..Verified::default() }).key()
}

#[test]
fn there_are_as_many_places_as_were_made() {
    let places = Places::new(2, 2);
    let first = places.take().unwrap();
    let _second = places.clone().take().unwrap();
    assert!(places.take().is_err(), "clones share them");
    drop(first);
    assert!(places.take().is_ok());
}

#[test]
fn one_principal_holds_no_more_than_its_share() {
    let places = Places::new(10, 2);
    let first = places.claim(places.take().unwrap(), who("alice")).unwrap();
    let _second = places.claim(places.take().unwrap(), who("alice")).unwrap();
    assert!(places.claim(places.take().unwrap(), who("alice")).is_err());
    assert!(places.claim(places.take().unwrap(), who("bob")).is_ok());
    drop(first);
    assert!(places.claim(places.take().unwrap(), who("alice")).is_ok());
}

#[test]
fn a_place_that_was_refused_to_its_principal_is_free_for_others() {
    let places = Places::new(2, 1);
    let _held = places.claim(places.take().unwrap(), who("alice")).unwrap();
    for _ in 0..10 {
        assert!(places.claim(places.take().unwrap(), who("alice")).is_err());
    }
    assert!(places.claim(places.take().unwrap(), who("bob")).is_ok());
}

#[test]
fn a_place_outlives_the_handle_and_counts_until_it_is_dropped() {
    let places = Places::new(1, 1);
    let place = places.claim(places.take().unwrap(), who("alice")).unwrap();
    let moved = std::thread::spawn(move || place).join().unwrap();
    assert!(places.take().is_err());
    drop(moved);
    assert!(places.claim(places.take().unwrap(), who("alice")).is_ok());
}

#[test]
fn a_share_may_be_larger_than_the_whole() {
    let places = Places::new(1, usize::MAX);
    let _held = places.claim(places.take().unwrap(), who("alice")).unwrap();
    assert!(places.take().is_err());
    assert!(Places::new(usize::MAX, 1).take().is_ok(), "more than a semaphore can count is no error");
}
