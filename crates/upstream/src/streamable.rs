//! Servers behind a URL: Streamable HTTP in both eras, and HTTP+SSE where a server speaks only that.
//!
//! Which of them a server speaks is found out once and remembered; when the server does not take what it is sent, it is
//! found out again. A request is sent in another dialect only when the server has refused it unseen.

mod answer;
mod calls;
mod dialect;
mod ear;
mod endpoint;
mod events;
mod feed;
mod handshake;
mod legacy;
mod listen;
mod modern;
mod session;
mod sessions;
mod slots;
mod standing;
mod stream;
mod turn;

use std::sync::Arc;

use mcp::{Outcome, Response};
use url::Url;

use crate::ask::Ask;
use crate::board::Board;
use crate::deadline::Deadline;
use crate::duplex::Connections;
use crate::facts::FactsCache;
use crate::{Caller, Deps, Reply, ServerFacts, SessionKey, UpstreamError};
use dialect::{Dialect, Known};
use endpoint::Endpoint;
use handshake::{Evidence, OpenError};
use sessions::Sessions;

pub(crate) use stream::{CallStream, too_many};

/// The driver of one server behind a URL.
pub(crate) struct Streamable {
    endpoint: Arc<Endpoint>,
    known: Known,
    facts: Arc<FactsCache>,
    sessions: Sessions,
    /// HTTP+SSE (2024-11-05).
    sse: Connections,
}

/// Why an attempt in one dialect gave no reply.
enum Failure {
    /// It failed, and another dialect would not help.
    Final(UpstreamError),
    /// The server did not take the request, in the way of a server that speaks another dialect. What to say if it does not.
    Refused(Result<Reply, UpstreamError>),
}

impl Streamable {
    pub(crate) fn new(
        target: &config::Target,
        url: &Url,
        era: config::Era,
        deps: &Deps,
        sse: Connections,
    ) -> Self {
        let endpoint = Arc::new(Endpoint::new(target.clone(), url.as_str(), deps.clone()));
        let facts = Arc::new(FactsCache::new(&target.outbound, target.refresh));
        let sessions = Sessions::new(endpoint.clone(), facts.clone());
        Self { endpoint, known: Known::new(era), facts, sessions, sse }
    }

    /// Asks the server, in the dialect it speaks.
    ///
    /// # Errors
    /// There is no answer and will be none.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Reply, UpstreamError> {
        let deadline =
            if ask.is_probe() { self.endpoint.connect_deadline() } else { self.endpoint.call_deadline() };
        // What is rare is boxed: a call in progress should not carry the room for it.
        let dialect = match self.known.get() {
            Some(known) => known,
            None => deadline.within(Box::pin(self.dialect(ask.caller()))).await??,
        };
        match self.attempt(dialect, &ask, deadline).await {
            Ok(reply) => Ok(reply),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::Refused(outcome)) => {
                Box::pin(self.reconsider(dialect, &ask, deadline, outcome)).await
            }
        }
    }

    /// Whether the server is known to be legacy.
    pub(crate) fn is_legacy(&self) -> bool {
        self.known.get().is_some_and(|dialect| dialect != Dialect::Modern)
    }

    /// Asks in another dialect, if the server turns out to speak one now; otherwise its refusal stands.
    async fn reconsider(
        &self,
        failed: Dialect,
        ask: &Ask<'_>,
        deadline: Deadline,
        refusal: Result<Reply, UpstreamError>,
    ) -> Result<Reply, UpstreamError> {
        if !self.known.forget(failed) {
            return refusal;
        }
        match deadline.within(self.dialect(ask.caller())).await? {
            Ok(other) if other != failed => match self.attempt(other, ask, deadline).await {
                Ok(reply) => Ok(reply),
                Err(Failure::Final(error)) => Err(error),
                Err(Failure::Refused(outcome)) => outcome,
            },
            Ok(_) => {
                self.known.confirm();
                refusal
            }
            Err(_) => refusal,
        }
    }

    /// What the server said about itself, to `caller` or to the gateway.
    ///
    /// # Errors
    /// It cannot be asked, or did not say.
    pub(crate) async fn facts(&self, caller: Option<&Caller>) -> Result<Arc<ServerFacts>, UpstreamError> {
        if let Some(facts) = self.facts.get(caller) {
            return Ok(facts);
        }
        let dialect = self.dialect(caller).await?;
        if let Some(facts) = self.facts.get(caller) {
            return Ok(facts);
        }
        let facts = match dialect {
            Dialect::Modern => match modern::discover(&self.endpoint, caller).await? {
                modern::Discovery::Modern(facts) => Arc::new(facts),
                modern::Discovery::Withheld(why) | modern::Discovery::NotModern(why) => {
                    self.known.forget(dialect);
                    return Err(UpstreamError::BrokeProtocol(why));
                }
            },
            Dialect::Legacy => match self.sessions.get(caller).await {
                Ok(session) => session.facts().clone(),
                Err(failure) => return Err(self.doubt(dialect, failure)),
            },
            Dialect::Sse => self.sse.facts(caller).await?,
        };
        self.facts.put(caller, facts.clone());
        Ok(facts)
    }

    /// Tends one feed until nobody wants anything of it.
    pub(crate) async fn tend(&self, caller: Option<&Caller>, board: &Board) {
        feed::tend(self, caller, board).await;
    }

    /// Ends what hangs on a client session.
    pub(crate) async fn end_session(&self, key: SessionKey) {
        self.sessions.end(key).await;
        self.sse.end_session(key);
    }

    /// Ends everything.
    pub(crate) async fn shutdown(&self) {
        self.sessions.end_all().await;
        self.sse.shutdown().await;
    }

    /// What to report when there is no session; asks anew what the server speaks, if that may be why.
    fn doubt(&self, dialect: Dialect, failure: OpenError) -> UpstreamError {
        if failure.evidence != Evidence::None {
            self.known.forget(dialect);
        }
        failure.error
    }

    /// One attempt in one dialect.
    async fn attempt(&self, dialect: Dialect, ask: &Ask<'_>, deadline: Deadline) -> Result<Reply, Failure> {
        match dialect {
            Dialect::Modern => modern::ask(&self.endpoint, ask, deadline).await,
            Dialect::Legacy => legacy::ask(self, ask, deadline).await,
            Dialect::Sse => match Box::pin(self.sse.ask(*ask)).await {
                Ok(stream) => Ok(Reply::duplex(stream)),
                // No connection was to be had, so nothing was sent.
                Err(error @ (UpstreamError::Unreachable(_) | UpstreamError::BrokeProtocol(_))) => {
                    Err(Failure::Refused(Err(error)))
                }
                Err(error) => Err(Failure::Final(error)),
            },
        }
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        Self::Final(error)
    }
}

/// A list page or a nod may not be a question to the user (MCP 2026-07-28, Multi round-trip requests).
pub(crate) fn settled(response: Response) -> Result<Response, UpstreamError> {
    let asks = match &response.outcome {
        Outcome::Result(result) => {
            let kind = mcp::Object::of(result).and_then(|result| result.string("resultType"));
            kind.is_some_and(|kind| kind == "input_required")
        }
        Outcome::Error(_) => false,
    };
    if asks {
        return Err(UpstreamError::BrokeProtocol(
            "it asked for input where none may be asked for".to_owned(),
        ));
    }
    Ok(response)
}
