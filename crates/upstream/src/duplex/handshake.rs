//! Finds out which era a server speaks, introduces the gateway, and keeps what the server says about itself.
//!
//! A server that answers `server/discover` is modern. Any other answer, or none, means `initialize`: no single error code
//! is taken as proof (MCP 2026-07-28, Versioning). A slow server may answer the first question after the second was
//! asked, so both stay open until one of them has settled it.

use std::time::Duration;

use config::Era;
use mcp::code::{HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION};
use mcp::{Object, Outcome, Raw, Response, Version, object};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, NewRequest};
use super::stream::CallStream;
use super::waiter::Role;
use crate::{ServerFacts, Upkeep, UpstreamError, facts, params};

#[cfg(test)]
mod tests;

/// How long a server may be silent about `server/discover` before it is asked to `initialize` as well.
const DISCOVER_SILENCE: Duration = Duration::from_secs(3);

/// Introduces the gateway, at the latest within `limit`, and leaves the facts on the connection.
///
/// # Errors
/// The server went away, said nothing in time, refused, or speaks no revision that the gateway speaks.
pub(super) async fn shake(
    connection: &Connection,
    (era, capabilities): (Era, &Raw),
    limit: Duration,
) -> Result<(), UpstreamError> {
    let facts = match era {
        Era::Legacy => initialize(connection, capabilities, limit).await?,
        Era::Modern => modern_only(connection, limit).await?,
        Era::Auto => detect(connection, capabilities, limit).await?,
    };
    connection.set_facts(facts);
    Ok(())
}

async fn modern_only(connection: &Connection, limit: Duration) -> Result<ServerFacts, UpstreamError> {
    match verdict(&ask_discover(connection, limit).await?.answer().await?)? {
        Verdict::Modern(facts) => Ok(facts),
        Verdict::Legacy => Err(UpstreamError::BrokeProtocol(
            "it does not answer `server/discover`, and `era: modern` is configured".to_owned(),
        )),
    }
}

async fn detect(
    connection: &Connection,
    capabilities: &Raw,
    limit: Duration,
) -> Result<ServerFacts, UpstreamError> {
    let begun = Instant::now();
    let mut discover = Box::pin(ask_discover(connection, limit).await?.answer());
    let silence = DISCOVER_SILENCE.min(limit / 2);
    match timeout(silence, &mut discover).await {
        Ok(answer) => match verdict(&answer?)? {
            Verdict::Modern(facts) => Ok(facts),
            Verdict::Legacy => {
                initialize(connection, capabilities, limit.saturating_sub(begun.elapsed())).await
            }
        },
        Err(_) => {
            let mut legacy =
                Box::pin(initialize(connection, capabilities, limit.saturating_sub(begun.elapsed())));
            tokio::select! {
                // A server answers in order: what it says to the first question explains what it says to the second.
                biased;
                answer = &mut discover => match verdict(&answer?)? {
                    Verdict::Modern(facts) => Ok(facts),
                    Verdict::Legacy => legacy.await,
                },
                facts = &mut legacy => facts,
            }
        }
    }
}

async fn ask_discover(connection: &Connection, limit: Duration) -> Result<CallStream, UpstreamError> {
    // A modern ping is `server/discover`.
    let text = |id| params::prepare_upkeep(&Upkeep::Ping, None, id, Version::NEWEST);
    connection.begin(NewRequest::own(Role::Handshake, limit), text).await
}

async fn initialize(
    connection: &Connection,
    capabilities: &Raw,
    limit: Duration,
) -> Result<ServerFacts, UpstreamError> {
    let text = |id| params::request(id, "initialize", params::of_initialize(capabilities.clone(), None));
    let response = connection.begin(NewRequest::own(Role::Handshake, limit), text).await?.answer().await?;
    let facts = initialized(&response)?;
    connection.notify(params::notification("notifications/initialized", params::object([]))).await?;
    Ok(facts)
}

#[derive(Debug)]
enum Verdict {
    Modern(ServerFacts),
    Legacy,
}

/// What the answer to `server/discover` says about its server.
fn verdict(response: &Response) -> Result<Verdict, UpstreamError> {
    match &response.outcome {
        Outcome::Result(result) => Ok(facts::of_discover(result).map_or(Verdict::Legacy, Verdict::Modern)),
        Outcome::Error(error) => refused(error),
    }
}

/// An error that only a modern server makes means that it is one, and that it will not be spoken to.
fn refused(error: &Raw) -> Result<Verdict, UpstreamError> {
    let error = Object::of(error).unwrap_or_else(Object::empty);
    let code = error.get("code").and_then(|code| code.as_str().parse::<i64>().ok());
    match code {
        Some(UNSUPPORTED_VERSION) if offers_legacy(&error) => Ok(Verdict::Legacy),
        Some(UNSUPPORTED_VERSION | HEADER_MISMATCH | MISSING_CAPABILITY) => {
            Err(UpstreamError::BrokeProtocol(format!("it refused `server/discover`: {}", message(&error))))
        }
        _ => Ok(Verdict::Legacy),
    }
}

fn offers_legacy(error: &Object) -> bool {
    let supported = error.object("data").and_then(|data| data.get("supported"));
    let versions = supported.map(|versions| object::elements(&versions)).unwrap_or_default();
    versions.iter().any(|version| {
        let version = version.to_text().and_then(|text| Version::parse(&text));
        version.is_some_and(|version| version.era() == mcp::Era::Legacy)
    })
}

/// What the answer to `initialize` says about its server.
fn initialized(response: &Response) -> Result<ServerFacts, UpstreamError> {
    match &response.outcome {
        Outcome::Result(result) => facts::of_initialize(result),
        Outcome::Error(error) => {
            let error = Object::of(error).unwrap_or_else(Object::empty);
            Err(UpstreamError::BrokeProtocol(format!("it refused `initialize`: {}", message(&error))))
        }
    }
}

/// The server's own sentence, cut to what fits a log line.
fn message(error: &Object) -> String {
    error.string("message").unwrap_or_default().chars().take(200).collect()
}
