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

async fn why_not(fixture: Fixture) -> String {
    let connections = fixture.open();
    let failure = call(&connections, &user("alice"), "echo", json!({})).await.unwrap_err();
    connections.shutdown().await;
    assert!(failure.nothing_sent(), "{failure:?}");
    failure.to_string()
}

#[tokio::test]
async fn child_that_ends_at_once_is_reported_with_status_and_last_line() {
    let mut fixture = Fixture::new("broken");
    fixture.stdio.env.insert("KEY".to_owned(), secret("s3cr3t-value"));
    let why = why_not(fixture).await;
    assert!(why.contains("exit status: 3") && why.ends_with("stderr: no key ***"), "{why}");
}

#[tokio::test]
async fn child_that_crashes_in_a_call_is_reported_with_its_status() {
    let connections = Fixture::new("legacy").open();
    let crashed = call(&connections, &user("alice"), "die", json!({})).await.unwrap_err();
    assert_eq!(crashed.to_string(), "ended before it answered: it ended (exit status: 3)");
    connections.shutdown().await;
}

#[tokio::test]
async fn child_that_is_not_ready_in_time_is_reported_with_what_it_printed() {
    let in_time = |mode: &str| {
        let mut fixture = Fixture::new(mode);
        fixture.target.connect_timeout = Duration::from_secs(1);
        fixture
    };
    let why = why_not(in_time("broken-later")).await;
    assert!(why.contains("within 1s") && why.ends_with("stderr: waiting for the network"), "{why}");
    let why = why_not(in_time("mute")).await;
    assert!(
        why.ends_with("it printed nothing; it does not inherit proxy or CA variables, name them in `env`")
    );
}

#[tokio::test]
async fn feed_that_cannot_be_opened_again_tells_that_anything_may_have_changed() {
    let mut fixture = Fixture::new("legacy");
    let marker = tempfile::tempdir().unwrap();
    let program = fixture.stdio.args.iter_mut().find(|arg| arg.contains("import")).unwrap();
    let guard = format!(
        "import os, sys\nif os.path.exists({0:?}): os._exit(4)\nopen({0:?}, 'w').close()\n",
        marker.path().join("started")
    );
    program.insert_str(0, &guard);
    fixture.stdio.isolation = Isolation::Shared;
    let connections = fixture.open();
    let (changed, mut changes) = mpsc::channel(8);
    let watching = tokio::spawn({
        let connections = connections.clone();
        async move { feed(connections, changed, CancellationToken::new()).await }
    });
    call(&connections, &user("alice"), "changed", json!({})).await.unwrap();
    // The feed watches once it has told of a change.
    while tokio::time::timeout(Duration::from_millis(20), changes.recv()).await.is_err() {
        call(&connections, &user("alice"), "changed", json!({})).await.unwrap();
    }
    assert!(call(&connections, &user("alice"), "die", json!({})).await.is_err());
    let mut told = Vec::new();
    while !Kind::ALL.iter().all(|kind| told.contains(kind)) {
        told.push(changes.recv().await.unwrap());
    }
    connections.shutdown().await;
    watching.await.unwrap();
}
