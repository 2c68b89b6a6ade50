//! Which targets are missing from what a principal sees, why, and since when.
//!
//! Goes out as `_meta["dev.portcullis/status"]` of a list and as the resource `portcullis://status`. Speaks of targets
//! by their configured name only: no address, no credential, no text a server wrote.

use std::sync::Arc;

use mcp::Raw;
use serde_json::{Value, json};
use upstream::UpstreamError;

/// The URI of the status resource.
pub const URI: &str = "portcullis://status";

/// One target, as far as its lists are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    /// The target's name.
    pub target: Arc<str>,
    /// How its lists stand.
    pub state: State,
    /// Why they are not fresh; `None` when they are.
    pub trouble: Option<Trouble>,
    /// Since when they have been stale or missing, or when they were last captured; in seconds since the Unix epoch.
    pub since: u64,
}

/// How a target's lists stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As the server gave them when it was last due.
    Fresh,
    /// As the server gave them once; it could not be asked since.
    Stale,
    /// There is nothing to show.
    Missing,
}

/// Why a target's lists are not fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It has not been asked yet, or has not answered the first time.
    NotAskedYet,
    /// There is no connection, or the child process does not start.
    Unreachable,
    /// It did not answer in time.
    TooSlow,
    /// Its answer was not a list.
    BrokeProtocol,
    /// It sent more than the bounds allow.
    TooLarge,
    /// It refuses the gateway's credential, or there is none.
    Credential,
    /// As many connections as the bounds allow are in use.
    Busy,
}

/// Whether a URI is in the gateway's own scheme. Schemes ignore case (RFC 3986 §3.1).
#[must_use]
pub fn is_own(uri: &str) -> bool {
    const SCHEME: &str = "portcullis:";
    uri.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// The entry of `resources/list` for the status resource.
#[must_use]
pub fn listed() -> Raw {
    Raw::value(&json!({
        "uri": URI,
        "name": "Gateway status",
        "description": "Which servers behind this gateway are missing or out of date, why, and since when.",
        "mimeType": "application/json",
    }))
}

/// The value of `_meta["dev.portcullis/status"]`: the targets that are not fresh; `None` when all are.
#[must_use]
pub fn meta(statuses: &[TargetStatus]) -> Option<Raw> {
    let troubled = statuses.iter().filter(|status| status.state != State::Fresh);
    let targets: Vec<Value> = troubled.map(TargetStatus::to_json).collect();
    (!targets.is_empty()).then(|| Raw::value(&json!({ "targets": targets })))
}

/// The result of `resources/read` for the status resource: every target, fresh ones too.
#[must_use]
pub fn read_result(statuses: &[TargetStatus]) -> Raw {
    let targets: Vec<Value> = statuses.iter().map(TargetStatus::to_json).collect();
    let text = json!({ "targets": targets }).to_string();
    Raw::value(&json!({ "contents": [{ "uri": URI, "mimeType": "application/json", "text": text }] }))
}

impl TargetStatus {
    /// A target nobody has asked yet.
    pub(crate) fn unasked(target: &Arc<str>, now: u64) -> Self {
        Self {
            target: Arc::clone(target),
            state: State::Missing,
            trouble: Some(Trouble::NotAskedYet),
            since: now,
        }
    }

    /// Notes how the target stands now. A target that stays stale or missing has been so since the first time.
    pub(crate) fn change(&mut self, state: State, trouble: Option<Trouble>, now: u64) {
        if state == State::Fresh || self.state != state {
            self.since = now;
        }
        self.state = state;
        self.trouble = trouble;
    }

    fn to_json(&self) -> Value {
        let mut value =
            json!({ "target": &*self.target, "state": self.state.as_str(), "since": rfc3339(self.since) });
        if let Some(trouble) = self.trouble {
            value["reason"] = Value::from(trouble.sentence(&self.target, self.state));
        }
        value
    }
}

impl State {
    /// The state's name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Missing => "missing",
        }
    }
}

impl Trouble {
    /// What happened, to what, and what to do.
    #[must_use]
    pub fn sentence(self, target: &str, state: State) -> String {
        let happened = match self {
            Self::NotAskedYet => "has not answered yet; list again in a moment",
            Self::Unreachable => "cannot be reached; ask the operator of the server",
            Self::TooSlow => "did not answer in time; list again later",
            Self::BrokeProtocol => {
                "answered with something that is not a list; ask the operator of the server"
            }
            Self::TooLarge => "sent more than the gateway's limits allow; ask the operator of the gateway",
            Self::Credential => {
                "cannot be used with the gateway's credential; ask the operator of the gateway"
            }
            Self::Busy => "is busy; list again later",
        };
        let shown = match state {
            State::Fresh => "",
            State::Stale => " Its last known lists are shown.",
            State::Missing => " Nothing of it is shown.",
        };
        format!("The server `{target}` {happened}.{shown}")
    }
}

impl From<&UpstreamError> for Trouble {
    fn from(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Unreachable(_) | UpstreamError::Lost(_) | UpstreamError::Cancelled => {
                Self::Unreachable
            }
            UpstreamError::Timeout(_) => Self::TooSlow,
            // A list needs nothing of a person; a server that says so has not understood.
            UpstreamError::BrokeProtocol(_)
            | UpstreamError::Lacks(_)
            | UpstreamError::Unasked
            | UpstreamError::Gone => Self::BrokeProtocol,
            UpstreamError::TooLarge(_) => Self::TooLarge,
            UpstreamError::Unauthorized(_) | UpstreamError::NoCredential(_) | UpstreamError::Ended => {
                Self::Credential
            }
            UpstreamError::Busy(_) => Self::Busy,
        }
    }
}

/// A time as RFC 3339 in UTC, to the second. Days to dates as in Hinnant's `civil_from_days`.
fn rfc3339(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
