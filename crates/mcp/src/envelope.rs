//! Messages: which kind one is, and its parts.

use bytes::Bytes;

use crate::scan::{Sender, outlined};
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
    result: Option<Object>,
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
        let outline = outlined(&text, depth_max, sender)?;
        let whole = Raw::trusted(text);
        let text = trimmed(&whole);
        if text.as_bytes().first() == Some(&b'[') {
            return Ok(Self::Batch(object::elements(&text).iter().map(Message::of).collect()));
        }
        Message::read(&text, |part| Object::of_part(part, &whole, &outline)).map(Self::Single)
    }
}

impl Message {
    /// Sorts a scanned text into request, notification and response.
    ///
    /// # Errors
    /// The text is JSON but not a JSON-RPC 2.0 message.
    pub fn of(text: &Raw) -> Result<Self, Malformed> {
        Self::read(text, Object::of)
    }

    /// The same; `index` finds the members of an object within `text`.
    fn read(text: &Raw, index: impl Fn(&Raw) -> Option<Object>) -> Result<Self, Malformed> {
        let envelope = index(text).ok_or(Malformed::NotAMessage("it is not an object"))?;
        if envelope.peek("jsonrpc") != Some(b"\"2.0\"") {
            return Err(Malformed::NotAMessage("`jsonrpc` must be \"2.0\""));
        }
        if envelope.has("method") {
            return Self::call(text, &envelope, index);
        }
        Response::of(text, &envelope, index).map(Self::Response)
    }

    fn call(
        text: &Raw,
        envelope: &Object,
        index: impl Fn(&Raw) -> Option<Object>,
    ) -> Result<Self, Malformed> {
        let method = envelope.text_of("method").ok_or(Malformed::NotAMessage("`method` must be a string"))?;
        if envelope.has("result") || envelope.has("error") {
            return Err(Malformed::NotAMessage("it is request and response at once"));
        }
        let params = match envelope.get("params") {
            None => Object::empty(),
            Some(params) => index(&params).ok_or(Malformed::NotAMessage("`params` must be an object"))?,
        };
        let Some(id) = envelope.get("id") else {
            return Ok(Self::Notification(Notification {
                text: text.clone(),
                method: method.into_owned(),
                params,
            }));
        };
        let id = Id::of(&id).ok_or(Malformed::NotAMessage("`id` must be a string or a whole number"))?;
        Ok(Self::Request(Request { id, method: Method::parse(&method), params }))
    }
}

impl Response {
    /// The members of the result, where it is an object.
    #[must_use]
    pub fn result(&self) -> Option<&Object> {
        self.result.as_ref()
    }

    fn of(text: &Raw, envelope: &Object, index: impl Fn(&Raw) -> Option<Object>) -> Result<Self, Malformed> {
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
        let result = match &outcome {
            Outcome::Result(result) => index(result),
            Outcome::Error(_) => None,
        };
        Ok(Self { text: text.clone(), id, id_text, outcome, result })
    }
}

fn trimmed(whole: &Raw) -> Raw {
    let text = whole.as_bytes();
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = text.iter().take_while(|byte| space(byte)).count();
    let end = text.len() - text[start..].iter().rev().take_while(|byte| space(byte)).count();
    whole.part(start..end)
}
