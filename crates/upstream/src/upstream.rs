//! One live target: the handle that the other rooms hold.

use std::sync::Arc;

use config::{Outbound, Transport};
use mcp::{Era, Method, Object, Raw, Response, TaskMethod};
use policy::Permit;
use tokio_util::sync::CancellationToken;

use crate::abilities;
use crate::ask::Ask;
use crate::board::Board;
use crate::duplex::Connections;
use crate::hub::Hub;
use crate::streamable::{Streamable, settled};
use crate::{Abilities, Affinity, Call, Caller, Reply, ServerFacts, SessionKey, Upkeep, UpstreamError};

/// What every target of a process shares.
#[derive(Clone)]
pub struct Deps {
    /// Opens every connection; under the rules for URLs that the operator wrote.
    pub client: net::Client,
    /// Knows the credential for each caller and target.
    pub broker: Arc<broker::Broker>,
    /// When credentials end.
    pub clock: clock::Clock,
    /// Bounds on what servers send, and on sessions with one server (`limits.sessions`).
    pub limits: config::Limits,
    /// Ends feeds and whatever else runs in the background.
    pub shutdown: CancellationToken,
}

/// A cloneable handle for one live target. Opens nothing until it is asked something. All clones share sessions,
/// children and what is known of the server.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    gateway: String,
    target: config::Target,
    driver: Driver,
    hub: Hub,
    clock: clock::Clock,
}

/// How the target is reached.
enum Driver {
    Url(Box<Streamable>),
    Child(Connections),
}

impl Upstream {
    /// A handle for `target` of the gateway called `gateway`.
    #[must_use]
    pub fn new(gateway: &str, target: config::Target, deps: Deps) -> Self {
        let hub = Hub::new(&target.name, &deps.shutdown);
        let clock = deps.clock.clone();
        let driver = match &target.transport {
            Transport::Http { url, era } => {
                let sse = Connections::sse(&target, url, &deps);
                Driver::Url(Box::new(Streamable::new(&target, url, *era, &deps, sse)))
            }
            Transport::Stdio(stdio) => {
                Driver::Child(Connections::stdio(&target, stdio, &deps.limits, &deps.shutdown))
            }
        };
        Self(Arc::new(Inner { gateway: gateway.to_owned(), target, driver, hub, clock }))
    }

    /// The target as configured.
    #[must_use]
    pub fn target(&self) -> &config::Target {
        &self.0.target
    }

