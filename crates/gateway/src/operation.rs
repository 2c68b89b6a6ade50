//! What a request asks for, carried out: resolve, authorize, dispatch. The same for every revision and transport.

mod call;
mod complete;
mod continuation;
mod extension;
mod list;
mod own;
mod read;
mod subscribe;
mod task;

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use audit::{Intent, Outcome, Pending, Trail};
use catalogue::{Freshness, Missed, Seen, View};
use exchange::task::Tasks;
use exchange::{Again, Answer, Binding, Bridge, Digests, Exchange, Extensions, Rules, Session, Spent, Work};
use http::HeaderMap;
use identity::Principal;
use mcp::code::{ErrorObject, METHOD_NOT_FOUND};
use mcp::{Era, Kind, Method, Object, Raw, Request, meta};
use policy::{Action, Denial, Operation, Permit};
use upstream::{Call, Caller, Logs, Mark, ProgressToken, UpstreamError};

use crate::site::{LiveTarget, Site};
use continuation::Start;

/// Characters of a client's text that a record repeats.
const RECORDED_MAX: usize = 256;

/// Everything about a request that its operation may look at.
#[derive(Clone)]
pub struct Context {
    /// The gateway it came to.
    pub site: Arc<Site>,
    /// Who calls.
    pub caller: Caller,
    /// Which log messages the client wants.
    pub logs: Logs,
    /// The client's session.
    pub session: Option<Arc<Session>>,
    /// The HTTP headers of a modern request, which repeat parts of its body. Legacy revisions do not check them, so
    /// nothing may rely on them there.
    pub headers: Option<HeaderMap>,
    /// See [`Context::extensions`].
    pub(crate) extensions: OnceLock<Object>,
}

impl Context {
    /// Whether the client can be told anything outside its requests' answers.
    #[must_use]
    pub fn delivers(&self) -> bool {
        let streams = self.site.config.streaming == config::Streaming::On;
        streams && (self.caller.era == Era::Modern || self.session.is_some())
    }

    /// The extensions that the client declared, with their settings. Read once, when first needed.
    pub(crate) fn extensions(&self) -> &Object {
        self.extensions.get_or_init(|| crate::modern::extensions(&self.caller.capabilities))
    }

    /// Whether the client understands tasks (`io.modelcontextprotocol/tasks`).
    pub(crate) fn declares_tasks(&self) -> bool {
        crate::modern::understands_tasks(self.extensions())
    }
}

/// Carries out `request`. Boxed: every request is one of many operations, and its future should not have room for all.
pub fn operate(context: &Context, request: Request) -> Pin<Box<dyn Future<Output = Exchange> + Send + '_>> {
    Box::pin(carry_out(context, request))
}

async fn carry_out(context: &Context, request: Request) -> Exchange {
    if !exists(context, &request.method) {
        return refused(&request, &unknown_method(&request.method));
    }
    match &request.method {
        Method::Ping => own::ping(request),
        Method::Discover => own::discover(context, request).await,
        Method::SetLevel => own::set_level(context, &request),
        Method::List(kind) => list::list(context, *kind, &request).await,
        Method::CallTool => call::tool(context, request).await,
        Method::GetPrompt => call::prompt(context, request).await,
        Method::ReadResource => read::resource(context, request).await,
        Method::Complete => complete::complete(context, request).await,
        Method::Subscribe if context.delivers() => subscribe::subscribe(context, &request).await,
        Method::Unsubscribe if context.delivers() => subscribe::unsubscribe(context, &request),
        Method::Task(method) => task::look_after(context, *method, request).await,
        Method::Other(name) if !Method::is_core_name(name) => extension::route(context, request).await,
        Method::Initialize | Method::Subscribe | Method::Unsubscribe | Method::Listen | Method::Other(_) => {
            refused(&request, &unknown_method(&request.method))
        }
    }
}

pub use own::initialize_result;
pub(crate) use subscribe::{watch_anew, watch_resource};
pub(crate) use task::{News, WatchedTask, watch_task};

fn exists(context: &Context, method: &Method) -> bool {
    matches!(method, Method::Other(_)) || method.exists_in(context.caller.era)
}

fn unknown_method(method: &Method) -> ErrorObject {
    let name: String = method.as_str().chars().filter(|letter| !letter.is_control()).take(64).collect();
    ErrorObject::new(METHOD_NOT_FOUND, format!("Method not found: {name}"))
}

/// An exchange that ends with `error` at once.
fn refused(request: &Request, error: &ErrorObject) -> Exchange {
    Exchange::answered(request.id.clone(), Answer::error(Some(&request.id), error))
}

/// An item of one target that a client wants something of.
struct Wanted<'a> {
    target: &'a Arc<str>,
    action: Action,
    /// As the server knows it.
    item: &'a str,
    /// As the client wrote it.
    exposed: &'a str,
    param_headers: Vec<(String, String)>,
    /// What else must hold. Only asked once policy has allowed the item, so that it tells nothing about a hidden one.
    agrees: Result<(), ErrorObject>,
}

