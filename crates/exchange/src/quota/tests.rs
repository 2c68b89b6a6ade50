use super::*;

#[test]
fn what_is_over_or_was_refused_leaves_nothing_behind() {
    let quota = Quota::<&str>::default();
    let held = quota.take("a", 1);
    assert!(held.is_some() && quota.take("a", 1).is_none() && quota.take("b", 0).is_none());
    drop(held);
    assert!(quota.0.table().is_empty());
    assert!(quota.take("a", 1).is_some());
}
