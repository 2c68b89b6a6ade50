//! Every message reaches the request it belongs to, or nobody.

use super::*;
use crate::Level;

fn with_progress(token: &str, arguments: Value) -> Call {
    Call { progress: Some(crate::ProgressToken::new(Raw::string(token))), ..tool(&arguments) }
}

#[tokio::test]
async fn answers_out_of_order_reach_their_own_calls() {
    let connections = Fixture::new("legacy").open();
    let alice = user("alice");
    let mut streams = Vec::new();
    for token in ["a", "b", "c"] {
        let mut stream = begin(&connections, &alice, "hold", with_progress(token, json!({}))).await.unwrap();
        let Ok(Event::Notification(progress)) = stream.next().await else { panic!("no progress") };
        assert_eq!(progress.into_raw().to_value()["params"]["progressToken"], token);
        streams.push(stream);
    }
    assert_eq!(call(&connections, &alice, "release", json!({})).await.unwrap(), "released");
    let mut answers = Vec::new();
    for stream in streams {
        answers.push(run(stream).await.1.unwrap().as_u64().unwrap());
    }
    // The fixture answers with the request's own id, which only grows.
    assert!(answers.is_sorted() && answers[0] < answers[2], "{answers:?}");
    connections.shutdown().await;
}

#[tokio::test]
async fn progress_arrives_in_order_under_the_clients_token() {
    let connections = Fixture::new("legacy").open();
    let stream =
        begin(&connections, &user("alice"), "progress", with_progress("mine", json!({ "steps": 5 }))).await;
    let (notifications, answer) = run(stream.unwrap()).await;
    assert_eq!(answer.unwrap(), "done");
    let steps: Vec<_> = notifications.iter().map(|each| each["params"]["progress"].clone()).collect();
    assert!(notifications.iter().all(|each| each["params"]["progressToken"] == "mine"));
    assert_eq!(steps, [0, 1, 2, 3, 4]);
    connections.shutdown().await;
}

#[tokio::test]
async fn flood_of_progress_is_thinned_and_never_costs_the_answer() {
    let connections = Fixture::new("legacy").open();
    let alice = user("alice");
    let slow =
        begin(&connections, &alice, "progress", with_progress("p", json!({ "steps": 2000 }))).await.unwrap();
    // Another call on the same child is not held up while nobody reads the first.
    assert_eq!(call(&connections, &alice, "echo", json!({ "n": 1 })).await.unwrap(), json!({ "n": 1 }));
    let (notifications, answer) = run(slow).await;
    assert_eq!(answer.unwrap(), "done");
    let steps: Vec<_> =
        notifications.iter().map(|each| each["params"]["progress"].as_u64().unwrap()).collect();
    assert!(steps.len() < 2000 && steps.is_sorted());
    assert_eq!(steps.last(), Some(&1999));
    assert_eq!(connections.tally().thinned(), 2000 - steps.len() as u64);
    connections.shutdown().await;
}

#[tokio::test]
async fn foreign_ids_and_tokens_are_dropped_and_counted() {
    let connections = Fixture::new("legacy").open();
    let stream = begin(&connections, &user("alice"), "foreign", with_progress("p", json!({}))).await.unwrap();
    let (notifications, answer) = run(stream).await;
    assert_eq!(answer.unwrap(), "mine");
    assert!(notifications.is_empty());
    assert_eq!(connections.tally().stray(), 3);
    connections.shutdown().await;
}

#[tokio::test]
async fn noise_on_stdout_is_skipped_and_counted() {
    let connections = Fixture::new("legacy").open();
    assert_eq!(call(&connections, &user("alice"), "noise", json!({})).await.unwrap(), "still fine");
    assert_eq!(connections.tally().noise(), 2);
    connections.shutdown().await;
}

#[tokio::test]
async fn batch_is_taken_apart() {
    let connections = Fixture::new("legacy").open();
    let wanted = Call { logs: Logs::ServersChoice, ..tool(&json!({})) };
    let (notifications, answer) =
        run(begin(&connections, &user("alice"), "batch", wanted).await.unwrap()).await;
    assert_eq!(answer.unwrap(), "batched");
    assert_eq!(notifications.len(), 1);
    connections.shutdown().await;
}

#[tokio::test]
async fn ambiguous_answer_is_a_broken_protocol() {
    let connections = Fixture::new("legacy").open();
    let answer = call(&connections, &user("alice"), "twice", json!({})).await;
    assert!(matches!(answer, Err(UpstreamError::BrokeProtocol(_))), "{answer:?}");
    connections.shutdown().await;
}

#[tokio::test]
async fn log_reaches_the_only_call_in_flight_at_the_level_it_wants() {
    let connections = Fixture::new("legacy").open();
    let alice = user("alice");
    let wanted = |logs| Call { logs, ..tool(&json!({ "level": "warning" })) };
    for (logs, expected) in [(Logs::Off, 0), (Logs::From(Level::Error), 0), (Logs::From(Level::Warning), 1)] {
        let (notifications, answer) =
            run(begin(&connections, &alice, "log", wanted(logs)).await.unwrap()).await;
        assert_eq!(answer.unwrap(), "logged");
        assert_eq!(notifications.len(), expected, "{logs:?}");
    }
    // Asked for at the level that was wanted first, and again when a lower one was.
    let heard = call(&connections, &alice, "heard", json!({})).await.unwrap();
    let set = heard.as_array().unwrap().iter().filter(|method| *method == "logging/setLevel").count();
    assert_eq!(set, 2);
    connections.shutdown().await;
}

