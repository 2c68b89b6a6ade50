//! What is too much, too long, or too many.

use super::*;

#[tokio::test]
async fn line_beyond_the_bound_ends_the_calls_with_its_name() {
    let mut fixture = Fixture::new("legacy");
    fixture.limits.upstream_event = 4096;
    let connections = fixture.open();
    let alice = user("alice");
    let refused = call(&connections, &alice, "big", json!({ "bytes": 5000 })).await;
    assert!(matches!(refused, Err(UpstreamError::TooLarge(4096))), "{refused:?}");
    // The server itself goes on with a new child.
    assert_eq!(call(&connections, &alice, "echo", json!(1)).await.unwrap(), 1);
    connections.shutdown().await;
}

#[tokio::test]
async fn large_messages_pass_both_ways() {
    let mut fixture = Fixture::new("legacy");
    fixture.limits.upstream_event = 16 << 20;
    let connections = fixture.open();
    let large = "y".repeat(8 << 20);
    let echoed = call(&connections, &user("alice"), "echo", json!({ "large": large })).await.unwrap();
    assert!(echoed["large"] == large.as_str());
    connections.shutdown().await;
}

#[tokio::test]
async fn one_more_than_the_instances_is_busy() {
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.instances_max = 1;
    let connections = fixture.open();
    call(&connections, &user("alice"), "echo", json!({})).await.unwrap();
    let refused = call(&connections, &user("bob"), "echo", json!({})).await;
    assert!(matches!(refused, Err(UpstreamError::Busy(_))), "{refused:?}");
    connections.shutdown().await;
}

#[tokio::test]
async fn place_of_a_crashed_child_is_free_again() {
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.instances_max = 1;
    let connections = fixture.open();
    assert!(call(&connections, &user("alice"), "die", json!({})).await.is_err());
    assert_eq!(call(&connections, &user("bob"), "echo", json!(1)).await.unwrap(), 1);
    connections.shutdown().await;
}

#[tokio::test]
async fn silent_call_times_out_and_is_cancelled() {
    let mut fixture = Fixture::new("legacy");
    fixture.target.idle_timeout = Duration::from_millis(300);
    let connections = fixture.open();
    let alice = user("alice");
    connections.facts(Some(&alice)).await.unwrap();
    let late = call(&connections, &alice, "silence", json!({})).await;
    assert!(
        matches!(late, Err(UpstreamError::Timeout(after)) if after == Duration::from_millis(300)),
        "{late:?}"
    );
    // On a busy machine this may itself take longer than such a call may.
    let cancelled = until_answered(&connections, &alice, "cancelled").await;
    assert!(!cancelled.as_array().unwrap().is_empty());
    connections.shutdown().await;
}

#[tokio::test]
async fn total_time_is_bounded_too() {
    let mut fixture = Fixture::new("legacy");
    fixture.target.call_timeout = Duration::from_millis(300);
    let connections = fixture.open();
    connections.facts(Some(&user("alice"))).await.unwrap();
    let late = call(&connections, &user("alice"), "silence", json!({})).await;
    assert!(
        matches!(late, Err(UpstreamError::Timeout(after)) if after == Duration::from_millis(300)),
        "{late:?}"
    );
    connections.shutdown().await;
}

#[tokio::test]
async fn child_that_does_not_read_is_given_up() {
    let mut fixture = Fixture::new("legacy");
    fixture.target.idle_timeout = Duration::from_secs(1);
    let connections = fixture.open();
    let alice = user("alice");
    until_answered(&connections, &alice, "deaf").await;
    // More than a pipe holds, so that writing it cannot end.
    let lost = call(&connections, &alice, "echo", json!({ "large": "z".repeat(1 << 20) })).await;
    assert!(matches!(lost, Err(UpstreamError::Lost(_) | UpstreamError::Timeout(_))), "{lost:?}");
    assert_eq!(until_answered(&connections, &alice, "echo").await, json!({}));
    connections.shutdown().await;
}

#[tokio::test]
async fn child_that_never_becomes_ready_is_unreachable() {
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.args = ["-I", "-S", "-c", "import time; time.sleep(600)"].map(str::to_owned).to_vec();
    fixture.target.connect_timeout = Duration::from_millis(300);
    let connections = fixture.open();
    let refused = call(&connections, &user("alice"), "echo", json!(1)).await;
    assert!(matches!(refused, Err(UpstreamError::Unreachable(_))), "{refused:?}");
    connections.shutdown().await;
}

#[tokio::test]
async fn child_that_hangs_is_replaced() {
    let mut fixture = Fixture::new("legacy");
    fixture.target.call_timeout = Duration::from_millis(300);
    let connections = fixture.open();
    let alice = user("alice");
    let first = until_answered(&connections, &alice, "who").await;
    until_answered(&connections, &alice, "deaf").await;
    // It takes what it is sent and says nothing more, until it is found out.
    let second = until_answered(&connections, &alice, "who").await;
    assert_ne!(first, second);
    connections.shutdown().await;
}

/// Calls until there is an answer in the short time that the test allows.
async fn until_answered(connections: &Connections, caller: &Caller, name: &str) -> Value {
    loop {
        match call(connections, caller, name, json!({})).await {
            Ok(answer) => return answer,
            Err(error) => {
                assert!(matches!(error, UpstreamError::Timeout(_) | UpstreamError::Lost(_)), "{error:?}")
            }
        }
    }
}
