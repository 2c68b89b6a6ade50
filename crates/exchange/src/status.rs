//! Which HTTP status an answer has: the one place that knows.

use http::StatusCode;
use mcp::Era;
use mcp::code::{HEADER_MISMATCH, METHOD_NOT_FOUND, MISSING_CAPABILITY, UNSUPPORTED_VERSION};

/// What the HTTP status of an answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A result.
    Ok,
    /// An error with this code.
    Error(i64),
}

impl Status {
    /// The status of a server's answer that went this way. The only code of a server's that says something about the
    /// client's request to the gateway is the missing capability.
    #[must_use]
    pub fn relayed(outcome: audit::Outcome) -> Self {
        match outcome {
            audit::Outcome::Error(MISSING_CAPABILITY) => Self::Error(MISSING_CAPABILITY),
            _ => Self::Ok,
        }
    }

    /// The HTTP status for a client of `era`, when the answer is a JSON body.
    ///
    /// Other errors go out as 200: client libraries drop the body of an answer that is not 2xx, and with it the
    /// sentence that says what to do.
    #[must_use]
    pub fn http(self, era: Era) -> StatusCode {
        let Self::Error(code) = self else { return StatusCode::OK };
        match (era, code) {
            (Era::Legacy, _) => StatusCode::OK,
            // MCP 2026-07-28, Streamable HTTP: the body tells it from an endpoint that does not exist.
            (Era::Modern, METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
            (Era::Modern, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION) => {
                StatusCode::BAD_REQUEST
            }
            (Era::Modern, _) => StatusCode::OK,
        }
    }
}
