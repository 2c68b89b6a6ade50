//! One session with a legacy server: what is sent within it, and its end.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};
use identity::Principal;
use mcp::{Method, Outcome, Payload, Raw, Version};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Answer, Received};
use super::calls::Calls;
use super::endpoint::{Endpoint, PROTOCOL_VERSION, Parcel, RESUME_FROM, Repeat, SESSION_ID};
use crate::ask::Ask;
use crate::deadline::Deadline;
use crate::question::Kind;
use crate::relay::answer_to_server;
use crate::{Level, Mark, ServerFacts, UpstreamError, facts, params};

/// Answers to a server's own requests that may be on their way at a time; a server that asks faster is not answered.
const ANSWERS_MAX: usize = 8;
/// No level was ever set.
const NO_LEVEL: u8 = u8::MAX;

/// One session with a legacy server; also the absence of one, where the server gives no session id.
pub(super) struct Session {
    endpoint: Arc<Endpoint>,
    id: Option<HeaderValue>,
    mark: Mark,
    facts: Arc<ServerFacts>,
    /// The most talkative level that was asked for.
    level: AtomicU8,
    setting_level: tokio::sync::Mutex<()>,
    last: Mutex<Last>,
    answers: Arc<Semaphore>,
    /// What the server is being told in the background.
    telling: TaskTracker,
    calls: Calls,
    /// Whether its own stream is being listened to.
    listening: AtomicBool,
    over: CancellationToken,
}

/// The last use of a session.
struct Last {
    at: Instant,
    /// Whose credential goes with what the gateway itself says within the session. That of the last request: the one
    /// it was opened with may have expired since.
    principal: Option<Arc<Principal>>,
}

impl Session {
    /// A session of which only the id is known so far, and what the server said about itself.
    pub(super) fn new(
        endpoint: &Arc<Endpoint>,
        id: Option<HeaderValue>,
        facts: ServerFacts,
        principal: Option<Arc<Principal>>,
    ) -> Self {
        Self {
            endpoint: endpoint.clone(),
            id,
            mark: Mark::new(),
            facts: Arc::new(facts),
            level: AtomicU8::new(NO_LEVEL),
            setting_level: tokio::sync::Mutex::default(),
            last: Mutex::new(Last { at: Instant::now(), principal }),
            answers: Arc::new(Semaphore::new(ANSWERS_MAX)),
            telling: TaskTracker::new(),
            calls: Calls::default(),
            listening: AtomicBool::new(false),
            over: CancellationToken::new(),
        }
    }

    /// What the server said about itself.
    pub(super) fn facts(&self) -> &Arc<ServerFacts> {
        &self.facts
    }