    /// The target's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.target.name
    }

    /// Whether the server is known to speak no revision but legacy ones, as far as it was asked by now.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        match &self.0.driver {
            Driver::Url(driver) => driver.is_legacy(),
            Driver::Child(_) => false,
        }
    }

    /// Whether `other` is a handle for the same live target.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Runs one client operation. Name or URI come from the permit; request id, progress token and the hop keys of `_meta`
    /// are the gateway's own. Resolves when the answer is there, or when it has begun to stream. Dropped before that, it
    /// cancels the call at the server.
    ///
    /// # Errors
    /// There is no answer; [`UpstreamError::nothing_sent`] says whether the server can have seen the call. A permit that
    /// was given for something else, or to somebody else, is [`UpstreamError::NoCredential`]. An error that the server
    /// answers with is no error here.
    pub async fn dispatch(
        &self,
        permit: &Permit,
        caller: &Caller,
        call: Call,
    ) -> Result<Reply, UpstreamError> {
        let operation = permit.operation();
        if *operation.target != *self.name() || *operation.gateway != *self.0.gateway {
            return Err(UpstreamError::NoCredential("the permit is for another target".to_owned()));
        }
        // A call may have waited for a person, or for a task, longer than its caller is who they were. What ends a task is
        // no new request of theirs.
        if call.method != Method::Task(TaskMethod::Cancel) && caller.principal.is_over(self.0.clock.now()) {
            return Err(UpstreamError::Ended);
        }
        let fitting = caller.at(&self.0.target);
        let ask = Ask::call(permit, &fitting, self.offered(caller), &call)?;
        self.ask(ask).await
    }

    /// What the target is told of roots without its client: the result of `roots/list`.
    #[must_use]
    pub fn roots(&self) -> Option<Raw> {
        abilities::roots(&self.0.target)
    }

    /// What it is not `caller`'s client's fault that the target cannot ask: what was declared, and what nobody may be asked.
    #[must_use]
    pub fn offered(&self, caller: &Caller) -> Abilities {
        caller.abilities.with(abilities::withheld(&self.0.target))
    }

    /// What the target may ask of `caller`'s client in the middle of a call.
    #[must_use]
    pub fn abilities(&self, caller: &Caller) -> Abilities {
        caller.abilities_at(&self.0.target)
    }

    /// Asks something on the gateway's own account; `caller` lends the identity that a dynamic listing needs.
    ///
    /// # Errors
    /// There is no answer. An error that the server answers with is no error here.
    pub async fn upkeep(&self, caller: Option<&Caller>, upkeep: Upkeep) -> Result<Response, UpstreamError> {
        let fitting = caller.map(|caller| caller.at(&self.0.target));
        let ask = Ask::Upkeep { caller: fitting.as_deref(), upkeep: &upkeep };
        settled(self.ask(ask).await?.last().await?)
    }

    /// What the server said about itself; connects if needed. Cached: for `target.refresh`, or until it is connected to
    /// anew, and per principal where the server sees who calls.
    ///
    /// # Errors
    /// The server cannot be reached, or speaks nothing that the gateway speaks.
    pub async fn facts(&self, caller: Option<&Caller>) -> Result<Arc<ServerFacts>, UpstreamError> {
        let fitting = caller.map(|caller| caller.at(&self.0.target));
        let caller = fitting.as_deref();
        match &self.0.driver {
            Driver::Url(driver) => driver.facts(caller).await,
            Driver::Child(driver) => driver.facts(caller).await,
        }
    }

    /// A client session ended: ends the upstream sessions and children that hang on it.
    pub async fn end_session(&self, key: SessionKey) {
        match &self.0.driver {
            Driver::Url(driver) => driver.end_session(key).await,
            Driver::Child(driver) => driver.end_session(key),
        }
    }

    /// Ends every upstream session and child. Calls in progress are lost.
    pub async fn shutdown(&self) {
        self.0.hub.close();
        match &self.0.driver {
            Driver::Url(driver) => driver.shutdown().await,
            Driver::Child(driver) => driver.shutdown().await,
        }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Which feed tells this caller of changes, and under whom it is opened. A child tells of its own state, so its feed is
    /// that of the child which the caller's calls go to. Where the server does not see who calls, one feed serves everyone.
    pub(crate) fn feed_of(&self, caller: &Caller) -> (Affinity, Option<Caller>) {
        match (&self.0.driver, &self.0.target.outbound) {
            (Driver::Child(driver), _) => {
                let caller = caller.at(&self.0.target).into_owned();
                let affinity = driver.affinity(&caller);
                (affinity, (affinity != Affinity::Gateway).then_some(caller))
            }
            (Driver::Url(_), Outbound::Assertion { .. }) => {
                let caller = anyone_of(caller);
                (caller.affinity(), Some(caller))
            }
            (Driver::Url(_), _) => (Affinity::Gateway, None),
        }
    }

    /// Tends one feed until nobody wants anything of it.
    pub(crate) async fn tend(&self, caller: Option<&Caller>, board: &Board) {
        match &self.0.driver {
            Driver::Url(driver) => driver.tend(caller, board).await,
            Driver::Child(driver) => driver.tend(caller, board).await,
        }
    }

    async fn ask(&self, ask: Ask<'_>) -> Result<Reply, UpstreamError> {
        match &self.0.driver {
            Driver::Url(driver) => driver.ask(ask).await,
            Driver::Child(driver) => Ok(Reply::duplex(driver.ask(ask).await?)),
        }
    }
}

/// The principal behind a caller, whatever client it uses at the moment: a feed outlives sessions.
fn anyone_of(caller: &Caller) -> Caller {
    Caller {
        principal: caller.principal.clone(),
        session: None,
        era: Era::Modern,
        abilities: Abilities::NONE,
        capabilities: Object::empty().text().clone(),
        info: None,
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("gateway", &self.0.gateway)
            .field("target", &self.name())
            .finish_non_exhaustive()
    }
}
