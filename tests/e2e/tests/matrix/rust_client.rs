//! `rmcp` as a client of the matrix: does what `tests/clients/python/matrix.py` does, in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest,
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult, ElicitationAction,
    Implementation, ListRootsResult, ProgressNotificationParam, ProtocolVersion,
    ResourceUpdatedNotificationParam, Root, SamplingMessage, ServerNotification, SubscribeRequestParams,
    SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, NotificationContext, PeerRequestOptions, RequestContext,
    RunningService,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde_json::{Value, json};
use testkit::client::MODERN;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::clients::Report;
use super::feature::{Asked, Feature, Seen};

const PATIENCE: Duration = Duration::from_secs(30);

type Running = RunningService<RoleClient, Person>;

/// Goes through all features at every URL.
pub async fn run(version: &str, key: &str, urls: &[String]) -> Vec<Report> {
    let mut reports = Vec::new();
    for (at, url) in urls.iter().enumerate() {
        let report = visit(version, &format!("{key}-{at}"), url).await;
        reports.push(
            report.unwrap_or_else(|error| Report { failed: Some(format!("{error:#}")), ..Report::default() }),
        );
    }
    reports
}

async fn visit(version: &str, key: &str, url: &str) -> Result<Report> {
    let version: ProtocolVersion = serde_json::from_value(json!(version))?;
    let lifecycle = if version.as_str() == MODERN {
        ClientLifecycleMode::Discover { preferred_versions: vec![version.clone()] }
    } else {
        ClientLifecycleMode::Initialize
    };
    let person = Person::new(version);
    let transport = StreamableHttpClientTransport::from_uri(url.to_owned());
    let client = person.clone().serve_with_lifecycle(transport, lifecycle).await?;
    let protocol = client.peer_info().map(|info| info.protocol_version.to_string());
    let mut cells = HashMap::new();
    for feature in super::feature::ALL {
        person.forget(feature);
        let outcome = timeout(PATIENCE, perform(&client, &person, feature, key)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("it never ended")));
        let mut seen = std::mem::take(&mut *person.seen());
        match outcome {
            Ok(said) => seen.said = Some(said),
            Err(error) => seen.failed = Some(format!("{error:#}")),
        }
        cells.insert(feature.name().to_owned(), seen);
    }
    client.cancel().await?;
    Ok(Report { protocol, cells, failed: None })
}

async fn perform(client: &Running, person: &Person, feature: Feature, key: &str) -> Result<String> {
    match feature {
        Feature::FormAccept | Feature::FormDecline | Feature::FormCancel => {
            call(client, "fixture_ask_form", json!({})).await
        }
        Feature::Url => call(client, "fixture_ask_url", json!({})).await,
        Feature::Two => call(client, "fixture_ask_two", json!({})).await,
        Feature::Sampling => call(client, "test_sampling", json!({"prompt": "Say something"})).await,
        Feature::Roots => call(client, "test_input_required_result_list_roots", json!({})).await,
        Feature::Progress => report(client, person).await,
        Feature::Cancel => cancel(client, key).await,
        Feature::Subscribe => subscribe(client, person, &format!("test://template/{key}/data")).await,
    }
}

fn parameters(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().cloned().unwrap_or_default())
}

/// The text of a tool's result; a tool error is a failure.
async fn call(client: &Running, tool: &'static str, arguments: Value) -> Result<String> {
    let result = json!(client.call_tool(parameters(tool, arguments)).await?);
    let text = e2e::text(&result).to_owned();
    if result["isError"] == true {
        bail!(text);
    }
    Ok(text)
}

async fn report(client: &Running, person: &Person) -> Result<String> {
    let said = call(client, "test_tool_with_progress", json!({})).await?;
    person.told(|seen| seen.progress.len() >= 3).await;
    // `rmcp` gives each notification to a task of its own, so that the order in which they are handled says nothing.
    person.seen().progress.sort_by(|one, other| one.0.total_cmp(&other.0));
    Ok(said)
}

async fn cancel(client: &Running, key: &str) -> Result<String> {
    let request = CallToolRequest::new(parameters("fixture_hold", json!({"key": key})));
    let request = ClientRequest::CallToolRequest(request);
    let held = client.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
    call(client, "fixture_fate", json!({"key": key, "until": "running"})).await?;
    held.cancel(None).await?;
    call(client, "fixture_fate", json!({"key": key, "until": "cancelled"})).await
}