#[tokio::test]
async fn log_that_could_be_anyones_is_dropped() {
    let connections = Fixture::new("legacy").open();
    let alice = user("alice");
    let mut held = begin(&connections, &alice, "hold", with_progress("p", json!({}))).await.unwrap();
    held.next().await.unwrap();
    let wanted = Call { logs: Logs::ServersChoice, ..tool(&json!({})) };
    let (notifications, _) = run(begin(&connections, &alice, "log", wanted.clone()).await.unwrap()).await;
    assert!(notifications.is_empty());
    // Given up, it may still be at work in the server.
    drop(held);
    let (notifications, _) = run(begin(&connections, &alice, "log", wanted).await.unwrap()).await;
    assert!(notifications.is_empty());
    connections.shutdown().await;
}

#[tokio::test]
async fn requests_of_the_server_are_answered_at_once() {
    let connections = Fixture::new("legacy").open();
    let answers = call(&connections, &user("alice"), "ask", json!({})).await.unwrap();
    assert_eq!(answers[0], json!({ "id": "q1", "result": {} }));
    assert_eq!(answers[1]["id"], 2);
    assert_eq!(answers[1]["error"]["code"], -32601);
    assert_eq!(answers[2]["id"], "q3");
    connections.shutdown().await;
}

#[tokio::test]
async fn dropped_call_is_cancelled_at_the_server() {
    let connections = Fixture::new("legacy").open();
    let alice = user("alice");
    let mut held = begin(&connections, &alice, "hold", with_progress("p", json!({}))).await.unwrap();
    held.next().await.unwrap();
    drop(held);
    let cancelled = call(&connections, &alice, "cancelled", json!({})).await.unwrap();
    assert_eq!(cancelled.as_array().unwrap().len(), 1);
    // Its late answer is nobody's, and no sign of a broken server.
    call(&connections, &alice, "release", json!({})).await.unwrap();
    assert_eq!(connections.tally().stray(), 0);
    connections.shutdown().await;
}

#[tokio::test]
async fn feed_tells_which_lists_changed() {
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.isolation = Isolation::Shared;
    let connections = fixture.open();
    let (changed, mut kinds) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let watching = tokio::spawn({
        let (connections, stop) = (connections.clone(), stop.clone());
        async move { feed(connections, changed, stop).await }
    });
    // Opened by the feed or by this call, whichever comes first; repeated until the feed is listening.
    let first = loop {
        call(&connections, &user("alice"), "changed", json!({})).await.unwrap();
        if let Ok(kind) = kinds.try_recv() {
            break kind;
        }
        tokio::task::yield_now().await;
    };
    // Told together, they come in the order of the kinds.
    let mut told = vec![first, kinds.recv().await.unwrap(), kinds.recv().await.unwrap()];
    told.sort();
    told.dedup();
    assert!(told.contains(&Kind::Resource) && told.contains(&Kind::Template), "{told:?}");
    stop.cancel();
    watching.await.unwrap();
    connections.shutdown().await;
}

#[tokio::test]
async fn feed_of_a_modern_server_subscribes() {
    let connections = Fixture::new("modern").open();
    let (changed, mut kinds) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let listening = feed(connections.clone(), changed, stop.clone());
    let expected = async {
        assert_eq!(kinds.recv().await, Some(Kind::Tool));
        stop.cancel();
    };
    tokio::join!(listening, expected);
    connections.shutdown().await;
}

#[tokio::test]
async fn request_written_over_several_lines_arrives_as_one() {
    let connections = Fixture::new("legacy").open();
    let text = Raw::parse("{\n \"name\": \"?\",\r\n \"arguments\": {\n  \"a\": [1,\n 2.50]\n }\n}").unwrap();
    let pretty = Call { params: Object::of(&text).unwrap(), ..tool(&json!({})) };
    let stream = begin(&connections, &user("alice"), "echo", pretty).await.unwrap();
    assert_eq!(run(stream).await.1.unwrap(), json!({ "a": [1, 2.5] }));
    connections.shutdown().await;
}

#[tokio::test]
async fn stderr_reaches_our_log_line_by_line_and_is_no_error() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.env.insert("API_KEY".to_owned(), secret("hunter2-hunter2"));
    let connections = fixture.open();
    let printed = json!({ "text": "starting up\nkey is hunter2-hunter2\n\u{1b}[31mred\n" });
    assert_eq!(call(&connections, &user("alice"), "complain", printed).await.unwrap(), "said");
    while !log.text().contains("red") {
        tokio::task::yield_now().await;
    }
    connections.shutdown().await;
    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("stderr: ")).collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines.iter().all(|line| line.contains("INFO") && line.contains("target.name=fixture")),
        "{lines:?}"
    );
    assert!(lines[1].contains("key is ***") && lines[2].contains(r"\u{1b}[31mred"), "{lines:?}");
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
