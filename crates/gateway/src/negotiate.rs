//! What the HTTP headers of a POST say about form: the body's type, and the answers the client takes.

use config::Streaming;
use exchange::Accepts;
use http::{HeaderMap, header};

use crate::refusal::Refusal;

/// Which forms of answer the client takes and the gateway gives.
///
/// # Errors
/// The client takes no JSON at all.
pub fn accepts(headers: &HeaderMap, streaming: Streaming) -> Result<Accepts, Refusal> {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter(|range| !is_refused(range))
        .map(essence)
        .peekable();
    if ranges.peek().is_none() {
        return Ok(Accepts::Json);
    }
    let (mut json, mut events) = (false, false);
    for range in ranges {
        let is = |types: &[&str]| types.iter().any(|kind| range.eq_ignore_ascii_case(kind));
        json |= is(&["application/json", "application/*", "*/*"]);
        events |= is(&["text/event-stream", "text/*"]);
    }
    match (json, events, streaming) {
        (true, true, Streaming::On) => Ok(Accepts::EventStream),
        (true, ..) => Ok(Accepts::Json),
        (false, ..) => Err(Refusal::NotAcceptable),
    }
}

/// Whether the body is declared to be JSON. Anything else could come from a form on somebody's web page.
///
/// # Errors
/// It is not.
pub fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let single =
        net::headers::single(headers, &header::CONTENT_TYPE).map_err(|_| Refusal::UnsupportedMediaType)?;
    let declared = single.and_then(|value| value.to_str().ok()).map(essence);
    if declared.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        Ok(())
    } else {
        Err(Refusal::UnsupportedMediaType)
    }
}

/// A media type without its parameters.
fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

/// `q=0` says: not this one (RFC 9110, section 12.4.2).
fn is_refused(range: &str) -> bool {
    let weight = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    weight.is_some_and(|weight| weight.trim().trim_end_matches('0').trim_end_matches('.').is_empty())
}
