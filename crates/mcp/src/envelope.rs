//! Messages: which kind one is, and its parts.

use bytes::Bytes;

use crate::scan::{Sender, scan};
use crate::{Id, Malformed, Method, Object, Raw, object};

/// One JSON-RPC message.
#[derive(Clone, Debug)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Is one.
    Response(Response),
}

/// A body as a client may send it.
#[derive(Clone, Debug)]
pub enum Body {
    /// One message.
    Single(Message),
    /// A batch (2025-03-26 only); each member stands for itself, so one that is wrong does not spoil the others.
    Batch(Vec<Result<Message, Malformed>>),
}

/// A request: method, parameters, and the id its answer will carry.
#[derive(Clone, Debug)]
pub struct Request {
    /// The id, as written.
    pub id: Id,
    /// The method.
    pub method: Method,
    /// The parameters; an empty object where none were written.
    pub params: Object,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The whole text.
    pub text: Raw,
    /// The method.
    pub method: String,
    /// The parameters; an empty object where none were written.
    pub params: Object,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The whole text.
    pub text: Raw,
    /// The id of the request it answers; `None` where the sender could not read that.
    pub id: Option<Id>,
    /// The id as written, for splicing.
    pub id_text: Option<Raw>,
    /// How it went.
    pub outcome: Outcome,
}

/// How a request went.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The `result`.
    Result(Raw),
    /// The `error`.
    Error(Raw),
}

impl Body {
    /// Reads what a client sent: nothing ambiguous, nothing nested deeper than `depth_max`.
    ///
    /// # Errors
    /// The text as a whole is malformed. What is wrong with one member of a batch is in its place in the batch.
    pub fn from_client(text: Bytes, depth_max: usize) -> Result<Self, Malformed> {
        Self::read(text, depth_max, Sender::Client)
    }

    /// Reads what a server sent; 2025-03-26 servers may answer in batches.
    ///
    /// # Errors
    /// As [`Body::from_client`].
    pub fn from_server(text: Bytes, depth_max: usize) -> Result<Self, Malformed> {
        Self::read(text, depth_max, Sender::Server)
    }

    fn read(text: Bytes, depth_max: usize, sender: Sender) -> Result<Self, Malformed> {
        scan(&text, depth_max, sender)?;
        let text = trimmed(text);
        if text.as_bytes().first() == Some(&b'[') {
            return Ok(Self::Batch(object::elements(&text).iter().map(Message::of).collect()));
        }
        Message::of(&text).map(Self::Single)
    }
}

impl Message {
    /// Sorts a scanned text into request, notification and response.
    ///
    /// # Errors
    /// The text is JSON but not a JSON-RPC 2.0 message.
    pub fn of(text: &Raw) -> Result<Self, Malformed> {
        let envelope = Object::of(text).ok_or(Malformed::NotAMessage("it is not an object"))?;
        if envelope.get("jsonrpc").is_none_or(|version| version.as_bytes() != b"\"2.0\"") {
            return Err(Malformed::NotAMessage("`jsonrpc` must be \"2.0\""));
        }
        if let Some(method) = envelope.get("method") {
            let method = method.to_text().ok_or(Malformed::NotAMessage("`method` must be a string"))?;
            return Self::call(text, &envelope, &method);
        }
        Response::of(text, &envelope).map(Self::Response)
    }

    fn call(text: &Raw, envelope: &Object, method: &str) -> Result<Self, Malformed> {
        if envelope.get("result").is_some() || envelope.get("error").is_some() {
            return Err(Malformed::NotAMessage("it is request and response at once"));
        }
        let params = match envelope.get("params") {
            None => Object::empty(),
            Some(params) => {
                Object::of(&params).ok_or(Malformed::NotAMessage("`params` must be an object"))?
            }
        };
        let Some(id) = envelope.get("id") else {
            return Ok(Self::Notification(Notification {
                text: text.clone(),
                method: method.to_owned(),
                params,
            }));
        };
        let id = Id::of(&id).ok_or(Malformed::NotAMessage("`id` must be a string or a whole number"))?;
        Ok(Self::Request(Request { id, method: Method::parse(method), params }))
    }
}

impl Response {
    fn of(text: &Raw, envelope: &Object) -> Result<Self, Malformed> {
        let outcome = match (envelope.get("result"), envelope.get("error")) {
            (Some(result), None) => Outcome::Result(result),
            (None, Some(error)) if error.is_object() => Outcome::Error(error),
            (Some(_), Some(_)) => return Err(Malformed::NotAMessage("it has both `result` and `error`")),
            (None, Some(_)) => return Err(Malformed::NotAMessage("`error` must be an object")),
            (None, None) => {
                return Err(Malformed::NotAMessage("it has neither `method`, `result` nor `error`"));
            }
        };
        let id_text = envelope.get("id").filter(|id| !id.is_null());
        let id = match &id_text {
            None => None,
            Some(id) => {
                Some(Id::of(id).ok_or(Malformed::NotAMessage("`id` must be a string or a whole number"))?)
            }
        };
        Ok(Self { text: text.clone(), id, id_text, outcome })
    }
}

fn trimmed(text: Bytes) -> Raw {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = text.iter().take_while(|byte| space(byte)).count();
    let end = text.len() - text[start..].iter().rev().take_while(|byte| space(byte)).count();
    Raw::trusted(text.slice(start..end))
}