async fn subscribe(client: &Running, person: &Person, uri: &str) -> Result<String> {
    let update = json!({"uri": uri});
    if person.version.as_str() == MODERN {
        let filter = serde_json::from_value::<SubscriptionFilter>(json!({"resourceSubscriptions": [uri]}))?;
        let mut events = client.listen(filter).await?;
        let said = call(client, "fixture_update_resource", update).await?;
        let event = events.next().await?.context("the subscription ended")?;
        if let ServerNotification::ResourceUpdatedNotification(event) = event {
            person.seen().updates.push(event.params.uri);
        }
        events.cancel().await?;
        return Ok(said);
    }
    client.subscribe(SubscribeRequestParams::new(uri)).await?;
    let said = call(client, "fixture_update_resource", update).await?;
    person.told(|seen| !seen.updates.is_empty()).await;
    client.unsubscribe(UnsubscribeRequestParams::new(uri)).await?;
    Ok(said)
}

/// Answers what it is asked, and remembers it.
#[derive(Clone)]
struct Person {
    version: ProtocolVersion,
    action: Arc<Mutex<ElicitationAction>>,
    seen: Arc<Mutex<Seen>>,
    news: Arc<Notify>,
}

impl Person {
    fn new(version: ProtocolVersion) -> Self {
        let action = Arc::new(Mutex::new(ElicitationAction::Accept));
        Self { version, action, seen: Arc::default(), news: Arc::default() }
    }

    /// Waits until notifications have made it so.
    async fn told(&self, enough: impl Fn(&Seen) -> bool) {
        while !enough(&self.seen()) {
            self.news.notified().await;
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, next: Feature) {
        *self.seen() = Seen::default();
        *self.action.lock().unwrap_or_else(PoisonError::into_inner) = match next {
            Feature::FormDecline => ElicitationAction::Decline,
            Feature::FormCancel => ElicitationAction::Cancel,
            _ => ElicitationAction::Accept,
        };
    }

    fn asked(&self, kind: &str, text: &str) {
        self.seen().asked.push(Asked { kind: kind.to_owned(), text: text.to_owned() });
    }
}

/// What a client of this version can have: it had no elicitation before 2025-06-18, no addresses before 2025-11-25.
fn capabilities(version: &str) -> ClientCapabilities {
    let mut capabilities = json!({"sampling": {}, "roots": {}});
    if version >= "2025-11-25" {
        capabilities["elicitation"] = json!({"form": {}, "url": {}});
    } else if version >= "2025-06-18" {
        capabilities["elicitation"] = json!({});
    }
    serde_json::from_value(capabilities).expect("these are capabilities")
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(capabilities(self.version.as_str()), Implementation::new("matrix", "1.0.0"))
            .with_protocol_version(self.version.clone())
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let action = self.action.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let accepts = action == ElicitationAction::Accept;
        let result = ElicitResult::new(action);
        match request {
            ElicitRequestParams::UrlElicitationParams { url, .. } => {
                self.asked("url", &url);
                Ok(result)
            }
            ElicitRequestParams::FormElicitationParams { message, .. } => {
                self.asked("form", &message);
                Ok(if accepts {
                    result.with_content(json!({"value": format!("to {message}")}))
                } else {
                    result
                })
            }
            other => Err(ErrorData::internal_error(format!("no such question: {other:?}"), None)),
        }
    }

    async fn create_message(
        &self,
        request: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let prompt = json!(request.messages.first().map(|message| &message.content));
        let text = prompt.pointer("/text").or_else(|| prompt.pointer("/0/text"));
        self.asked("sampling", text.and_then(Value::as_str).unwrap_or_default());
        Ok(CreateMessageResult::new(SamplingMessage::assistant_text("words of a model"), "m".to_owned()))
    }

    async fn list_roots(&self, _context: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        self.asked("roots", "");
        Ok(ListRootsResult::new(vec![Root::new("file:///home/matrix")]))
    }

    async fn on_progress(&self, note: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        self.seen().progress.push((note.progress, note.total, note.message));
        self.news.notify_one();
    }

    async fn on_resource_updated(
        &self,
        note: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.seen().updates.push(note.uri);
        self.news.notify_one();
    }
}
