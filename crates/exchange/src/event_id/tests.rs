//! An id says something to its own session only.

use super::*;

#[test]
fn an_id_is_read_by_the_session_that_wrote_it_and_by_no_other() {
    let (alice, bob) = (EventIds::new(), EventIds::new());
    for (stream, number) in [(0, 1), (1, 1), (7, 4711), (u32::MAX, u64::MAX)] {
        let id = alice.write(stream, number);
        assert_eq!(alice.read(&id), Some((stream, number)));
        assert_eq!(bob.read(&id), None);
    }
}

#[test]
fn a_changed_id_is_no_id() {
    let ids = EventIds::new();
    let id = ids.write(1, 2);
    for at in 0..id.len() {
        let mut changed = id.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap_or_default();
        assert_eq!(ids.read(&changed), None, "{at}");
    }
    for wrong in ["", "A", "1/2", &id[1..], &format!("{id}A"), "\u{0}"] {
        assert_eq!(ids.read(wrong), None, "{wrong:?}");
    }
}

#[test]
fn neighbouring_ids_have_nothing_in_common() {
    let ids = EventIds::new();
    let (one, other) = (ids.write(1, 1), ids.write(1, 2));
    let same = one.bytes().zip(other.bytes()).filter(|(a, b)| a == b).count();
    assert!(same < one.len() / 2, "{one} {other}");
}
