//! What a target may ask of its clients in the middle of a call: `sampling` and `roots`.

use crate::diagnostic::{Problem, quoted};
use crate::form::many::block;
use crate::form::scalar::{Scalar, choice_or, count, text};
use crate::form::section::Section;
use crate::form::{Either, Form};
use crate::interpolate::Resolved;
use crate::model::Sampling;

/// Roots of one target.
pub(crate) const ROOTS_MAX: usize = 100;
const ROOT_BYTES_MAX: usize = 4096;

/// `off`, `false`, or a map whose keys all have defaults.
pub(crate) fn sampling() -> impl Form<Out = Option<Sampling>> {
    let off = choice_or(&[("off", None), ("false", None)], "a map").hint(|written| {
        Some(match written {
            "true" | "on" | "yes" | "allow" => "write `sampling: {}`".to_owned(),
            _ => "write `sampling: { max_tokens: 4096 }`, or `sampling: {}` for the defaults".to_owned(),
        })
    });
    Either(off, block(read))
}

fn read(section: &mut Section<'_>) -> Option<Option<Sampling>> {
    let max_tokens = section.or(
        "max_tokens",
        "Tokens of one request; what asks for more is asked with this.",
        &count(1..=10_000_000),
        4096,
    );
    let calls = section.or("calls", "Requests in one call.", &count(1..=10_000), 10);
    let nesting = section.or(
        "nesting",
        "Requests of one principal open at a time: a model that calls a tool whose server samples goes one deeper.",
        &count(1..=1000),
        4,
    );
    Some(Some(Sampling { max_tokens: max_tokens as u64, calls, nesting }))
}

/// MCP, Roots: a root is a `file:` URI.
pub(crate) fn root() -> Scalar<String> {
    text("a `file:///…` URI", |from: &Resolved| {
        let fits = from.value.len() <= ROOT_BYTES_MAX
            && from.value.starts_with("file:///")
            && url::Url::parse(&from.value).is_ok();
        if fits {
            return Ok(from.value.clone());
        }
        Err(Problem::new(format!("is no root: {}", quoted(&from.value))).help("write `file:///srv/docs`"))
    })
}
