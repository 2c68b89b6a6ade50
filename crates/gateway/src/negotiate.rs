//! What the HTTP headers of a POST say about form: the body's type, and the answers the client takes.

use std::cmp::Reverse;

use config::Streaming;
use exchange::Accepts;
use http::{HeaderMap, header};

use crate::refusal::Refusal;

/// Which forms of answer the client takes and the gateway gives. Of two that it likes equally, it likes that more which it
/// names first.
///
/// # Errors
/// The client takes no JSON at all.
pub fn accepts(headers: &HeaderMap, streaming: Streaming) -> Result<Accepts, Refusal> {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| (essence(range), weight(range)))
        .filter(|(_, weight)| *weight > 0)
        .peekable();
    if ranges.peek().is_none() {
        return Ok(Accepts::Json);
    }
    let (mut json, mut events) = (None, None);
    for (place, (range, weight)) in ranges.enumerate() {
        let is = |types: &[&str]| types.iter().any(|kind| range.eq_ignore_ascii_case(kind));
        let liking = Some((weight, Reverse(place)));
        if is(&["application/json", "application/*", "*/*"]) {
            json = json.max(liking);
        }
        if is(&["text/event-stream", "text/*"]) {
            events = events.max(liking);
        }
    }
    match (json, events, streaming) {
        (None, ..) => Err(Refusal::NotAcceptable),
        (Some(json), Some(events), Streaming::On) if events > json => Ok(Accepts::EventStreamFirst),
        (_, Some(_), Streaming::On) => Ok(Accepts::EventStream),
        _ => Ok(Accepts::Json),
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

/// How much the client likes a range, in thousandths; 0 says: not this one (RFC 9110, section 12.4.2).
fn weight(range: &str) -> u16 {
    let written = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    let Some(written) = written else { return 1000 };
    let (whole, fraction) = written.trim().split_once('.').unwrap_or((written.trim(), ""));
    format!("{whole}{fraction:0<3.3}").parse().unwrap_or(1000)
}

#[cfg(test)]
mod tests;
