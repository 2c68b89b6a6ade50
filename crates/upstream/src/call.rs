//! What is asked of a target: a client's operation, or the gateway's own upkeep.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use identity::{Principal, PrincipalKey};
use mcp::{Era, Kind, Method, Object, Raw};

use crate::abilities::{limited, own, withheld};
use crate::{Abilities, Inbox};

/// For whom a target is asked, and what their client said about itself.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who calls.
    pub principal: Arc<Principal>,
    /// The client's legacy session, when there is one. Upstream sessions hang on it.
    pub session: Option<SessionKey>,
    /// How the client speaks.
    pub era: Era,
    /// The client's `capabilities`, as it declared them; never more.
    pub capabilities: Raw,
    /// What of them it can be asked in the middle of a call: [`Abilities::of`] them.
    pub abilities: Abilities,
    /// The client's `clientInfo`.
    pub info: Option<Raw>,
}

/// A client session, by a number that is never used twice in one process. Not the session id, which is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey(pub u64);

/// Whose upstream session (or child process) a request uses. Two callers with different affinities never share one. Clients
/// of equal [`Abilities`] have it in common: a legacy server is told once what they can be asked (MCP 2025-11-25, Lifecycle).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Affinity {
    /// One client session's own. Its calls can be asked the same, unless some of them take no stream.
    Session(PrincipalKey, SessionKey, Abilities),
    /// One principal's, across calls.
    Principal(PrincipalKey, Abilities),
    /// The gateway's own (upkeep), and a stdio child that is shared because the operator wrote so.
    Gateway,
}

/// A client's operation. Its name or URI and its target stand in the [`policy::Permit`] that goes with it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The parameters as the client wrote them. The driver replaces the name and the hop keys of `_meta`.
    pub params: Object,
    /// The client's progress token.
    pub progress: Option<ProgressToken>,
    /// Which log messages the client wants during the call.
    pub logs: Logs,
    /// `Mcp-Param-*` headers for a modern server: name and encoded value.
    pub param_headers: Vec<(String, String)>,
    /// The session with a legacy server that it has to be asked in, where only that one will do. While others of the same
    /// principal are open, it is found whichever client session they hang on.
    pub within: Option<Mark>,
    /// Where to put what a legacy server says on its session's own stream (MCP 2025-11-25, Streamable HTTP), for as long as
    /// the session lasts. Some servers log there during calls.
    pub inbox: Option<Inbox>,
}

/// Names one session or connection with a server, for as long as it is open. Random, so that no two have the same, in this
/// process or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark(pub u64);

/// A client's progress token, as it wrote it. A client that asks again for a call in progress may have another one then;
/// clones share it.
#[derive(Clone, Debug)]
pub struct ProgressToken(Arc<Mutex<Option<Raw>>>);

impl ProgressToken {
    /// The token of a request.
    #[must_use]
    pub fn new(token: Raw) -> Self {
        Self(Arc::new(Mutex::new(Some(token))))
    }

    /// The token now; `None`: nobody wants progress any more.
    #[must_use]
    pub fn get(&self) -> Option<Raw> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another token from now on, or none.
    pub fn set(&self, token: Option<Raw>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

/// Which log messages a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// None: a modern client that named no level.
    Off,
    /// Whatever the server sends: a legacy client that never set a level.
    ServersChoice,
    /// This level and above.
    From(Level),
}

/// Severity of a log message (RFC 5424).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `debug`.
    Debug,
    /// `info`.
    Info,
    /// `notice`.
    Notice,
    /// `warning`.
    Warning,
    /// `error`.
    Error,
    /// `critical`.
    Critical,
    /// `alert`.
    Alert,
    /// `emergency`.
    Emergency,
}

/// The gateway's own business with a target. Cannot carry a call, a read, a prompt or a completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// One page of a list.
    List {
        /// Of what.
        kind: Kind,
        /// Where the page starts; as the server wrote it.
        cursor: Option<String>,
    },
    /// Is anyone there?
    Ping,
}

/// What a server said about itself.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// How the server is spoken to.
    pub version: mcp::Version,
    /// Its `capabilities`.
    pub capabilities: Raw,
    /// Its `serverInfo`.
    pub info: Option<Raw>,
    /// Its `instructions`.
    pub instructions: Option<String>,
}

impl Mark {
    /// A mark that nothing has yet.
    pub(crate) fn new() -> Self {
        Self(u64::from_be_bytes(seal::random_bytes()))
    }
}

impl Level {
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("notice", Self::Notice),
        ("warning", Self::Warning),
        ("error", Self::Error),
        ("critical", Self::Critical),
        ("alert", Self::Alert),
        ("emergency", Self::Emergency),
    ];

    /// The level called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(text, _)| *text == name).map(|(_, level)| level)
    }

    /// The level's name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, level)| *level == self).map_or("debug", |(text, _)| text)
    }
}

impl Caller {
    /// Whose upstream session this caller uses.
    #[must_use]
    pub fn affinity(&self) -> Affinity {
        let (key, abilities) = (self.principal.key(), self.abilities);
        match self.session {
            Some(session) => Affinity::Session(key, session, abilities),
            None => Affinity::Principal(key, abilities),
        }
    }

    /// What `target` may ask of this caller's client, or of the gateway in its place.
    pub(crate) fn abilities_at(&self, target: &config::Target) -> Abilities {
        self.abilities.without(withheld(target)).with(own(target))
    }

    /// The same caller, able only of what `target` may ask of its clients.
    pub(crate) fn at(&self, target: &config::Target) -> Cow<'_, Self> {
        let allowed = self.abilities_at(target);
        if allowed == self.abilities {
            return Cow::Borrowed(self);
        }
        let capabilities = limited(&self.capabilities, self.abilities, allowed);
        Cow::Owned(Self { capabilities, abilities: allowed, ..self.clone() })
    }
}
