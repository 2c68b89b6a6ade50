//! What becomes of each message that a server sends while a call is open.
//!
//! Pure: the drivers read and write, this decides. A message reaches the client only when it belongs to its call.

use mcp::{Id, IdKey, Message, Notification, Object, Payload, Raw, Request, Response, Splice, meta};

use crate::call::ProgressToken;
use crate::question::{Kind, Question};
use crate::{Abilities, Level, Logs};

#[cfg(test)]
mod tests;

/// One call as its server sees it, and what its client wants of it.
#[derive(Clone, Debug)]
pub struct Relay {
    /// The request id we gave it; also its progress token.
    pub id: u64,
    /// The client's own progress token.
    pub progress: Option<ProgressToken>,
    /// Which log messages the client wants.
    pub logs: Logs,
    /// What the server may ask meanwhile.
    pub asks: Asks,
}

/// What a legacy server may ask during a call. A modern one may ask nothing: it answers with what it needs.
#[derive(Clone, Debug, Default)]
pub struct Asks {
    /// What the client can be asked, and the server was told so.
    pub may: Abilities,
    /// What a modern client did not declare. Its call ends when the server asks for it.
    pub missing: Abilities,
    /// The roots that the gateway names itself: the result of `roots/list`.
    pub roots: Option<Raw>,
    /// Questions in one call.
    pub most: usize,
}

/// What happens during a call.
#[derive(Debug)]
pub enum Event {
    /// A notification for the client, its token already the client's own.
    Notification(Payload),
    /// The same, and about a task, whose id in it is the server's own.
    OfTask(Payload),
    /// A question for the client; more follows.
    Question(Question),
    /// The server does not want to know any more what it asked under this id of its own.
    Withdrawn(IdKey),
    /// The answer; its id is still ours.
    Final(Response),
}

/// What to do with a message.
#[derive(Debug)]
pub enum Verdict {
    /// Give it to the client.
    Deliver(Event),
    /// Write this back to the server.
    Answer(Payload),
    /// Ask the client.
    Ask(Request, Kind),
    /// Write this back to the server, and end the call: its client lacks what the server needs.
    Lacks(Payload, Abilities),
    /// It is not the client's business, or nobody's.
    Drop(&'static str),
}

impl Relay {
    /// Decides about a message that arrived on this call's own stream, or that carries its id or token.
    #[must_use]
    pub fn judge(&self, message: Message) -> Verdict {
        match message {
            Message::Response(response) => self.response(response),
            Message::Notification(notification) => self.notification(notification),
            Message::Request(request) => self.asks.judge(request),
        }
    }

    fn response(&self, response: Response) -> Verdict {
        match &response.id {
            Some(id) if id.to_u64() == Some(self.id) => Verdict::Deliver(Event::Final(response)),
            // A server that could not read the request answers with no id; on this call's own stream it can only mean this call.
            None if matches!(response.outcome, mcp::Outcome::Error(_)) => {
                Verdict::Deliver(Event::Final(response))
            }
            _ => Verdict::Drop("a response to no request of ours"),
        }
    }

    fn notification(&self, notification: Notification) -> Verdict {
        let meta = notification.params.meta();
        // Two readers could take it for notifications of two different calls.
        if notification.params.has_duplicate_keys() || meta.is_some_and(Object::has_duplicate_keys) {
            return Verdict::Drop("a notification with one key twice");
        }
        let related = meta.is_some_and(|meta| meta.has(meta::RELATED_TASK));
        match self.judged(notification) {
            Verdict::Deliver(Event::Notification(text)) if related => Verdict::Deliver(Event::OfTask(text)),
            verdict => verdict,
        }
    }

