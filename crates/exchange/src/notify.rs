//! The notifications that belong to no call, as a client of either era gets them.
//!
//! Pure. To a modern client each says to which of its subscriptions it belongs (MCP 2026-07-28, Subscriptions).

use bytes::Bytes;
use mcp::{Edit, Id, Kind, Message, Object, Payload, Raw, Splice, meta, write};
use serde_json::Value;
use upstream::Update;

/// For whom a notification is written.
#[derive(Clone, Debug)]
pub enum Reader {
    /// A legacy client.
    Session,
    /// A modern client that listens under this request id.
    Listener(Id),
}

/// The list of `kind` changed.
#[must_use]
pub fn list_changed(kind: Kind, reader: &Reader) -> Payload {
    match reader {
        Reader::Session => write::signal(kind.change()),
        Reader::Listener(id) => {
            write::notification(kind.change(), text(format!(r#"{{"_meta":{}}}"#, tag(id))))
        }
    }
}

/// A resource changed.
#[must_use]
pub fn updated(update: &Update, reader: &Reader) -> Payload {
    match reader {
        Reader::Session => update.text.clone().into(),
        Reader::Listener(id) => tagged(&update.text, id)
            .or_else(|| tagged(&Update::bare(&update.uri).text, id))
            .unwrap_or_else(|| update.text.clone().into()),
    }
}

/// How a task is, as its server answered when it was asked, for a client that listens under `id` (the extension
/// `io.modelcontextprotocol/tasks`, Notifications).
#[must_use]
pub fn task(task: &Object, id: &Id) -> Payload {
    let empty = Object::empty();
    let meta = Edit::of(task.meta().unwrap_or(&empty)).set(meta::SUBSCRIPTION_ID, id.text().clone()).finish();
    let params = Edit::of(task).remove("resultType").set("_meta", meta).finish();
    write::notification("notifications/tasks", params)
}

/// What a `subscriptions/listen` covers: the first thing said on its stream.
#[must_use]
pub fn acknowledged(id: &Id, filter: &Value) -> Payload {
    let params = text(format!(r#"{{"_meta":{},"notifications":{filter}}}"#, tag(id)));
    write::notification("notifications/subscriptions/acknowledged", params)
}

/// The answer to a `subscriptions/listen`: the gateway ends it.
#[must_use]
pub fn concluded(id: &Id) -> Payload {
    mcp::code::result(id, text(format!(r#"{{"resultType":"complete","_meta":{}}}"#, tag(id))))
}

fn tagged(text: &Raw, id: &Id) -> Option<Payload> {
    let Ok(Message::Notification(notification)) = Message::of(text) else { return None };
    let mut splice = Splice::of(text);
    match notification.params.meta() {
        Some(meta) => splice.apply(Edit::of(meta).set(meta::SUBSCRIPTION_ID, id.text().clone())),
        None => {
            let meta = Object::empty();
            let meta = Edit::of(&meta).set(meta::SUBSCRIPTION_ID, id.text().clone()).finish();
            splice.apply(Edit::of(&notification.params).set("_meta", meta));
        }
    }
    Some(splice.finish())
}

/// The id as the client wrote it.
fn tag(id: &Id) -> String {
    format!(r#"{{"{}":{id}}}"#, meta::SUBSCRIPTION_ID)
}

fn text(text: String) -> Payload {
    Bytes::from(text).into()
}