/// What the caller may see, and what is missing from it.
pub(crate) async fn seen(context: &Context, freshness: Freshness) -> Seen {
    allowed(context, context.site.catalogue.seen(&context.caller, freshness).await)
}

/// What the caller may see of what is known, without asking any server.
pub(crate) fn known(context: &Context) -> Seen {
    allowed(context, context.site.catalogue.known(&context.caller.principal))
}

/// Each list of a view as its reader sees it.
pub(crate) fn digests(view: &View) -> Digests {
    Kind::ALL.map(|kind| view.digest(kind))
}

/// Whether the caller may see this resource of this target.
pub(crate) fn shows_resource(context: &Context, target: &Arc<str>, uri: &str) -> bool {
    let policy = &context.site.policy;
    let operation = || to_use(context, target, Action::ReadResource, uri);
    !policy.has_rules() || policy.shows(&context.caller.principal, &operation())
}

fn allowed(context: &Context, mut seen: Seen) -> Seen {
    let policy = &context.site.policy;
    if policy.has_rules() {
        let principal = &context.caller.principal;
        seen.view = seen.view.filter(|item| match item.target() {
            Some(target) => {
                policy.shows(principal, &to_use(context, target, action_on(item.kind), &item.upstream))
            }
            None => true,
        });
        // Of a target that shows nothing to this principal, they learn nothing.
        let shown = |target: &Arc<str>| seen.view.servers().iter().any(|server| server.target == *target);
        seen.statuses = seen.statuses.iter().filter(|status| shown(&status.target)).cloned().collect();
    }
    seen
}

/// The answer for a name or URI that leads nowhere: a target that cannot be asked is no reason to say that the item is unknown.
fn missing(missed: Missed, unknown: ErrorObject) -> ErrorObject {
    match missed {
        Missed::Unknown => unknown,
        Missed::Silent(target) => {
            UpstreamError::Unreachable("its lists are not known".to_owned()).to_error(&target)
        }
    }
}

/// What using an item of a list means.
fn action_on(kind: Kind) -> Action {
    match kind {
        Kind::Tool => Action::CallTool,
        Kind::Prompt => Action::GetPrompt,
        Kind::Resource | Kind::Template => Action::ReadResource,
    }
}

fn to_use(context: &Context, target: &Arc<str>, action: Action, item: &str) -> Operation {
    Operation { gateway: context.site.name.clone(), target: target.clone(), action, item: item.to_owned() }
}

/// Authorizes and dispatches; `unknown` is the answer for what does not exist, and for what this principal may not know of.
async fn forward(context: &Context, request: Request, wanted: Wanted<'_>, unknown: &ErrorObject) -> Exchange {
    let record = Pending::open(intent(context, &request.method, wanted.target, wanted.exposed));
    let operation = to_use(context, wanted.target, wanted.action, wanted.item);
    let permit = match context.site.policy.authorize(&context.caller.principal, operation) {
        Ok(permit) => permit,
        Err(Denial::Hidden) => {
            record.close(Outcome::Denied);
            return refused(&request, unknown);
        }
    };
    if let Err(error) = wanted.agrees {
        record.close(Outcome::Error(error.code));
        return refused(&request, &error);
    }
    let tasks = context
        .site
        .targets
        .get(wanted.target)
        .and_then(|live| task::maker(context, &request, live, &permit));
    let freight = Freight { param_headers: wanted.param_headers, tasks, within: None };
    dispatch(context, request, permit, freight, record).await
}

/// What goes with a request besides itself.
struct Freight {
    /// `Mcp-Param-*`.
    param_headers: Vec<(String, String)>,
    /// What it has to do with tasks.
    tasks: Option<Tasks>,
    /// The session it has to be asked in.
    within: Option<Mark>,
}

/// The answer for a name or URI that leads nowhere, recorded like any other call.
fn leads_nowhere(context: &Context, request: &Request, exposed: &str, error: &ErrorObject) -> Exchange {
    Pending::open(intent(context, &request.method, &Arc::from(""), exposed))
        .close(Outcome::Error(error.code));
    refused(request, error)
}

