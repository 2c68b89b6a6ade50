use super::*;

#[test]
fn reason_leaves_out_what_differs_each_time() {
    let plain = UpstreamError::Unreachable("it ended (exit status: 1)".to_owned());
    let dressed = UpstreamError::Unreachable(format!(
        "it ended (exit status: 1){LAST_LINE}12:00:03 no key{NEXT_ATTEMPT}6.4s"
    ));
    assert_eq!(plain.reason(), dressed.reason());
    assert_ne!(plain.reason(), UpstreamError::Lost("it ended (exit status: 1)".to_owned()).reason());
}

#[test]
fn times_are_told_in_milliseconds() {
    let bound = Duration::from_secs(60) - Duration::from_micros(3);
    assert_eq!(UpstreamError::Timeout(bound).to_string(), "did not answer within 60s");
    assert_eq!(rounded(Duration::from_nanos(59_996_668_223)), Duration::from_millis(59_997));
    assert_eq!(rounded(Duration::MAX), Duration::from_millis(u64::MAX));
}

#[test]
fn client_is_not_told_the_cause() {
    let error = UpstreamError::Unreachable(format!("it ended{LAST_LINE}no key"));
    let told = error.to_error("files").message;
    assert!(!told.contains("no key"), "{told}");
}
