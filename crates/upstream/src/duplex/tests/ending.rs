//! How children end, and what becomes of those who wait.

use super::*;

#[tokio::test]
async fn crash_mid_call_is_lost_and_the_next_call_starts_afresh() {
    let connections = Fixture::new("legacy").open();
    let alice = user("alice");
    let first = call(&connections, &alice, "who", json!({})).await.unwrap();
    let crashed = call(&connections, &alice, "die", json!({})).await;
    assert!(matches!(crashed, Err(UpstreamError::Lost(_))), "{crashed:?}");
    assert_ne!(first, call(&connections, &alice, "who", json!({})).await.unwrap());
    connections.shutdown().await;
}

#[tokio::test]
async fn crash_of_one_users_child_leaves_the_others_alone() {
    let connections = Fixture::new("legacy").open();
    let bob = call(&connections, &user("bob"), "who", json!({})).await.unwrap();
    assert!(call(&connections, &user("alice"), "die", json!({})).await.is_err());
    assert_eq!(bob, call(&connections, &user("bob"), "who", json!({})).await.unwrap());
    connections.shutdown().await;
}

#[tokio::test]
async fn answer_given_before_the_end_still_counts() {
    let connections = Fixture::new("legacy").open();
    let alice = user("alice");
    assert_eq!(call(&connections, &alice, "die-after", json!({})).await.unwrap(), "last words");
    // Sent to a child that has ended or is about to: repeated on a new one, because it cannot have been seen.
    let again = call(&connections, &alice, "echo", json!({ "n": 2 })).await;
    assert!(matches!(again, Ok(_) | Err(UpstreamError::Lost(_))), "{again:?}");
    connections.shutdown().await;
}

#[tokio::test]
async fn missing_program_is_unreachable_and_rests() {
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.command = "no-such-program-anywhere".to_owned();
    fixture.target.connect_timeout = Duration::from_millis(50);
    let connections = fixture.open();
    let first = call(&connections, &user("alice"), "echo", json!({})).await.unwrap_err();
    assert!(
        matches!(&first, UpstreamError::Unreachable(why) if why.contains("no-such-program")),
        "{first:?}"
    );
    // Each failure makes the rest longer, until it is longer than anyone waits for a connection.
    loop {
        match call(&connections, &user("alice"), "echo", json!({})).await.unwrap_err() {
            UpstreamError::Unreachable(why) if why.contains("next attempt") => break,
            error => assert!(matches!(error, UpstreamError::Unreachable(_)), "{error:?}"),
        }
    }
    connections.shutdown().await;
}

#[tokio::test]
async fn stubborn_child_and_its_children_are_killed() {
    let connections = Fixture::new("stubborn").open();
    let (listener, port) = listener().await;
    call(&connections, &user("alice"), "children", json!({ "port": port })).await.unwrap();
    let (grandchild, _) = listener.accept().await.unwrap();
    connections.shutdown().await;
    gone(grandchild).await;
}

#[tokio::test]
async fn what_a_crashed_child_started_ends_with_it() {
    let connections = Fixture::new("legacy").open();
    let (listener, port) = listener().await;
    call(&connections, &user("alice"), "children", json!({ "port": port })).await.unwrap();
    let (grandchild, _) = listener.accept().await.unwrap();
    // The grandchild holds the pipe open; the end of the child itself is what counts.
    let crashed = call(&connections, &user("alice"), "die", json!({})).await;
    assert!(matches!(crashed, Err(UpstreamError::Lost(_))), "{crashed:?}");
    gone(grandchild).await;
    connections.shutdown().await;
}

#[tokio::test]
async fn unused_child_is_stopped() {
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.idle = Duration::from_millis(100);
    let connections = fixture.open();
    let alice = user("alice");
    let (listener, port) = listener().await;
    // With a call in flight the child is in use, however long it takes to start what shows whether it is there.
    let held = begin(&connections, &alice, "hold", tool(&json!({}))).await.unwrap();
    let first = call(&connections, &alice, "who", json!({})).await.unwrap();
    call(&connections, &alice, "children", json!({ "port": port })).await.unwrap();
    let (grandchild, _) = listener.accept().await.unwrap();
    assert_eq!(first, call(&connections, &alice, "who", json!({})).await.unwrap());
    drop(held);
    gone(grandchild).await;
    assert_ne!(first, call(&connections, &alice, "who", json!({})).await.unwrap());
    connections.shutdown().await;
}

#[tokio::test]
async fn nothing_starts_after_shutdown() {
    let connections = Fixture::new("legacy").open();
    connections.shutdown().await;
    let refused = call(&connections, &user("alice"), "echo", json!({})).await;
    assert!(matches!(refused, Err(UpstreamError::Cancelled)), "{refused:?}");
}

#[tokio::test]
async fn no_zombie_stays_behind() {
    let connections = Fixture::new("legacy").open();
    let pid = call(&connections, &user("alice"), "who", json!({})).await.unwrap();
    let pid = rustix::process::Pid::from_raw(pid.as_i64().unwrap().try_into().unwrap()).unwrap();
    rustix::process::test_kill_process(pid).unwrap();
    connections.shutdown().await;
    // A zombie could still be signalled.
    assert!(rustix::process::test_kill_process(pid).is_err());
}