    fn judged(&self, notification: Notification) -> Verdict {
        match notification.method.as_str() {
            "notifications/progress" => self.progress(&notification),
            "notifications/message" => self.log(&notification),
            "notifications/tasks/status" => Verdict::Deliver(Event::OfTask(notification.text.into())),
            "notifications/cancelled" => {
                let id = notification.params.get("requestId").and_then(|id| Id::of(&id)?.key());
                id.map_or(Verdict::Drop("it cancels nothing"), |id| Verdict::Deliver(Event::Withdrawn(id)))
            }
            // Feeds and lifecycle are between the gateway and the server.
            "notifications/initialized"
            | "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated"
            | "notifications/subscriptions/acknowledged"
            | "notifications/tasks"
            | "notifications/elicitation/complete" => Verdict::Drop("a notification for the gateway"),
            _ => Verdict::Deliver(Event::Notification(notification.text.into())),
        }
    }

    fn progress(&self, notification: &Notification) -> Verdict {
        let token = notification.params.get("progressToken");
        match (&self.progress, token) {
            (Some(own), Some(token)) if token.to_u64() == Some(self.id) => {
                let Some(own) = own.get() else { return Verdict::Drop("progress nobody wants any more") };
                let mut splice = Splice::of(&notification.text);
                splice.replace(&token, own);
                Verdict::Deliver(Event::Notification(splice.finish()))
            }
            _ => Verdict::Drop("progress of another call, or unasked for"),
        }
    }

    fn log(&self, notification: &Notification) -> Verdict {
        let level = notification.params.string("level").and_then(|name| Level::parse(&name));
        let wanted = match (self.logs, level) {
            (Logs::Off, _) => false,
            (Logs::ServersChoice, _) => true,
            (Logs::From(least), Some(level)) => level >= least,
            (Logs::From(_), None) => false,
        };
        if wanted {
            Verdict::Deliver(Event::Notification(notification.text.clone().into()))
        } else {
            Verdict::Drop("a log message below the wanted level")
        }
    }
}

impl Asks {
    fn judge(&self, request: Request) -> Verdict {
        if let Some(answer) = at_once(&request, self.roots.as_ref()) {
            return Verdict::Answer(answer);
        }
        let Some(kind) = Kind::of(request.method.as_str(), &request.params) else {
            return Verdict::Answer(refusal(&request));
        };
        let needs = kind.needs(&request.params);
        let missing = needs.without(needs.without(self.missing));
        if self.may.contains(needs) {
            Verdict::Ask(request, kind)
        } else if missing.is_empty() {
            Verdict::Answer(refusal(&request))
        } else {
            Verdict::Lacks(refusal(&request), missing)
        }
    }
}

/// The answer to a request that a server makes outside of every call: there is nobody to ask, so it gets what the gateway
/// knows itself, or a refusal. `roots` is the result of `roots/list`, where the operator wrote one.
#[must_use]
pub fn answer_to_server(request: &Request, roots: Option<&Raw>) -> Payload {
    at_once(request, roots).unwrap_or_else(|| match Kind::of(request.method.as_str(), &request.params) {
        Some(_) => nobody(request),
        None => refusal(request),
    })
}

/// What the gateway answers a server itself.
fn at_once(request: &Request, roots: Option<&Raw>) -> Option<Payload> {
    let result = match request.method {
        mcp::Method::Ping => Raw::value(&serde_json::json!({})),
        _ if request.method.as_str() == Kind::Roots.method() => roots?.clone(),
        _ => return None,
    };
    Some(mcp::code::result(&request.id, result.into()))
}

/// What a server gets whose question belongs to no call, or to one of several.
fn nobody(request: &Request) -> Payload {
    let sentence = format!(
        "Nobody can be asked for `{}` now; ask in the course of a call, and while no other is running.",
        request.method
    );
    mcp::ErrorObject::new(mcp::code::METHOD_NOT_FOUND, sentence).response(Some(&request.id))
}

/// What a server gets that asks for what its client did not declare, or for what is no question.
pub(crate) fn refusal(request: &Request) -> Payload {
    let sentence = match Kind::of(request.method.as_str(), &request.params) {
        Some(_) => {
            format!("The client did not declare a capability for `{}`; do not ask for it.", request.method)
        }
        None => format!("`{}` is nothing that a server can ask of its client.", request.method),
    };
    mcp::ErrorObject::new(mcp::code::METHOD_NOT_FOUND, sentence).response(Some(&request.id))
}
