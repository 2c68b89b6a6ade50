//! How a connection with one target comes about: a child process, or an HTTP+SSE stream.

use std::sync::Arc;
use std::time::Duration;

use config::{Era, Isolation};
use mcp::Raw;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::era::EraMemory;
use super::handshake::shake;
use super::link::{Link, Tally};
use super::slot::not_ready;
use super::sse;
use super::stdio::{self, LastLine, Program};
use super::table::{Table, Users};
use crate::{Abilities, Affinity, Caller, UpstreamError, params};

/// An HTTP+SSE connection that belongs to no client session and that nobody used for this long is ended.
const SSE_IDLE: Duration = Duration::from_secs(10 * 60);

/// What it takes to open a connection.
pub(super) enum Opener {
    /// Starts a child process.
    Stdio { program: Program, era: EraMemory, places: Arc<Semaphore> },
    /// Opens an event stream.
    Sse(sse::Server),
}

impl Opener {
    pub(super) fn stdio(program: Program) -> Self {
        let places = program.stdio.instances_max.min(Semaphore::MAX_PERMITS);
        Self::Stdio {
            era: EraMemory::new(program.stdio.era),
            places: Arc::new(Semaphore::new(places)),
            program,
        }
    }

    /// The target's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Stdio { program, .. } => &program.server,
            Self::Sse(server) => server.name(),
        }
    }

    /// Whose connection a caller uses.
    pub(super) fn affinity(&self, caller: Option<&Caller>) -> Affinity {
        match (self, caller) {
            (_, None) => Affinity::Gateway,
            (Self::Sse(_), Some(caller)) => caller.affinity(),
            (Self::Stdio { program, .. }, Some(caller)) => match program.stdio.isolation {
                Isolation::Principal => Affinity::Principal(caller.principal.key(), caller.abilities),
                Isolation::Session => caller.affinity(),
                Isolation::Shared => Affinity::Gateway,
            },
        }
    }

    /// How long a connection may be unused; `None`: as long as its client session lasts.
    pub(super) fn idle(&self, affinity: Affinity) -> Option<Duration> {
        match (self, affinity) {
            (Self::Stdio { program, .. }, _) => Some(program.stdio.idle),
            (Self::Sse(_), Affinity::Session(..)) => None,
            (Self::Sse(_), _) => Some(SSE_IDLE),
        }
    }

    /// Connections that callers may have at a time, and the name of that bound. The gateway's own comes on top, so that it
    /// keeps no user out.
    pub(super) fn connections_max(&self) -> (usize, &'static str) {
        match self {
            Self::Stdio { program, .. } => (program.stdio.instances_max, "instances_max"),
            Self::Sse(server) => (server.connections_max(), "limits.sessions"),
        }
    }

    /// Opens a connection and shakes hands on it, within `limit`.
    ///
    /// # Errors
    /// There is none to be had; no client's request was sent.
    pub(super) async fn open(
        &self,
        affinity: Affinity,
        caller: Option<&Caller>,
        (limit, roots): (Duration, Option<Raw>),
        attempt: Attempt,
        (tally, tasks): (&Arc<Tally>, &TaskTracker),
    ) -> Result<Connection, UpstreamError> {
        let deadline = Instant::now() + limit;
        let own = if roots.is_some() { Abilities::ROOTS } else { Abilities::NONE };
        let users = if affinity == Affinity::Gateway { Users::All } else { Users::One };
        let about = About { capabilities: params::capabilities(caller, affinity, own), roots, users };
        match self {
            Self::Sse(server) => {
                let principal = caller.map(|caller| caller.principal.clone());
                let link = server.open(principal, deadline, (tally, tasks)).await?;
                introduce(link, (Era::Legacy, &about), deadline, tally).await
            }
            Self::Stdio { program, era, places } => {
                attempt.announce(program);
                let start = async |era| {
                    let place = place(places, affinity, deadline).await?;
                    let (link, printed) = stdio::spawn(program, place, tasks)?;
                    let opened = introduce(link, (era, &about), deadline, tally).await;
                    opened.map_err(|error| silent(error, limit, &printed))
                };
                let assumed = era.assumed();
                let opened = match start(assumed).await {
                    // Some servers end on a request that they do not expect before `initialize`.
                    Err(UpstreamError::Lost(_)) if assumed == Era::Auto => start(Era::Legacy).await,
                    opened => opened,
                };
                era.note(opened.as_ref().ok().map(|connection| connection.version().era()));
                opened
            }
        }
    }
}

/// Whether a connection is opened in a series of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is not.
    First,
    /// It is.
    Again,
}

impl Attempt {
    /// Whoever looks after the gateway reads of the first one; of those after it they would read all day.
    fn announce(self, program: &Program) {
        let (name, command) = (&*program.server, &program.stdio.command);
        match self {
            Self::First => tracing::info!(target.name = name, command, "starting a child process"),
            Self::Again => tracing::debug!(target.name = name, command, "starting a child process again"),
        }
    }
}

/// What a server is told of its clients, and can learn without them.
struct About {
    capabilities: Raw,
    /// The result of `roots/list`.
    roots: Option<Raw>,
    users: Users,
}

async fn introduce(
    link: Link,
    (era, about): (Era, &About),
    deadline: Instant,
    tally: &Arc<Tally>,
) -> Result<Connection, UpstreamError> {
    let table = Table::new(tally.clone(), about.roots.clone(), about.users);
    let connection = Connection::start(link, table);
    match shake(&connection, (era, &about.capabilities), deadline.saturating_duration_since(Instant::now()))
        .await
    {
        Ok(()) => Ok(connection),
        Err(error) => {
            connection.retire();
            Err(error)
        }
    }
}

/// What is said of a child that did not get ready in time: what it printed usually says why.
fn silent(error: UpstreamError, limit: Duration, printed: &LastLine) -> UpstreamError {
    if !matches!(error, UpstreamError::Timeout(_)) {
        return error;
    }
    let printed = printed.quoted().unwrap_or_else(|| {
        "; it printed nothing; it does not inherit proxy or CA variables, name them in `env`".to_owned()
    });
    UpstreamError::Unreachable(format!("{}{printed}", not_ready(limit)))
}

/// A place for one more child. There is one, unless a child that was there before is still being ended.
async fn place(
    places: &Arc<Semaphore>,
    affinity: Affinity,
    deadline: Instant,
) -> Result<Option<OwnedSemaphorePermit>, UpstreamError> {
    if affinity == Affinity::Gateway {
        return Ok(None);
    }
    match timeout_at(deadline, places.clone().acquire_owned()).await {
        Ok(Ok(place)) => Ok(Some(place)),
        _ => Err(UpstreamError::Busy("the instance before it is still being stopped".to_owned())),
    }
}