async fn dispatch(
    context: &Context,
    request: Request,
    permit: Permit,
    freight: Freight,
    record: Pending,
) -> Exchange {
    let target = permit.operation().target.clone();
    let Some(live) = context.site.targets.get(&target) else {
        record.close(Outcome::Error(mcp::code::INTERNAL_ERROR));
        return refused(&request, &crate::refusal::internal());
    };
    let binding = binding(context, &request, permit.operation());
    let start = match &binding {
        Some(binding) => {
            continuation::start(context, binding, request, (&live.upstream, &record.trail())).await
        }
        None => Start::Anew(request, Spent::default()),
    };
    let (request, spent) = match start {
        Start::Anew(request, spent) => (request, spent),
        Start::Resumed(mut exchange, request, answers) => {
            exchange.resume(request.id, record, progress_token(&request.params), &answers);
            return *exchange;
        }
        Start::Refused(request, error) => {
            record.close(Outcome::Error(error.code));
            return refused(&request, &error);
        }
    };
    let bridge = Bridge {
        era: context.caller.era,
        method: freight.bridged(&request.method),
        extensions: match context.caller.era {
            // A client that knows one knows results of other types than the core's.
            Era::Modern if context.extensions().is_empty() => Extensions::None,
            Era::Modern | Era::Legacy => Extensions::Declared,
        },
    };
    let told = context.session.as_ref().filter(|_| context.delivers());
    let call = Call {
        method: request.method.clone(),
        progress: progress_token(&request.params).map(ProgressToken::new),
        params: request.params.clone(),
        logs: context.logs,
        param_headers: freight.param_headers,
        within: freight.within,
        inbox: told.map(|session| session.interests().inbox().clone()),
    };
    let tasks = freight.tasks;
    let lease = live.calls.token();
    let rules = rules(context, live, &target);
    let (progress, again) =
        (call.progress.clone(), may_be_sent_again(context, &rules, &call).then(|| call.clone()));
    match live.upstream.dispatch(&permit, &context.caller, call).await {
        Ok(reply) => {
            let again = again.map(|call| Again {
                upstream: live.upstream.clone(),
                permit,
                caller: context.caller.clone(),
                call,
            });
            let (principal, desk) = (context.caller.principal.key(), context.site.desk.clone());
            let work = Work {
                reply,
                bridge,
                record,
                lease,
                rules,
                principal,
                desk,
                binding,
                spent,
                again,
                progress,
                tasks,
            };
            Exchange::relayed(request.id, work)
        }
        Err(error) => {
            tracing::warn!(gateway.name = %context.site.name, target.name = %target, %error, "call failed");
            // What the status says of the target may no longer be so.
            context.site.catalogue.resync(&target);
            let error = error.to_error(&target);
            record.close(Outcome::Error(error.code));
            refused(&request, &error)
        }
    }
}

impl Freight {
    /// As what the answer is read: of a task that is waited for, it is that of the call which made it.
    fn bridged(&self, method: &Method) -> Method {
        match self.tasks {
            Some(Tasks::Follower(_)) => Method::CallTool,
            _ => method.clone(),
        }
    }
}

/// The request that a question of its server belongs to, where a modern client can be asked one.
fn binding(context: &Context, request: &Request, permitted: &Operation) -> Option<Binding> {
    let asks = context.caller.era == Era::Modern && request.method.name_param().is_some();
    asks.then(|| Binding {
        principal: context.caller.principal.key(),
        gateway: context.site.name.clone(),
        target: permitted.target.clone(),
        item: permitted.item.clone(),
        method: request.method.clone(),
        params: request.params.clone(),
    })
}

/// What the target may ask of this client.
fn rules(context: &Context, live: &LiveTarget, target: &Arc<str>) -> Rules {
    let (config, limits) = (&context.site.config, &context.site.limits);
    Rules {
        target: target.clone(),
        era: context.caller.era,
        declared: live.upstream.offered(&context.caller),
        may: live.upstream.abilities(&context.caller),
        form_secrets: config.form_secrets,
        private_urls: config.private_urls,
        sampling: live.upstream.target().sampling,
        roots: live.upstream.roots(),
        questions: limits.questions,
        rounds: limits.rounds,
        question_bytes: limits.question_bytes,
        round_bytes: limits.round_bytes,
        patience: limits.question_timeout,
    }
}

/// Whether the gateway may have to send the call to a modern server again: with what a legacy client answered, or with what
/// it knows itself.
fn may_be_sent_again(context: &Context, rules: &Rules, call: &Call) -> bool {
    let brings_back = context.caller.era == Era::Legacy || rules.roots.is_some();
    brings_back && call.method.name_param().is_some() && !rules.may.is_empty()
}

/// Records a response of a client to nothing that it was asked.
pub(crate) fn stray_answer(site: &Site, principal: &Principal) {
    Trail::outside(intent_of((site, principal), "response", &Arc::from(""), "")).stray();
}

fn intent(context: &Context, method: &Method, target: &Arc<str>, exposed: &str) -> Intent {
    intent_of((&context.site, &context.caller.principal), method.as_str(), target, exposed)
}

fn intent_of(
    (site, principal): (&Site, &Principal),
    method: &str,
    target: &Arc<str>,
    exposed: &str,
) -> Intent {
    Intent {
        gateway: site.name.clone(),
        issuer: principal.issuer().to_owned(),
        subject: principal.subject().to_owned(),
        client: principal.client().map(ToOwned::to_owned),
        method: Cow::Owned(readable(method)),
        item: readable(exposed),
        target: target.clone(),
    }
}

/// As much of a client's text as is recorded.
fn readable(text: &str) -> String {
    if text.len() <= RECORDED_MAX && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    text.chars().filter(|letter| !letter.is_control()).take(RECORDED_MAX).collect()
}

fn progress_token(params: &Object) -> Option<Raw> {
    let token = params.meta()?.get(meta::PROGRESS_TOKEN)?;
    mcp::Id::of(&token).is_some().then_some(token)
}
