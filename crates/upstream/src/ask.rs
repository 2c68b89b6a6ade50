//! One question to a server, in the form that every driver takes: a client's operation or the gateway's upkeep.
//!
//! Says the same thing in either era's words. Decides nothing about when and where it is sent.

use identity::Principal;
use mcp::{Era, Method, Payload, Raw, TaskMethod, Version};
use policy::{Action, Permit};

use crate::relay::{Asks, Relay};
use crate::{Abilities, Call, Caller, Inbox, Logs, Mark, Upkeep, UpstreamError, params};

const EVERYTHING: Abilities = Abilities::FORM
    .with(Abilities::URL)
    .with(Abilities::SAMPLING)
    .with(Abilities::TOOLS)
    .with(Abilities::ROOTS);

/// A client's operation with its permit, or the gateway's own upkeep.
#[derive(Clone, Copy)]
pub(crate) enum Ask<'a> {
    /// A client's operation.
    Call {
        /// Names target and item.
        permit: &'a Permit,
        /// For whom, as the target may see them.
        caller: &'a Caller,
        /// What it is not their client's fault that it cannot be asked.
        declared: Abilities,
        /// What.
        call: &'a Call,
    },
    /// The gateway's own business.
    Upkeep {
        /// Whose identity it is asked under; the gateway's own when `None`.
        caller: Option<&'a Caller>,
        /// What.
        upkeep: &'a Upkeep,
    },
}

impl<'a> Ask<'a> {
    /// A client's operation.
    ///
    /// # Errors
    /// The permit was given to somebody else or for something else, so nothing may be sent.
    pub(crate) fn call(
        permit: &'a Permit,
        caller: &'a Caller,
        declared: Abilities,
        call: &'a Call,
    ) -> Result<Self, UpstreamError> {
        let covered = match (&permit.operation().action, &call.method) {
            (Action::CallTool, Method::CallTool)
            | (Action::GetPrompt, Method::GetPrompt | Method::Complete)
            | (Action::ReadResource, Method::ReadResource | Method::Complete) => true,
            (Action::Task(_), Method::Task(_)) => true,
            (Action::Extension(allowed), Method::Other(name)) => allowed == name,
            _ => false,
        };
        if covered && permit.principal() == caller.principal.key() {
            return Ok(Self::Call { permit, caller, declared, call });
        }
        Err(UpstreamError::NoCredential(
            "the permit does not cover this operation of this principal".to_owned(),
        ))
    }

    /// Whose identity it is asked under.
    pub(crate) fn caller(&self) -> Option<&'a Caller> {
        match *self {
            Self::Call { caller, .. } => Some(caller),
            Self::Upkeep { caller, .. } => caller,
        }
    }

    /// Whose credential goes with it.
    pub(crate) fn principal(&self) -> Option<&'a Principal> {
        self.caller().map(|caller| &*caller.principal)
    }

    /// The method, as a server of `era` calls it. A modern server has no `ping`; it is asked to introduce itself.
    pub(crate) fn method(&self, era: Era) -> Method {
        match self {
            Self::Call { call, .. } => call.method.clone(),
            Self::Upkeep { upkeep: Upkeep::List { kind, .. }, .. } => Method::List(*kind),
            Self::Upkeep { upkeep: Upkeep::Ping, .. } if era == Era::Modern => Method::Discover,
            Self::Upkeep { upkeep: Upkeep::Ping, .. } => Method::Ping,
        }
    }

    /// In which session it has to be asked, where only that one will do.
    pub(crate) fn within(&self) -> Option<Mark> {
        match self {
            Self::Call { call, .. } => call.within,
            Self::Upkeep { .. } => None,
        }
    }

    /// The name, URI or task that a modern request repeats in `Mcp-Name`.
    pub(crate) fn named(&self) -> Option<&'a str> {
        match *self {
            Self::Call { permit, call, .. } => {
                let names = call.method.name_param().is_some() || matches!(call.method, Method::Task(_));
                names.then(|| params::subject(permit))
            }
            Self::Upkeep { .. } => None,
        }
    }

    /// `Mcp-Param-*` headers for a modern server.
    pub(crate) fn param_headers(&self) -> &'a [(String, String)] {
        match *self {
            Self::Call { call, .. } => &call.param_headers,
            Self::Upkeep { .. } => &[],
        }
    }

    /// Which log messages are wanted meanwhile.
    pub(crate) fn logs(&self) -> Logs {
        match self {
            Self::Call { call, .. } => call.logs,
            Self::Upkeep { .. } => Logs::Off,
        }
    }

    /// Where to put what is said outside the call.
    pub(crate) fn inbox(&self) -> Option<&'a Inbox> {
        match *self {
            Self::Call { call, .. } => call.inbox.as_ref(),
            Self::Upkeep { .. } => None,
        }
    }

    /// Whether a server that is asked twice does no more than one that is asked once.
    pub(crate) fn is_idempotent(&self) -> bool {
        match self {
            Self::Call { call, .. } => call.method.is_idempotent(),
            Self::Upkeep { .. } => true,
        }
    }

    /// Whether only the fact of an answer matters, which then has to come soon.
    pub(crate) fn is_probe(&self) -> bool {
        matches!(self, Self::Upkeep { upkeep: Upkeep::Ping, .. })
    }

    /// What decides about the messages that come back.
    pub(crate) fn relay(&self, id: u64, asks: Asks) -> Relay {
        match self {
            Self::Call { call, .. } => Relay { id, progress: call.progress.clone(), logs: call.logs, asks },
            Self::Upkeep { .. } => Relay { id, progress: None, logs: Logs::Off, asks },
        }
    }

    /// What a legacy server may ask meanwhile, at most `most` times; `roots` is what it learns without its client.
    pub(crate) fn asks(&self, roots: Option<Raw>, most: usize) -> Asks {
        let (may, missing) = match *self {
            // Whoever speaks the modern way can be asked in the course of three methods only (MCP 2026-07-28, Multi
            // round-trip requests). Of these a call of a tool may be waited for as a task.
            Self::Call { caller, declared, call, .. } if caller.era == Era::Modern => {
                let waits = call.method == Method::Task(TaskMethod::Result);
                if waits || call.method.name_param().is_some() {
                    (caller.abilities, EVERYTHING.without(declared))
                } else {
                    (Abilities::NONE, Abilities::NONE)
                }
            }
            Self::Call { caller, .. } => (caller.abilities, Abilities::NONE),
            Self::Upkeep { .. } => (Abilities::NONE, Abilities::NONE),
        };
        Asks { may, missing, roots, most }
    }

    /// Whether the client brings answers to questions, which a legacy server takes another way.
    pub(crate) fn brings_answers(&self) -> bool {
        match self {
            Self::Call { caller, call, .. } => {
                let has = |key| call.params.get(key).is_some();
                caller.era == Era::Modern
                    && call.method.name_param().is_some()
                    && (has("inputResponses") || has("requestState"))
            }
            Self::Upkeep { .. } => false,
        }
    }

    /// The whole request, as a server that speaks `version` is to read it.
    pub(crate) fn request(&self, version: Version, id: u64) -> Payload {
        match *self {
            Self::Call { permit, caller, call, .. } => params::prepare(call, permit, id, caller, version),
            Self::Upkeep { caller, upkeep } => params::prepare_upkeep(upkeep, caller, id, version),
        }
    }
}
