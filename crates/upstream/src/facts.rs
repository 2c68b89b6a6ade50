//! What a server says about itself, read from `initialize` or `server/discover`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use identity::PrincipalKey;
use mcp::{Object, Raw, Version, meta, object};
use tokio::time::Instant;

use crate::{Caller, ServerFacts, UpstreamError};

/// Callers whose view of one server is remembered at a time.
const REMEMBERED_MAX: usize = 1024;
/// Bytes of what a server says about itself; it is kept for as long as the server is used.
const BYTES_MAX: usize = 256 * 1024;

/// Reads the result of `initialize`.
///
/// # Errors
/// It is not such a result, or the server chose a version that is not spoken here.
pub(crate) fn of_initialize(result: &Raw) -> Result<ServerFacts, UpstreamError> {
    if result.as_bytes().len() > BYTES_MAX {
        return Err(broke("it says more about itself than the gateway keeps"));
    }
    let result = Object::of(result).ok_or_else(|| broke("its `initialize` result is not an object"))?;
    let version = result.string("protocolVersion").ok_or_else(|| broke("it named no protocol version"))?;
    let version = Version::parse(&version)
        .ok_or_else(|| broke("it chose a protocol version that the gateway does not speak"))?;
    let info = result.get("serverInfo").filter(Raw::is_object).map(|info| info.detached());
    Ok(ServerFacts {
        version,
        capabilities: capabilities(&result),
        info,
        instructions: result.string("instructions"),
    })
}

/// Reads the result of `server/discover`; `None` when it is none, or names no modern version that is spoken here.
pub(crate) fn of_discover(result: &Raw) -> Option<ServerFacts> {
    let result = Object::of(result).filter(|result| result.text().as_bytes().len() <= BYTES_MAX)?;
    let versions = object::elements(&result.get("supportedVersions")?);
    let spoken = |text: &Raw| text.to_text().as_deref() == Some(Version::NEWEST.as_str());
    if !versions.iter().any(spoken) {
        return None;
    }
    let info = result.object("_meta").and_then(|meta| meta.get(meta::SERVER_INFO));
    let info = info.or_else(|| result.get("serverInfo")).filter(Raw::is_object).map(|info| info.detached());
    let instructions = result.string("instructions");
    Some(ServerFacts { version: Version::NEWEST, capabilities: capabilities(&result), info, instructions })
}

/// Whether the server declared `capability`, and in it the flag `flag`.
pub(crate) fn declares(facts: &ServerFacts, capability: &str, flag: &str) -> bool {
    let capabilities = Object::of(&facts.capabilities).unwrap_or_else(Object::empty);
    capabilities
        .object(capability)
        .and_then(|declared| declared.get(flag))
        .is_some_and(|flag| flag.as_bytes() == b"true")
}

/// Whether the server declared `capability` at all.
pub(crate) fn has(facts: &ServerFacts, capability: &str) -> bool {
    Object::of(&facts.capabilities).is_some_and(|capabilities| capabilities.get(capability).is_some())
}

fn capabilities(result: &Object) -> Raw {
    result.object("capabilities").unwrap_or_else(Object::empty).text().detached()
}

fn broke(what: &str) -> UpstreamError {
    UpstreamError::BrokeProtocol(what.to_owned())
}

/// The facts of one target, per view: one for all where the gateway shows everyone's requests the same credential.
pub(crate) struct FactsCache {
    views: Mutex<HashMap<Option<PrincipalKey>, View>>,
    fresh_for: Duration,
    per_caller: PerCaller,
}

/// What one caller was told, or all of them.
struct View {
    learned: Instant,
    facts: Arc<ServerFacts>,
}

/// Whether the server can tell one caller from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PerCaller {
    /// It sees who calls, and may answer each differently.
    Yes,
    /// Every request carries the same credential.
    No,
}

impl FactsCache {
    /// Nothing known yet; what will be known counts for `fresh_for`.
    pub(crate) fn new(outbound: &config::Outbound, fresh_for: Duration) -> Self {
        let per_caller = match outbound {
            config::Outbound::Assertion { .. } => PerCaller::Yes,
            config::Outbound::None | config::Outbound::Headers(_) => PerCaller::No,
        };
        Self { views: Mutex::default(), fresh_for, per_caller }
    }

    /// What is known from `caller`'s point of view.
    pub(crate) fn get(&self, caller: Option<&Caller>) -> Option<Arc<ServerFacts>> {
        let views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let view = views.get(&self.key(caller))?;
        (view.learned.elapsed() < self.fresh_for).then(|| view.facts.clone())
    }

    /// Remembers what `caller` was told.
    pub(crate) fn put(&self, caller: Option<&Caller>, facts: Arc<ServerFacts>) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.key(caller);
        if views.len() >= REMEMBERED_MAX && !views.contains_key(&key) {
            views.retain(|_, view| view.learned.elapsed() < self.fresh_for);
            if views.len() >= REMEMBERED_MAX {
                views.clear();
            }
        }
        views.insert(key, View { learned: Instant::now(), facts });
    }

    fn key(&self, caller: Option<&Caller>) -> Option<PrincipalKey> {
        match self.per_caller {
            PerCaller::Yes => caller.map(|caller| caller.principal.key()),
            PerCaller::No => None,
        }
    }
}
