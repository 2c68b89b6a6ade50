//! A server's answer, rewritten for a client of the other era.
//!
//! Pure. Only what the two eras say differently is touched (MCP 2026-07-28 versioning; code table in `mcp::code`); everything
//! else stays as the server wrote it.

use mcp::code::{
    ErrorObject, HEADER_MISMATCH, INVALID_PARAMS, LEGACY_RESOURCE_NOT_FOUND, UNSUPPORTED_VERSION,
    URL_ELICITATION_REQUIRED,
};
use mcp::{Edit, Era, Id, Method, Object, Outcome, Payload, Raw, Response, Splice};

/// For whom an answer is rewritten.
#[derive(Clone, Debug)]
pub struct Bridge {
    /// The client's era.
    pub era: Era,
    /// What was asked.
    pub method: Method,
    /// Whether the client declared any extension, which may bring result types of its own.
    pub extensions: Extensions,
}

/// Whether the client declared extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extensions {
    /// At least one.
    Declared,
    /// None, so every result is of a type the core protocol knows.
    None,
}

/// What a server sent that this client must not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no answer yet: the server needs something of the person first.
    #[error("asked a question where there is nobody to ask")]
    Question,
    /// A `resultType` that neither the core nor a declared extension defines.
    #[error("sent a result of a type that the client does not know")]
    UnknownType,
    /// A task that the client cannot be told of, or that it did not ask about.
    #[error("sent a task that does not belong to the request")]
    Task,
    /// The result is not an object.
    #[error("sent a result that is not an object")]
    NotAnObject,
    /// A key stands twice, or in two spellings, where the gateway or the client decides by it.
    #[error("sent an answer that can be read in two ways: a key stands in it twice, or in another spelling")]
    Ambiguous,
    /// An error that only the two ends of one connection can mean: to the client it would speak of the gateway.
    #[error("refused what the gateway sent it")]
    Misunderstood,
}

impl Bridge {
    /// The answer as the client may have it, with the client's own id.
    ///
    /// # Errors
    /// The answer must not reach the client.
    pub fn answer(&self, id: &Id, response: &Response) -> Result<Payload, Unfit> {
        let mut splice = Splice::of(&response.text);
        match &response.id_text {
            Some(own) => splice.replace(own, id.text().clone()),
            None => {
                return Ok(self.error(response)?.response(Some(id)));
            }
        }
        match &response.outcome {
            Outcome::Result(_) => {
                let result = response.result().ok_or(Unfit::NotAnObject)?;
                let meta = result.meta();
                if is_ambiguous(result) || meta.is_some_and(Object::has_duplicate_keys) {
                    return Err(Unfit::Ambiguous);
                }
                self.check_type(result)?;
                splice.apply(self.result(result, meta));
            }
            Outcome::Error(error) => {
                let read = readable(error)?;
                if let Some(changed) = self.recoded(error, read) {
                    splice.replace(error, changed);
                }
            }
        }
        Ok(splice.finish())
    }

    fn check_type(&self, result: &Object) -> Result<(), Unfit> {
        if !result.has("resultType") {
            return Ok(());
        }
        match result.text_of("resultType").as_deref() {
            Some("complete") => Ok(()),
            Some("input_required") => Err(Unfit::Question),
            // Where one is expected, it has been taken care of.
            Some("task") => Err(Unfit::UnknownType),
            Some(_) if self.extensions == Extensions::Declared => Ok(()),
            _ => Err(Unfit::UnknownType),
        }
    }

    fn result<'a>(&self, result: &'a Object, meta: Option<&Object>) -> Edit<'a> {
        let edit = without_forged_meta(meta, Edit::of(result));
        match self.era {
            Era::Modern => self.modernised(result, edit),
            Era::Legacy => legacy(result, edit),
        }
    }

    fn modernised<'a>(&self, result: &Object, mut edit: Edit<'a>) -> Edit<'a> {
        if !result.has("resultType") {
            edit = edit.set("resultType", &b"\"complete\""[..]);
        }
        // MCP 2026-07-28, Caching: required on reads. Nothing is known about how long it holds, so it does not.
        if self.method == Method::ReadResource {
            let ttl = result.get("ttlMs").and_then(|ttl| ttl.to_u64());
            if ttl.is_none() {
                edit = edit.set("ttlMs", &b"0"[..]);
            }
            if !matches!(result.text_of("cacheScope").as_deref(), Some("public" | "private")) {
                edit = edit.set("cacheScope", &b"\"private\""[..]);
            }
        }
        edit
    }

    fn error(&self, response: &Response) -> Result<ErrorObject, Unfit> {
        match &response.outcome {
            Outcome::Error(error) => {
                let read = readable(error)?;
                Ok(ErrorObject { code: self.code(&read), ..read })
            }
            Outcome::Result(_) => {
                Ok(ErrorObject::new(mcp::code::BACKEND_BROKE_PROTOCOL, "The server's answer has no id."))
            }
        }
    }

    /// The error with the code that the client's era uses for it, in its plain spelling; `None` when that is what stands there.
    fn recoded(&self, error: &Raw, read: ErrorObject) -> Option<Raw> {
        let code = self.code(&read);
        if code != read.code {
            return Some(ErrorObject { code, ..read }.to_raw());
        }
        plain_code(error, code)
    }

    /// The code that the client's era uses for an error.
    fn code(&self, error: &ErrorObject) -> i64 {
        let has_uri = error.data.as_ref().is_some_and(|data| data.get("uri").is_some());
        match (self.era, &self.method, error.code) {
            (Era::Modern, _, LEGACY_RESOURCE_NOT_FOUND) => INVALID_PARAMS,
            (Era::Legacy, Method::ReadResource, INVALID_PARAMS) if has_uri => LEGACY_RESOURCE_NOT_FOUND,
            (_, _, code) => code,
        }
    }
}

