//! Why a target did not answer, and how that is told to the client.

use std::time::Duration;

use mcp::ErrorObject;
use mcp::code::{
    ANSWER_TOO_LARGE, BACKEND_BROKE_PROTOCOL, BACKEND_TIMEOUT, INVALID_PARAMS, MISSING_CAPABILITY,
    UNAVAILABLE,
};

use crate::Abilities;

#[cfg(test)]
mod tests;

/// Begins the part of a cause that says when it is tried again.
pub(crate) const NEXT_ATTEMPT: &str = "; next attempt in ";

/// Begins the part of a cause that quotes what a child printed last.
pub(crate) const LAST_LINE: &str = "; the last line on its stderr: ";

/// Why a target did not answer. The cause goes to the log; the client gets [`UpstreamError::to_error`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Nothing was sent: no connection, no child, no session to be had.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The request was sent, and the connection or the child ended before the answer.
    #[error("ended before it answered: {0}")]
    Lost(String),
    /// No answer within the bound.
    #[error("did not answer within {:?}", rounded(*.0))]
    Timeout(Duration),
    /// What came back is not MCP.
    #[error("broke the protocol: {0}")]
    BrokeProtocol(String),
    /// What came back is larger than `limits.upstream_event`.
    #[error("sent more than {0} bytes in one message")]
    TooLarge(usize),
    /// The server refuses the gateway's credential. Never shown to the client as its own 401.
    #[error("refused the gateway's credential (HTTP {0})")]
    Unauthorized(u16),
    /// The broker has no credential for this caller and target.
    #[error("no credential: {0}")]
    NoCredential(String),
    /// The caller's own credential ended while the call waited.
    #[error("the caller's credential has ended")]
    Ended,
    /// As many children, sessions or calls as the bound allows.
    #[error("is busy: {0}")]
    Busy(String),
    /// The server needs something of a modern client that this one did not declare (MCP 2026-07-28, -32021).
    #[error("needs a capability that the client did not declare")]
    Lacks(Abilities),
    /// The client answers a question that was not asked, or not this way: a legacy server has no state to go on from.
    #[error("was not asked: the client answered a question that is not open")]
    Unasked,
    /// The session in which a task was made is over, and its server knows the task in no other.
    #[error("has ended the session in which the task was made")]
    Gone,
    /// The gateway is shutting down, or the call was cancelled.
    #[error("was given up: the call was cancelled")]
    Cancelled,
}

impl UpstreamError {
    /// The error for the client. Names the target and the way on; never an address, a header or a token.
    #[must_use]
    pub fn to_error(&self, target: &str) -> ErrorObject {
        let (code, sentence) = match self {
            Self::Unreachable(_) => (UNAVAILABLE, "cannot be reached; try again later, or ask its operator".to_owned()),
            Self::Lost(_) => (
                UNAVAILABLE,
                "ended before it answered; the request may have been carried out, so check before you repeat it".to_owned(),
            ),
            Self::Timeout(after) => (
                BACKEND_TIMEOUT,
                format!("did not answer within {} s; the request was cancelled and may have been carried out", after.as_secs_f32()),
            ),
            Self::BrokeProtocol(_) => {
                (BACKEND_BROKE_PROTOCOL, "sent an answer that is not MCP; ask its operator".to_owned())
            }
            Self::TooLarge(max) => (
                ANSWER_TOO_LARGE,
                format!("sent more than {max} bytes in one message; ask for less, or raise `limits.upstream_event`"),
            ),
            Self::Unauthorized(_) | Self::NoCredential(_) => {
                (UNAVAILABLE, "cannot be used with the gateway's credential; ask the gateway's operator".to_owned())
            }
            Self::Ended => (
                UNAVAILABLE,
                "was not asked again: your credential ended while the call waited; sign in and call again".to_owned(),
            ),
            Self::Busy(_) => (UNAVAILABLE, "is busy; try again later".to_owned()),
            Self::Lacks(needs) => {
                let sentence =
                    format!("The server `{target}` needs a capability that the client did not declare.");
                return ErrorObject::new(MISSING_CAPABILITY, sentence)
                    .with_data(serde_json::json!({ "requiredCapabilities": needs.to_capabilities() }));
            }
            Self::Unasked => {
                let sentence = "`inputResponses` answers no open question of this call; repeat `requestState` as it was given, or send \
                                the call without both.";
                return ErrorObject::new(INVALID_PARAMS, sentence);
            }
            Self::Gone => (
                INVALID_PARAMS,
                "knew the task in a session that is over, so the task is gone; call its tool again, if that is safe".to_owned(),
            ),
            Self::Cancelled => (UNAVAILABLE, "was not waited for: the call was cancelled".to_owned()),
        };
        ErrorObject::new(code, format!("The server `{target}` {sentence}."))
    }

    /// The cause without what differs each time: when it is tried again, and what a child printed last. Two failures with
    /// the same reason need not be reported twice.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut reason = self.to_string();
        let changing = [NEXT_ATTEMPT, LAST_LINE].into_iter().filter_map(|begin| reason.find(begin)).min();
        reason.truncate(changing.unwrap_or(reason.len()));
        reason
    }

    /// Whether the server cannot have seen the request, so that repeating it cannot run it twice.
    #[must_use]
    pub fn nothing_sent(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::NoCredential(_)
                | Self::Ended
                | Self::Busy(_)
                | Self::Unasked
                | Self::Gone
        )
    }
}

/// A time as it is told to people: nobody needs more than milliseconds.
pub(crate) fn rounded(time: Duration) -> Duration {
    let millis = time.as_micros().saturating_add(500) / 1000;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
