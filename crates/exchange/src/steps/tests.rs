use mcp::{Id, Raw};
use tokio::sync::oneshot;

use super::*;

/// An exchange that is opened when the sender says so, and what tells that nobody holds it any more.
fn waiting(cancelled: &CancellationToken) -> (Steps, oneshot::Sender<()>, oneshot::Receiver<()>) {
    let ((open, opened), (held, ended)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
    let id = Id::of(&Raw::number(1)).unwrap();
    let exchange = async move {
        opened.await.unwrap();
        let answer = Answer::result(&id, Raw::value(&serde_json::json!({})).into());
        Exchange::answered(id, answer)
    };
    (Steps::of(exchange, None, cancelled.clone(), held), open, ended)
}

#[tokio::test]
async fn a_reader_carries_it_to_its_answer() {
    let (steps, open, ended) = waiting(&CancellationToken::new());
    open.send(()).unwrap();
    assert!(steps.answer().await.is_some());
    assert!(ended.await.is_err(), "what was held is let go");
}

#[tokio::test]
async fn it_goes_on_when_its_reader_stops() {
    let (mut steps, open, ended) = waiting(&CancellationToken::new());
    tokio::select! {
        biased;
        _ = steps.next() => panic!("it has not been opened"),
        () = std::future::ready(()) => {}
    }
    drop(steps);
    open.send(()).expect("it still waits to be opened");
    assert!(ended.await.is_err());
}

#[tokio::test]
async fn cancelled_it_has_no_answer() {
    let cancelled = CancellationToken::new();
    for in_a_task in [false, true] {
        let (steps, open, ended) = waiting(&cancelled);
        let mut steps = if in_a_task { steps.in_a_task() } else { steps };
        cancelled.cancel();
        assert!(steps.next().await.is_none());
        assert!(steps.next().await.is_none(), "it stays over");
        assert!(ended.await.is_err());
        assert!(open.is_closed());
    }
}
