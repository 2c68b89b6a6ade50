//! What becomes of each message that a server sends while a call is open.
//!
//! Pure: the drivers read and write, this decides. A message reaches the client only when it belongs to its call.

use mcp::{Edit, Message, Notification, Object, Payload, Raw, Response, Splice};

use crate::{Level, Logs};

#[cfg(test)]
mod tests;

/// One call as its server sees it, and what its client wants of it.
#[derive(Clone, Debug)]
pub struct Relay {
    /// The request id we gave it; also its progress token.
    pub id: u64,
    /// The client's own progress token.
    pub progress: Option<Raw>,
    /// Which log messages the client wants.
    pub logs: Logs,
}

/// What happens during a call.
#[derive(Clone, Debug)]
pub enum Event {
    /// A notification for the client, its token already the client's own.
    Notification(Payload),
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
            Message::Request(request) => Verdict::Answer(answer_to_server(&request)),
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
        match notification.method.as_str() {
            "notifications/progress" => self.progress(&notification),
            "notifications/message" => self.log(&notification),
            // Feeds and lifecycle are between the gateway and the server.
            "notifications/cancelled"
            | "notifications/initialized"
            | "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated"
            | "notifications/subscriptions/acknowledged"
            | "notifications/elicitation/complete" => Verdict::Drop("a notification for the gateway"),
            _ => Verdict::Deliver(Event::Notification(notification.text.into())),
        }
    }

    fn progress(&self, notification: &Notification) -> Verdict {
        let token = notification.params.get("progressToken");
        match (&self.progress, token) {
            (Some(own), Some(token)) if token.to_u64() == Some(self.id) => {
                let mut splice = Splice::of(&notification.text);
                splice.replace(&token, own.clone());
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

/// The answer to a request that a server makes of its client. No interactive capability is declared to any server, so
/// there is nothing but `ping` to answer.
#[must_use]
pub fn answer_to_server(request: &mcp::Request) -> Payload {
    match request.method {
        mcp::Method::Ping => {
            mcp::code::result(&request.id, Payload::from(Raw::value(&serde_json::json!({}))))
        }
        _ => mcp::ErrorObject::new(
            mcp::code::METHOD_NOT_FOUND,
            format!("The client did not declare a capability for `{}`; do not ask for it.", request.method),
        )
        .response(Some(&request.id)),
    }
}

/// `capabilities` as a server may see them: without what the gateway does not carry yet.
#[must_use]
pub fn presentable(capabilities: &Raw) -> Raw {
    let Some(object) = Object::of(capabilities) else { return Object::empty().text().clone() };
    if object.is_empty() {
        return capabilities.clone();
    }
    let extensions = object.object("extensions");
    let mut edit = Edit::of(&object).remove("sampling").remove("elicitation").remove("roots").remove("tasks");
    if let Some(extensions) = &extensions {
        edit = edit.set("extensions", Edit::of(extensions).remove("io.modelcontextprotocol/tasks").finish());
    }
    edit.finish().into_raw()
}
