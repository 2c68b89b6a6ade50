use config::Streaming;
use exchange::Accepts;
use http::{HeaderMap, HeaderValue, header};

use super::accepts;

fn accepted(accept: &'static str, streaming: Streaming) -> Option<Accepts> {
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
    accepts(&headers, streaming).ok()
}

#[test]
fn the_form_that_is_liked_best_comes_first() {
    let cases = [
        ("application/json", Accepts::Json),
        ("*/*", Accepts::Json),
        ("application/json, text/event-stream;q=0.0", Accepts::Json),
        ("application/json, text/event-stream", Accepts::EventStream),
        ("application/json;q=0.9, text/event-stream;q=0.8", Accepts::EventStream),
        ("text/event-stream;q=0.05, application/json;q=0.5", Accepts::EventStream),
        ("text/event-stream, application/json, text/event-stream;q=0.1", Accepts::EventStreamFirst),
        ("application/json;q=0.9, text/event-stream", Accepts::EventStreamFirst),
        ("text/event-stream, */*;q=0.1", Accepts::EventStreamFirst),
    ];
    for (accept, expected) in cases {
        assert_eq!(accepted(accept, Streaming::On), Some(expected), "{accept}");
        assert_eq!(accepted(accept, Streaming::Off), Some(Accepts::Json), "{accept}, without streaming");
    }
}

#[test]
fn a_client_that_takes_no_json_is_refused() {
    for accept in ["text/event-stream", "text/html", "application/json;q=0, text/event-stream"] {
        assert_eq!(accepted(accept, Streaming::On), None, "{accept}");
    }
}
