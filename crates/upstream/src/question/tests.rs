use mcp::{Body, Message};
use serde_json::Value;

use super::*;

fn request(method: &str, params: Value) -> Request {
    let text = json!({ "jsonrpc": "2.0", "id": "q", "method": method, "params": params }).to_string();
    match Body::from_server(text.into(), 64) {
        Ok(Body::Single(Message::Request(request))) => request,
        other => panic!("{other:?}"),
    }
}

fn asked(method: &str, pause: &Pause) -> (Question, Arc<Mutex<Vec<Value>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let way: Way = Box::new(move |text| heard.lock().unwrap().push(text.into_raw().to_value()));
    let request = request(method, json!({}));
    let kind = Kind::of(method, &request.params).unwrap();
    (Question::new(request, kind, way, pause), said)
}

#[test]
fn dropped_question_is_answered_once() {
    let (question, said) = asked("elicitation/create", &Pause::default());
    drop(question);
    assert_eq!(
        *said.lock().unwrap(),
        [json!({ "jsonrpc": "2.0", "id": "q", "result": { "action": "cancel" } })]
    );
    for method in ["sampling/createMessage", "roots/list"] {
        let (question, said) = asked(method, &Pause::default());
        drop(question);
        assert!(said.lock().unwrap()[0]["error"]["code"].is_i64(), "{method}");
    }
}

#[test]
fn answered_question_is_answered_once() {
    let (question, said) = asked("roots/list", &Pause::default());
    question.answer(Ok(Raw::value(&json!({ "roots": [] }))));
    assert_eq!(*said.lock().unwrap(), [json!({ "jsonrpc": "2.0", "id": "q", "result": { "roots": [] } })]);
}

#[test]
fn mode_says_what_kind_it_is() {
    let kind = |params| Kind::of("elicitation/create", &request("elicitation/create", params).params);
    assert_eq!(kind(json!({})), Some(Kind::Form));
    assert_eq!(kind(json!({ "mode": "form" })), Some(Kind::Form));
    assert_eq!(kind(json!({ "mode": "url" })), Some(Kind::Url));
    assert_eq!(kind(json!({ "mode": "telepathy" })), None);
    assert_eq!(kind(json!({ "mode": 7 })), None);
}

#[tokio::test(start_paused = true)]
async fn time_stands_still_while_any_question_is_open() {
    let pause = Pause::default();
    let (first, _) = asked("roots/list", &pause);
    tokio::time::advance(Duration::from_secs(5)).await;
    let (second, _) = asked("roots/list", &pause);
    drop(first);
    assert!(pause.is_open());
    tokio::time::advance(Duration::from_secs(5)).await;
    drop(second);
    pause.over().await;
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(pause.total(), Duration::from_secs(10));
}