/// What only modern clients know is dropped, and a structured result that older schemas do not allow.
fn legacy<'a>(result: &Object, edit: Edit<'a>) -> Edit<'a> {
    let edit = edit.remove("resultType").remove("ttlMs").remove("cacheScope");
    match result.get("structuredContent") {
        Some(content) if !content.is_object() => edit.remove("structuredContent"),
        _ => edit,
    }
}

/// `_meta` keys of the gateway's own are nobody else's to set.
pub(crate) fn without_forged_meta<'a>(meta: Option<&Object>, edit: Edit<'a>) -> Edit<'a> {
    let is_own = |key: &str| key.starts_with("dev.portcullis/");
    match meta {
        Some(meta) if meta.keys().any(|key| is_own(&key)) => {
            edit.set("_meta", Edit::of(meta).remove_where(is_own).finish())
        }
        _ => edit,
    }
}

/// What came of a task that has ended, as it may stand in the task: there is nobody to ask any more.
///
/// # Errors
/// The client must not get it.
pub(crate) fn ended(outcome: &Outcome) -> Result<Raw, Unfit> {
    match outcome {
        Outcome::Error(error) => {
            let read = readable(error)?;
            Ok(plain_code(error, read.code).unwrap_or_else(|| error.clone()))
        }
        Outcome::Result(result) => {
            let object = Object::of(result).ok_or(Unfit::NotAnObject)?;
            match object.text_of("resultType").as_deref() {
                _ if is_ambiguous(&object) => Err(Unfit::Ambiguous),
                Some("input_required") => Err(Unfit::Question),
                Some("complete") => Ok(result.clone()),
                None if !object.has("resultType") => Ok(result.clone()),
                _ => Err(Unfit::UnknownType),
            }
        }
    }
}

/// Whether two clients could take a result for two different things.
fn is_ambiguous(result: &Object) -> bool {
    result.has_duplicate_keys()
        || result.has_case_variant_of(&["resultType", "inputRequests", "requestState"])
}

/// An error that is for the client. Header and version errors are about the gateway's own request; `-32042` is a question.
fn readable(error: &Raw) -> Result<ErrorObject, Unfit> {
    let twice = |object: Object| {
        object.has_duplicate_keys() || object.has_case_variant_of(&["code", "message", "data"])
    };
    if Object::of(error).is_some_and(twice) {
        return Err(Unfit::Ambiguous);
    }
    let read = ErrorObject::read(error);
    match read.code {
        HEADER_MISMATCH | UNSUPPORTED_VERSION => Err(Unfit::Misunderstood),
        URL_ELICITATION_REQUIRED => Err(Unfit::Question),
        _ => Ok(read),
    }
}

/// The error with the code that was read from it, where another reader might read another.
fn plain_code(error: &Raw, code: i64) -> Option<Raw> {
    let object = Object::of(error)?;
    let code = code.to_string();
    let plain = object.peek("code").is_none_or(|written| written == code.as_bytes());
    (!plain).then(|| Edit::of(&object).set("code", code).finish().into_raw())
}

/// How an answer went, for the audit trail.
#[must_use]
pub fn outcome(response: &Response) -> audit::Outcome {
    match &response.outcome {
        Outcome::Error(error) => audit::Outcome::Error(ErrorObject::read(error).code),
        Outcome::Result(_) => match response.result().and_then(|result| result.peek("isError")) {
            Some(b"true") => audit::Outcome::ToolError,
            _ => audit::Outcome::Ok,
        },
    }
}
