//! `gateways.<name>.sessions`: whether legacy clients get sessions, and how long these live.

use std::time::Duration;

use crate::diagnostic::Problem;
use crate::form::many::block;
use crate::form::scalar::{choice_or, duration};
use crate::form::section::Section;
use crate::form::units::write_duration;
use crate::form::{Either, Form};
use crate::model::Sessions;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// `off`, `false`, or a map whose keys all have defaults.
pub(crate) fn form() -> impl Form<Out = Option<Sessions>> {
    let off = choice_or(&[("off", None), ("false", None)], "a map").hint(|written| {
        Some(match written {
            "true" | "on" | "yes" => "write `sessions: {}`".to_owned(),
            _ => "write `sessions: { timeout: 1h }`, or `sessions: {}` for the defaults".to_owned(),
        })
    });
    Either(off, block(read))
}

fn read(section: &mut Section<'_>) -> Option<Option<Sessions>> {
    let timeout = section.or(
        "timeout",
        "How long a session lives, counted from initialize.",
        &duration(MINUTE * 15..=HOUR * 8),
        HOUR,
    );
    let idle = section.optional(
        "idle",
        "A session nobody used for this long ends; 30m by default, and never longer than `timeout`.",
        &duration(MINUTE..=HOUR * 8),
    );
    if idle.is_some_and(|idle| idle > timeout) {
        let message = format!("must not be longer than `timeout`, which is {}", write_duration(timeout));
        section.error("idle", Problem::new(message));
    }
    let idle = idle.unwrap_or((MINUTE * 30).min(timeout));
    Some(Some(Sessions { timeout, idle }))
}
