use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::subscriber::with_default;
use tracing_subscriber::fmt::MakeWriter;

use super::Json;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Kept {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What is written while `log` runs.
fn written(log: impl FnOnce()) -> String {
    let kept = Kept::default();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).event_format(Json).with_writer(kept.clone()).finish();
    with_default(subscriber, log);
    String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn an_event_is_one_object_on_one_line() {
    let line = written(|| {
        tracing::warn!(
            target: "portcullis::audit",
            call = 7_u64, code = -32602_i64, target.name = %"legal", ratio = 0.5, ok = true,
            client = None::<&str>, item = "a\"b\\c\nd\u{1}é", shown = ?vec!["x\"y"],
            "two\nlines"
        );
    });
    assert_eq!(line.matches('\n').count(), 1);
    let mut event: Value = serde_json::from_str(&line).unwrap();
    let timestamp = event.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(timestamp.as_str().unwrap().ends_with('Z'));
    let expected = json!({
        "level": "WARN", "target": "portcullis::audit", "message": "two\nlines", "call": 7, "code": -32602,
        "target.name": "legal", "ratio": 0.5, "ok": true, "item": "a\"b\\c\nd\u{1}é", "shown": "[\"x\\\"y\"]"
    });
    assert_eq!(event, expected);
}

#[test]
fn every_event_has_its_line() {
    let lines = written(|| {
        for number in 0..3 {
            tracing::info!(number, "counted");
        }
    });
    let numbers: Vec<_> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].clone()).collect();
    assert_eq!(numbers, [0, 1, 2]);
}
