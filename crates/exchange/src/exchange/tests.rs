use bytes::Bytes;

use super::*;

#[test]
fn what_waits_for_a_client_has_a_buffer_of_its_own() {
    let id = Id::of(&Raw::number(1)).unwrap();
    let answer = Answer::result(&id, Raw::value(&serde_json::json!({})).into());
    let mut exchange = Exchange::answered(id, answer);
    let received = Bytes::from(vec![b' '; 1 << 20]);
    exchange.keep_told(received.slice(..4).into());
    assert_eq!(exchange.take_told().map(|told| told.len()), Some(4));
    exchange.keep_told(received.slice(..4).into());
    assert!(received.is_unique(), "nobody else holds on to the message it came in");
}
