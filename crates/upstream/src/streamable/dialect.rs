//! How a server is spoken to: found out once, remembered, found out again when the assumption fails.
//!
//! The order of the questions is MCP 2026-07-28, Versioning: `server/discover`, then `initialize`, then a GET that yields
//! the `endpoint` event of 2024-11-05. A server that is down, slow or refuses the credential has answered none of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use config::Era;
use tokio::time::Instant;

use super::Streamable;
use super::handshake::Evidence;
use super::modern::{self, Discovery};
use super::turn::Turn;
use crate::{Caller, UpstreamError};

/// How long an assumption stands that was questioned and turned out to be right.
const CERTAIN: Duration = Duration::from_secs(10);

/// A way of speaking over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// 2026-07-28: every request stands for itself.
    Modern,
    /// 2025-03-26 to 2025-11-25: Streamable HTTP with a handshake.
    Legacy,
    /// 2024-11-05: HTTP+SSE.
    Sse,
}

/// What is known of one server's dialect.
pub(super) struct Known {
    era: Era,
    dialect: Mutex<Option<Dialect>>,
    /// When the server was asked again and had not changed.
    confirmed: Mutex<Option<Instant>>,
    asking: Turn<UpstreamError>,
}

impl Known {
    pub(super) fn new(era: Era) -> Self {
        let dialect = (era == Era::Modern).then_some(Dialect::Modern);
        Self { era, dialect: Mutex::new(dialect), confirmed: Mutex::default(), asking: Turn::default() }
    }

    /// The assumption has failed. Says whether the question is open again: not where the configuration answers it, nor
    /// right after the server was asked and had not changed. Some servers refuse every request in a doubtful way.
    pub(super) fn forget(&self, failed: Dialect) -> bool {
        let confirmed = *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.era == Era::Modern || confirmed.is_some_and(|at| at.elapsed() < CERTAIN) {
            return false;
        }
        self.lock().take_if(|known| *known == failed);
        true
    }

    /// The server was asked again, and the assumption was right.
    pub(super) fn confirm(&self) {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// What is known, if anything.
    pub(super) fn get(&self) -> Option<Dialect> {
        *self.lock()
    }

    fn settle(&self, dialect: Dialect) -> Dialect {
        *self.lock() = Some(dialect);
        dialect
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Dialect>> {
        self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streamable {
    /// The dialect of the server; asks the server when it is not known.
    ///
    /// # Errors
    /// The server could not be asked, or speaks nothing that is spoken here. Nothing is remembered then.
    pub(super) async fn dialect(&self, caller: Option<&Caller>) -> Result<Dialect, UpstreamError> {
        let attempt = async {
            let found = self.find_out(caller).await?;
            tracing::info!(target.name = %self.endpoint.target.name, dialect = ?found, "found out how the server is spoken to");
            Ok(self.known.settle(found))
        };
        self.known.asking.take(|| self.known.get(), attempt).await
    }

    async fn find_out(&self, caller: Option<&Caller>) -> Result<Dialect, UpstreamError> {
        if self.known.era == Era::Auto {
            match modern::discover(&self.endpoint, caller).await? {
                Discovery::Modern(facts) => {
                    self.facts.put(caller, facts.into());
                    return Ok(Dialect::Modern);
                }
                Discovery::Withheld(_) => return Ok(Dialect::Modern),
                Discovery::NotModern(_) => {}
            }
        }
        let failure = match self.sessions.get(caller).await {
            Ok(_) => return Ok(Dialect::Legacy),
            Err(failure) => failure,
        };
        if matches!(failure.evidence, Evidence::PerhapsSse | Evidence::NotFound) {
            match self.sse.facts(caller).await {
                Ok(_) => return Ok(Dialect::Sse),
                Err(UpstreamError::Unauthorized(status)) => return Err(UpstreamError::Unauthorized(status)),
                Err(error) => {
                    tracing::debug!(target.name = %self.endpoint.target.name, %error, "not HTTP+SSE either")
                }
            }
        }
        Err(match (failure.evidence, failure.error) {
            (Evidence::NotFound, UpstreamError::BrokeProtocol(why)) => {
                UpstreamError::BrokeProtocol(format!("{why}; is the path right? most servers are at `/mcp`"))
            }
            (_, error) => error,
        })
    }
}