    /// Names the session; `None` where there is none: whatever is asked then has no other place to be asked in.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.id.is_some().then_some(self.mark)
    }

    /// The calls in progress within it.
    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The revision that the server chose.
    pub(super) fn version(&self) -> Version {
        self.facts.version
    }

    /// The server's name.
    pub(super) fn target(&self) -> &str {
        &self.endpoint.target.name
    }

    /// A request id that no other request to the server has.
    pub(super) fn next_id(&self) -> u64 {
        self.endpoint.next_id()
    }

    /// The bounds of what the gateway itself asks.
    pub(super) fn errand_deadline(&self) -> Deadline {
        self.endpoint.connect_deadline()
    }

    /// Whether somebody listens to its own stream, or has tried to.
    pub(super) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Acquire)
    }

    /// Notes that somebody does; `false` when somebody did already.
    pub(super) fn begin_listening(&self) -> bool {
        !self.listening.swap(true, Ordering::AcqRel)
    }

    /// Cancelled when the session is ended, or nobody has it any more.
    pub(super) fn over(&self) -> &CancellationToken {
        &self.over
    }

    /// When something was last asked within it.
    pub(super) fn used(&self) -> Instant {
        self.last().at
    }

    /// The headers that go with everything within the session.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(12);
        // The header came with 2025-06-18; earlier servers do not know it.
        if self.version() >= Version::V2025_06_18 {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(self.version().as_str()));
        }
        if let Some(id) = &self.id {
            headers.insert(SESSION_ID, id.clone());
        }
        headers
    }

    /// Sends a request within the session.
    ///
    /// # Errors
    /// As [`Endpoint::post`].
    pub(super) async fn post(
        &self,
        ask: &Ask<'_>,
        id: u64,
        deadline: &Deadline,
    ) -> Result<Received, UpstreamError> {
        let principal = ask.caller().map(|caller| caller.principal.clone());
        *self.last() = Last { at: Instant::now(), principal };
        let repeat = if ask.is_idempotent() { Repeat::Safe } else { Repeat::Never };
        let message = ask.request(self.version(), id);
        let parcel = Parcel { principal: ask.principal(), headers: self.headers(), message, repeat };
        self.endpoint.post(parcel, deadline).await
    }

    /// Sends what the gateway itself has to say within the session.
    ///
    /// # Errors
    /// As [`Endpoint::post`].
    pub(super) async fn post_own(&self, message: Payload, repeat: Repeat) -> Result<Received, UpstreamError> {
        let principal = self.last().principal.clone();
        let parcel = Parcel { principal: principal.as_deref(), headers: self.headers(), message, repeat };
        self.endpoint.post(parcel, &self.endpoint.connect_deadline()).await
    }

    /// Opens the stream of messages that belong to no request, or takes up one where it ended.
    ///
    /// # Errors
    /// As [`Endpoint::post`].
    pub(super) async fn listen(
        &self,
        from: Option<&HeaderValue>,
        deadline: &Deadline,
    ) -> Result<Received, UpstreamError> {
        let mut headers = self.headers();
        if let Some(from) = from {
            headers.insert(RESUME_FROM, from.clone());
        }
        let principal = self.last().principal.clone();
        self.endpoint.get(principal.as_deref(), headers, deadline).await
    }

    /// Whether `received` says that the server does not know the session, so that it cannot have carried out the request.
    ///
    /// 404 says so (MCP 2025-11-25, Session Management), unless it is a response about the method. Some servers say it with
    /// 400 and an error of the implementation's range that speaks of the session; that is believed too.
    pub(super) fn is_forgotten(&self, received: &Received, id: u64) -> bool {
        let error = match &received.answer {
            Answer::Json(mcp::Body::Single(mcp::Message::Response(response))) => match &response.outcome {
                Outcome::Error(error) => Some((response, error)),
                Outcome::Result(_) => return false,
            },
            _ => None,
        };
        match received.status {
            _ if self.id.is_none() => false,
            StatusCode::NOT_FOUND => !error.is_some_and(|(response, error)| {
                response.id.as_ref().and_then(mcp::Id::to_u64) == Some(id)
                    && code(error) == Some(mcp::code::METHOD_NOT_FOUND)
            }),
            StatusCode::BAD_REQUEST => error.is_some_and(|(_, error)| speaks_of_session(error)),
            _ => false,
        }
    }

    /// The most talkative level that was asked for.
    pub(super) fn level(&self) -> Option<Level> {
        let level = self.level.load(Ordering::Acquire);
        Level::ALL.into_iter().map(|(_, known)| known).find(|known| *known as u8 == level)
    }

    /// Whether the server would send messages of `level` only if it were asked to.
    pub(super) fn lacks(&self, level: Level) -> bool {
        // No level was ever set: how much the server sends is its own choice.
        let enough = self.level().is_some_and(|set| set <= level);
        !enough && facts::has(&self.facts, "logging")
    }

    /// Makes the server send messages of `level` and above. A server that refuses is left as it is: what it sends is
    /// filtered anyway.
    pub(super) async fn set_level(&self, level: Level) {
        let _turn = self.setting_level.lock().await;
        if !self.lacks(level) {
            return;
        }
        let id = self.endpoint.next_id();
        let message = params::request(id, Method::SetLevel.as_str(), params::of_set_level(level));
        let sent = self.post_own(message, Repeat::Safe).await;
        if let Err(error) = &sent {
            tracing::debug!(target.name = %self.endpoint.target.name, %error, "no log level was set");
        }
        // Asked once is enough, also of a server that fails on it.
        if !sent.is_err_and(|error| error.nothing_sent()) {
            self.level.store(level as u8, Ordering::Release);
        }
    }

    /// Answers a request of the server, in the background.
    pub(super) fn answer(self: &Arc<Self>, answer: Payload) {
        let Ok(turn) = self.answers.clone().try_acquire_owned() else {
            tracing::warn!(target.name = %self.endpoint.target.name, "the server asks faster than it takes answers");
            return;
        };
        self.in_background(|session| async move {
            session.tell(answer).await;
            drop(turn);
        });
    }

    /// Takes what the server asks on the session's own stream to the only call in progress; there is nobody else to ask.
    pub(super) fn asked(self: &Arc<Self>, request: mcp::Request) {
        let is_question = Kind::of(request.method.as_str(), &request.params).is_some();
        let request = Box::new(request);
        let left = if is_question { self.calls.hand(request) } else { Err(request) };
        if let Err(request) = left {
            self.answer_alone(&request);
        }
    }

    /// Answers a request of the server that belongs to no call.
    pub(super) fn answer_alone(self: &Arc<Self>, request: &mcp::Request) {
        self.answer(answer_to_server(request, self.endpoint.roots().as_ref()));
    }

    /// Answers a question of the server with what its client said, in the background. Waits for its turn: there are no
    /// more of these than questions were let through.
    pub(super) fn reply(self: &Arc<Self>, answer: Payload) {
        self.in_background(|session| async move {
            let turn = session.answers.clone().acquire_owned().await;
            session.tell(answer).await;
            drop(turn);
        });
    }

    /// Tells the server, in the background, that nobody waits for request `id` any more.
    pub(super) fn cancel(self: &Arc<Self>, id: u64) {
        self.in_background(|session| async move {
            session.tell(params::notification("notifications/cancelled", params::of_cancelled(id))).await;
        });
    }

    /// Ends the session at the server, once that has heard what it is being told: of a session that is over it would take
    /// nothing, and a process that ends would not get round to it.
    pub(super) async fn end(&self) {
        self.over.cancel();
        self.telling.close();
        let _ = self.errand_deadline().within(self.telling.wait()).await;
        if self.id.is_some() {
            let principal = self.last().principal.clone();
            self.endpoint.delete(principal.as_deref(), self.headers()).await;
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_background<F>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        self.telling.spawn_on(work(self.clone()), &runtime);
    }

    async fn tell(&self, message: Payload) {
        if let Err(error) = self.post_own(message, Repeat::Never).await {
            tracing::debug!(target.name = %self.endpoint.target.name, %error, "the server was not told");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// The code of an error object.
pub(super) fn code(error: &Raw) -> Option<i64> {
    mcp::Object::of(error)?.get("code")?.as_str().parse().ok()
}

fn speaks_of_session(error: &Raw) -> bool {
    let implementation =
        matches!(code(error), Some(mcp::code::LEGACY_REFUSED | mcp::code::LEGACY_SESSION_NOT_FOUND));
    let message = mcp::Object::of(error).and_then(|error| error.string("message")).unwrap_or_default();
    let message = message.to_ascii_lowercase();
    implementation && (message.contains("session") || message.contains("not initialized"))
}
