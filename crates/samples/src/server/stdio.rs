//! Lines on a pipe: one message each, either era, as many requests at a time as the client likes within a bound.
//!
//! Ends when the input does: what is nearly done may finish, the rest is dropped (MCP, Lifecycle, Shutdown over stdio).

mod lines;
mod running;

use std::io;
use std::sync::Arc;

use mcp::code::{ErrorObject, INTERNAL_ERROR, INVALID_PARAMS, UNSUPPORTED_VERSION, result};
use mcp::{
    Body, Era, Malformed, Message, Method, Notification, Object, Payload, Raw, Request, Version, meta,
};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::dispatch::{self, Asked};
use super::outlet::{LogLevel, Notices, Outlet, QUEUE};
use super::question::Inquiry;
use super::{Caller, Logs, Sample};
use lines::Lines;
use running::Running;

/// Nesting of JSON, in levels.
const DEPTH_MAX: usize = 64;

/// Serves `sample` until `input` ends.
///
/// # Errors
/// The input cannot be read, or has a line that is too long; or the output cannot be written.
pub async fn serve(
    sample: Sample,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (outlet, messages) = mpsc::channel(QUEUE);
    let server = Server { sample: Arc::new(sample), outlet };
    let mut writing = std::pin::pin!(write(output, messages));
    tokio::select! {
        read = server.read(Lines::new(input)) => read.and(writing.await),
        written = &mut writing => written,
    }
}

struct Server {
    sample: Arc<Sample>,
    outlet: Outlet,
}

impl Server {
    /// Takes the server with it when it ends, so that the writer learns that nothing will follow.
    async fn read(self, mut lines: Lines<impl AsyncRead + Unpin>) -> io::Result<()> {
        let mut running = Running::default();
        // Until a client says what it wants, the choice is the server's.
        let mut level = LogLevel::Info;
        while let Some(line) = lines.next().await? {
            match Body::from_client(line, DEPTH_MAX) {
                Ok(Body::Single(Message::Request(request))) => {
                    self.start(request, &mut level, &mut running).await
                }
                Ok(Body::Single(Message::Notification(notice))) => cancel(&notice, &mut running),
                // Nothing was asked of the client, so there is nothing it could be answering.
                Ok(Body::Single(Message::Response(_))) => {}
                Ok(Body::Batch(_)) => self.refuse(&Malformed::NotAMessage("there are no batches here")).await,
                Err(malformed) => self.refuse(&malformed).await,
            }
        }
        running.finish().await;
        Ok(())
    }

    /// Begins to answer a request; goes on to read while the answer is being made.
    async fn start(&self, request: Request, level: &mut LogLevel, running: &mut Running) {
        let log = match self.settle(&request, level) {
            Ok(Settled::Answered(answer)) => return self.send(answer).await,
            Ok(Settled::Open(era, log)) => (era, log),
            Err(error) => return self.send(error.response(Some(&request.id))).await,
        };
        let (id, (era, log)) = (request.id.clone(), log);
        let (sample, outlet) = (self.sample.clone(), self.outlet.clone());
        let log = if sample.logs == Logs::Info { log } else { LogLevel::Above };
        let started = running.start(&id, async move {
            let notices = Notices::to(outlet.clone(), &request.params, log, sample.name);
            // Nothing that is served here has anything to ask.
            let inquiry = Inquiry::Nobody;
            let asked = Asked { request, era, caller: Caller::default(), notices, inquiry };
            let answered = dispatch::answer(&sample, asked).await;
            // Fails only when nothing can be written any more, and then the server is ending.
            let _ = outlet.send(answered.message).await;
        });
        if !started {
            let error =
                ErrorObject::new(INTERNAL_ERROR, "Too many requests at a time; wait for an answer first.");
            self.send(error.response(Some(&id))).await;
        }
    }

    /// In which era a request is written, and which log messages go with it; `initialize` is answered at once.
    fn settle(&self, request: &Request, level: &mut LogLevel) -> Result<Settled, ErrorObject> {
        let meta = request.params.object("_meta").unwrap_or_else(Object::empty);
        if let Some(version) = meta.string(meta::PROTOCOL_VERSION) {
            return modern(&meta, &version);
        }
        if request.method == Method::Initialize {
            let result_text = Raw::value(&dispatch::initialize(&self.sample, Version::NEWEST_LEGACY));
            return Ok(Settled::Answered(result(&request.id, result_text.into())));
        }
        if request.method == Method::SetLevel {
            let named = request.params.string("level").and_then(|name| LogLevel::parse(&name));
            *level = named.ok_or_else(|| ErrorObject::new(INVALID_PARAMS, "`level` names no log level."))?;
        }
        Ok(Settled::Open(Era::Legacy, *level))
    }

    async fn refuse(&self, malformed: &Malformed) {
        self.send(malformed.to_error().response(None)).await;
    }

    async fn send(&self, message: Payload) {
        // As above: the writer's own error is the one that is reported.
        let _ = self.outlet.send(message).await;
    }
}

enum Settled {
    Answered(Payload),
    Open(Era, LogLevel),
}

fn modern(meta: &Object, version: &str) -> Result<Settled, ErrorObject> {
    let invalid = |why: &str| ErrorObject::new(INVALID_PARAMS, why);
    if meta.object(meta::CLIENT_CAPABILITIES).is_none() {
        return Err(invalid("`_meta` needs the client's capabilities."));
    }
    if version != Version::NEWEST.as_str() {
        let newest = Version::NEWEST.as_str();
        let requested: String = version.chars().take(64).collect();
        let error = ErrorObject::new(
            UNSUPPORTED_VERSION,
            format!("Without a handshake this server speaks {newest} only."),
        );
        return Err(error.with_data(json!({ "supported": [newest], "requested": requested })));
    }
    let level = match meta.string(meta::LOG_LEVEL) {
        None => LogLevel::Above,
        Some(name) => LogLevel::parse(&name).ok_or_else(|| invalid("`_meta` names no log level."))?,
    };
    Ok(Settled::Open(Era::Modern, level))
}

fn cancel(notice: &Notification, running: &mut Running) {
    let id = notice.params.get("requestId").and_then(|id| mcp::Id::of(&id));
    if let Some(id) = id.filter(|_| notice.method == "notifications/cancelled") {
        running.cancel(&id);
    }
}

/// The only one that writes, so that no two messages mix.
async fn write(mut output: impl AsyncWrite + Unpin, mut messages: mpsc::Receiver<Payload>) -> io::Result<()> {
    while let Some(message) = messages.recv().await {
        output.write_all(&message.into_bytes()).await?;
        output.write_all(b"\n").await?;
        output.flush().await?;
    }
    Ok(())
}
