use super::*;

fn failed() -> UpstreamError {
    UpstreamError::Unreachable("no".to_owned())
}

#[tokio::test(start_paused = true)]
async fn rest_doubles_up_to_its_bound() {
    let rests: Vec<_> = (0..12).map(|failures| Rest::after(failures, failed()).left()).collect();
    assert_eq!(rests[..3], [REST_MIN, REST_MIN * 2, REST_MIN * 4]);
    assert!(rests.is_sorted());
    assert_eq!(rests[11], REST_MAX);
    assert_eq!(Rest::after(u32::MAX, failed()).left(), REST_MAX);
}

#[tokio::test(start_paused = true)]
async fn connection_that_lived_long_starts_a_new_series() {
    let since = Instant::now();
    assert_eq!(Slot::after_end(since, 5).failures, 6);
    tokio::time::advance(STABLE).await;
    assert_eq!(Slot::after_end(since, 5).failures, 1);
}

#[tokio::test(start_paused = true)]
async fn failure_is_forgotten_some_time_after_its_rest() {
    let slot = Slot::Resting(Rest::after(0, failed()));
    assert!(!slot.is_stale() && !slot.is_live());
    tokio::time::advance(REST_MIN + STABLE + Duration::from_millis(1)).await;
    assert!(slot.is_stale());
}

#[test]
fn handshake_that_failed_never_looks_like_a_call_that_may_have_run() {
    for error in [
        UpstreamError::Lost("gone".to_owned()),
        UpstreamError::Timeout(Duration::from_secs(1)),
        UpstreamError::Cancelled,
    ] {
        assert!(before_sending(error, STABLE).nothing_sent());
    }
}
