//! Connections with real child processes: the small server in `server.py`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::{Era, Isolation, Limits, Listing, Outbound, Prefix, Secret, Stdio, Target, Transport};
use identity::{Principal, Verified};
use mcp::{Kind, Method, Object, Outcome, Raw, Response};
use policy::{Action, Engine, Operation, Permit};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{CallStream, Connections};
use crate::ask::Ask;
use crate::board::Board;
use crate::{Call, Caller, Event, Inbox, InboxBounds, Logs, Notice, SessionKey, Upkeep, UpstreamError};

mod bounds;
mod delivery;
mod ending;
mod eras;
mod isolation;
mod sse;

/// Longer than any test may take; shorter than anyone waits.
const LONG: Duration = Duration::from_secs(60);

/// What a test may want different.
struct Fixture {
    target: Target,
    stdio: Stdio,
    limits: Limits,
}

impl Fixture {
    fn new(mode: &str) -> Self {
        let script = include_str!("server.py").to_owned();
        let args = ["-I", "-S", "-u", "-c", &script, mode].map(str::to_owned).to_vec();
        let stdio = Stdio {
            command: "python3".to_owned(),
            args,
            env: BTreeMap::new(),
            cwd: None,
            era: Era::Auto,
            isolation: Isolation::Principal,
            instances_max: 4,
            idle: LONG,
        };
        Self { target: target(stdio.clone()), stdio, limits: limits() }
    }

    fn open(self) -> Connections {
        Connections::stdio(&self.target, &self.stdio, &self.limits, &CancellationToken::new())
    }
}

/// Sends each kind of list that changed, as the catalogue hears it.
async fn feed(connections: Connections, changed: mpsc::Sender<Kind>, stop: CancellationToken) {
    let (board, inbox) = (Board::new("fixture".into()), Inbox::new(InboxBounds { notices: 16, bytes: 1024 }));
    let _ticket = board.watch_lists(&inbox);
    let pass_on = async {
        loop {
            let Notice::Lists { kinds, .. } = inbox.next().await else { continue };
            for kind in kinds {
                changed.send(kind).await.unwrap();
            }
        }
    };
    tokio::select! {
        () = connections.tend(None, &board) => {}
        () = pass_on => {}
        () = stop.cancelled() => {}
        () = connections.closed() => {}
    }
}

fn target(stdio: Stdio) -> Target {
    Target {
        name: "fixture".to_owned(),
        transport: Transport::Stdio(stdio),
        listing: Listing::Default,
        prefix: Prefix::Target,
        resource_priority: 1000,
        outbound: Outbound::None,
        sampling: None,
        roots: Vec::new(),
        refresh: LONG,
        call_timeout: LONG,
        idle_timeout: LONG,
        connect_timeout: LONG,
    }
}

fn limits() -> Limits {
    Limits { upstream_event: 1 << 20, ..Limits::default() }
}

fn secret(value: &str) -> Secret {
    Secret(value.to_owned().into())
}

fn user(subject: &str) -> Caller {
    let verified = Verified { subject: subject.to_owned(), ..Verified::default() };
    Caller {
        principal: Arc::new(Principal::from(verified)),
        session: None,
        era: mcp::Era::Legacy,
        capabilities: Raw::parse("{}").unwrap(),
        abilities: crate::Abilities::NONE,
        info: None,
    }
}

fn tool(arguments: &Value) -> Call {
    Call {
        method: Method::CallTool,
        params: Object::of(&Raw::value(&json!({ "name": "?", "arguments": arguments }))).unwrap(),
        progress: None,
        logs: Logs::Off,
        param_headers: Vec::new(),
        within: None,
        inbox: None,
    }
}

fn permit(caller: &Caller, name: &str) -> Permit {
    let operation = Operation {
        gateway: "corp".into(),
        target: "fixture".into(),
        action: Action::CallTool,
        item: name.to_owned(),
    };
    Engine::allow_all().authorize(&caller.principal, operation).unwrap()
}

async fn begin(
    connections: &Connections,
    caller: &Caller,
    name: &str,
    call: Call,
) -> Result<CallStream, UpstreamError> {
    connections.ask(Ask::call(&permit(caller, name), caller, caller.abilities, &call).unwrap()).await
}

/// Everything a call gives, up to its answer.
async fn run(mut stream: CallStream) -> (Vec<Value>, Result<Value, UpstreamError>) {
    let mut notifications = Vec::new();
    loop {
        match stream.next().await {
            Ok(Event::Notification(payload)) => notifications.push(payload.into_raw().to_value()),
            Ok(Event::Question(_) | Event::Withdrawn(_) | Event::OfTask(_)) => {}
            Ok(Event::Final(response)) => return (notifications, Ok(said(&response))),
            Err(error) => return (notifications, Err(error)),
        }
    }
}

async fn call(
    connections: &Connections,
    caller: &Caller,
    name: &str,
    arguments: Value,
) -> Result<Value, UpstreamError> {
    run(begin(connections, caller, name, tool(&arguments)).await?).await.1
}

/// The value that the fixture put into a tool's text.
fn said(response: &Response) -> Value {
    match &response.outcome {
        Outcome::Result(result) => {
            let result = result.to_value();
            result["content"][0]["text"]
                .as_str()
                .map_or(result.clone(), |text| serde_json::from_str(text).unwrap())
        }
        Outcome::Error(error) => error.to_value(),
    }
}

async fn upkeep(
    connections: &Connections,
    caller: Option<&Caller>,
    upkeep: Upkeep,
) -> Result<Response, UpstreamError> {
    connections.ask(Ask::Upkeep { caller, upkeep: &upkeep }).await?.answer().await
}

/// Accepts one connection and waits until whoever holds it is gone.
async fn gone(beacon: TcpStream) {
    let mut buffer = [0; 8];
    loop {
        beacon.readable().await.unwrap();
        match beacon.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}
