//! One gateway at work: its configuration and everything a request through it needs.

use std::collections::HashMap;
use std::sync::Arc;

use catalogue::{Catalogue, Pager};
use config::Gateway;
use exchange::task::TaskIds;
use exchange::{Bounds, Desk, DeskBounds, Quota, ResumeBounds, Session, Sessions, StreamBounds};
use identity::{Authenticator, Principal, PrincipalKey, Resource};
use net::{Drain, HostPolicy};
use policy::Engine;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;
use upstream::{InboxBounds, Upstream};

use crate::sse::Streams;

/// One gateway at work. Immutable; a reload makes another.
pub struct Site {
    /// As configured.
    pub config: Gateway,
    /// The gateway as an OAuth resource.
    pub resource: Resource,
    /// The same under `/mcp`, where it is the only gateway: a client must find the URL it uses in the metadata.
    pub alias: Option<Resource>,
    /// Which hosts and origins it serves.
    pub hosts: HostPolicy,
    /// Who may come in.
    pub authenticator: Authenticator,
    /// Who may do what.
    pub policy: Engine,
    /// What there is.
    pub catalogue: Catalogue,
    /// Keeps the catalogue fresh for as long as a site uses it.
    pub upkeep: Arc<DropGuard>,
    /// Makes its pages.
    pub pager: Pager,
    /// The targets, by name.
    pub targets: HashMap<Arc<str>, LiveTarget>,
    /// Legacy clients; `None` where sessions are off.
    pub sessions: Option<Sessions>,
    /// Where calls wait for people.
    pub desk: Desk,
    /// The ids that clients have for tasks.
    pub tasks: TaskIds,
    /// The open streams of HTTP+SSE clients.
    pub streams: Streams,
    /// How many resources and tasks each principal is subscribed to.
    pub subscriptions: Quota,
    /// Says when to finish what is open.
    pub drain: Drain,
    /// The gateway's name, shared.
    pub name: Arc<str>,
    /// Bounds on what clients send.
    pub limits: config::Limits,
}

impl Site {
    /// The bounds on a gateway's sessions.
    #[must_use]
    pub fn session_bounds(config: &Gateway, limits: &config::Limits) -> Option<Bounds> {
        let sessions = config.sessions?;
        // Without authentication everyone is one principal, whose bound would be everyone's.
        let (per_principal, resume_bytes_of_one) = match config.inbound {
            config::Inbound::None => (limits.sessions, limits.resume_bytes_total),
            config::Inbound::Jwt(_) => (limits.sessions_per_principal, limits.resume_bytes_per_principal),
        };
        let resume = ResumeBounds {
            per_session: limits.resume_bytes,
            per_principal: resume_bytes_of_one,
            total: limits.resume_bytes_total,
        };
        let streams = StreamBounds { resume, inbox: inbox_bounds(limits) };
        Some(Bounds {
            timeout: sessions.timeout,
            idle: sessions.idle,
            total: limits.sessions,
            per_principal,
            questions: limits.questions_open,
            streams,
        })
    }

    /// Whose share of what is bounded per principal a caller uses; nobody's, where everyone is the same nobody.
    #[must_use]
    pub fn share_of(&self, principal: &Principal) -> Option<PrincipalKey> {
        match self.config.inbound {
            config::Inbound::None => None,
            config::Inbound::Jwt(_) => Some(principal.key()),
        }
    }

    /// Whether sessions have a stream of their own.
    #[must_use]
    pub fn has_streams(&self) -> bool {
        self.sessions.is_some() && self.config.streaming == config::Streaming::On
    }

    /// The bounds on calls that wait for people.
    #[must_use]
    pub fn desk_bounds(config: &Gateway, limits: &config::Limits) -> DeskBounds {
        // Without authentication everyone is one principal, whose bound would be everyone's.
        let (per_principal, bytes_per_principal) = match config.inbound {
            config::Inbound::None => (limits.parks, limits.park_bytes),
            config::Inbound::Jwt(_) => (limits.parks_per_principal, limits.park_bytes_per_principal),
        };
        DeskBounds {
            patience: limits.question_timeout,
            parks: limits.parks,
            per_principal,
            bytes: limits.park_bytes,
            bytes_per_principal,
        }
    }

    /// The resource a request under this spelling of the path is for.
    #[must_use]
    pub fn resource(&self, spelling: Spelling) -> &Resource {
        match (&self.alias, spelling) {
            (Some(alias), Spelling::Alias) => alias,
            _ => &self.resource,
        }
    }

    /// The HTTP methods of the Streamable HTTP endpoint.
    #[must_use]
    pub fn methods(&self) -> &'static str {
        match (&self.sessions, self.has_streams()) {
            (None, _) => "POST",
            (Some(_), false) => "POST, DELETE",
            (Some(_), true) => "GET, POST, DELETE",
        }
    }

    /// Ends what hangs on a session that is over: the upstream sessions and children it had to itself.
    pub fn release(&self, session: &Session) {
        for target in self.targets.values() {
            let (upstream, key) = (target.upstream.clone(), session.key());
            tokio::spawn(async move { upstream.end_session(key).await });
        }
    }

    /// The revisions with a handshake that the gateway speaks, oldest first.
    pub fn legacy_versions(&self) -> impl DoubleEndedIterator<Item = mcp::Version> {
        self.config.versions.iter().copied().filter(|version| version.era() == mcp::Era::Legacy)
    }
}

/// What may wait for one client.
pub(crate) fn inbox_bounds(limits: &config::Limits) -> InboxBounds {
    InboxBounds { notices: limits.notifications, bytes: limits.notification_bytes }
}

/// A target, and the calls that use it. Outlives the sites that share it.
#[derive(Clone, Debug)]
pub struct LiveTarget {
    /// The handle.
    pub upstream: Upstream,
    /// Calls in progress. The target is not shut down under them.
    pub calls: TaskTracker,
}

/// Under which of its paths a gateway was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `/{name}/…`.
    Named,
    /// `/mcp`.
    Alias,
}
