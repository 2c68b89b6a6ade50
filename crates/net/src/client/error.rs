//! Why a call to another server failed, and whether any of it was sent.

use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;

use crate::body::BodyError;
use crate::egress::Denied;

/// A failed call. The texts name the host and leave out paths, which may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an absolute http or https URL, or one with user information.
    #[error("the URL must be absolute, http or https, and carry no user or password")]
    Url,
    /// The egress guard refused the address; nothing was sent.
    #[error("refused to connect to `{host}`: {denied}")]
    Denied {
        /// The host of the URL.
        host: String,
        /// What the guard said.
        denied: Denied,
    },
    /// The name has no address; nothing was sent.
    #[error("cannot resolve `{host}`")]
    Resolve {
        /// The host of the URL.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// No connection; nothing was sent.
    #[error("cannot connect to `{host}`, port {port}")]
    Connect {
        /// The host of the URL.
        host: String,
        /// The port, which may be the one of the scheme.
        port: u16,
        /// What the system said of the last address tried.
        #[source]
        source: io::Error,
    },
    /// The TLS handshake failed; nothing was sent.
    #[error("no trusted TLS connection to `{host}`")]
    Tls {
        /// The host of the URL.
        host: String,
        /// What TLS said.
        #[source]
        source: io::Error,
    },
    /// A time limit passed.
    #[error("`{host}` did not answer within {limit:?} ({phase})")]
    Timeout {
        /// The host of the URL.
        host: String,
        /// What was being waited for.
        phase: Phase,
        /// The limit that passed.
        limit: Duration,
    },
    /// The connection was lost before a byte of the request was sent, or the server says that it did not look at it.
    #[error("`{host}` closed the connection before the request was sent")]
    NothingSent {
        /// The host of the URL.
        host: String,
        /// What HTTP said.
        #[source]
        source: hyper::Error,
    },
    /// The connection was lost after the request may have been sent, or the answer was not valid HTTP.
    #[error("`{host}` broke the connection; the request may have been carried out")]
    Broken {
        /// The host of the URL.
        host: String,
        /// What HTTP said.
        #[source]
        source: hyper::Error,
    },
    /// A document was answered with another status than 200.
    #[error("answered {status} instead of 200{}", redirect(*status))]
    Status {
        /// The status of the answer.
        status: StatusCode,
    },
    /// The body of a document was not read.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// What a call was waiting for when time ran out. In order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The name's addresses.
    Resolve,
    /// A connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The head of the response. The request may have been sent.
    Head,
}

impl ClientError {
    /// Whether certainly nothing of the request was acted on: only then may a call with effects be sent again.
    #[must_use]
    pub fn nothing_sent(&self) -> bool {
        match self {
            Self::Url
            | Self::Denied { .. }
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::NothingSent { .. } => true,
            Self::Timeout { phase, .. } => *phase < Phase::Head,
            Self::Broken { .. } | Self::Status { .. } | Self::Body(_) => false,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving its name",
            Self::Connect => "connecting",
            Self::Tls => "TLS handshake",
            Self::Head => "waiting for the answer",
        })
    }
}

fn redirect(status: StatusCode) -> &'static str {
    if status.is_redirection() { "; redirects are not followed, use the final URL" } else { "" }
}
