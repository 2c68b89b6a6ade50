//! `requestState`: what a modern client carries from a question to its answer.
//!
//! Sealed, and bound to who asked for what at which gateway: it opens for the same principal, method and parameters only, and
//! not after its time. What is inside says how the call goes on.

use std::collections::HashMap;
use std::sync::Arc;

use audit::Reaction;
use identity::PrincipalKey;
use mcp::{Method, Object, Raw, object};
use serde_json::{Value, json};
use upstream::QuestionKind as Kind;

use crate::asked::fits;

#[cfg(test)]
mod tests;

/// The request that a state belongs to.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Who asked.
    pub principal: PrincipalKey,
    /// The gateway's name.
    pub gateway: Arc<str>,
    /// The method.
    pub method: Method,
    /// The parameters, as the client wrote them.
    pub params: Object,
}

/// How a call goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Continuation {
    /// The server itself knows, from its own state.
    Server {
        /// Which target it was.
        target: String,
        /// The server's own `requestState`, a JSON string.
        state: Option<String>,
        /// The forms that answers have to fit, by key.
        forms: HashMap<String, Value>,
        /// What the gateway answers itself: the keys of questions for roots.
        known: Vec<String>,
    },
    /// The call is still open.
    Park {
        /// Under which id.
        id: String,
        /// In which process.
        owner: String,
    },
    /// It begins anew: the person had to visit a page first (MCP 2025-11-25, -32042).
    Anew {
        /// Which target it was.
        target: String,
    },
}

impl Binding {
    /// What a state is bound to. Spelling and order of members do not matter: a client may write the same request in
    /// another way.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.principal.as_bytes().to_vec();
        for part in [&*self.gateway, self.method.as_str()] {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0);
        }
        let carried = ["_meta", "inputResponses", "requestState"];
        members(&self.params, &mut bytes, |key| !carried.contains(&key));
        bytes
    }
}

impl Continuation {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let value = match self {
            Self::Server { target, state, forms, known } => {
                json!({ "target": target, "state": state, "forms": forms, "known": known })
            }
            Self::Park { id, owner } => json!({ "park": id, "owner": owner }),
            Self::Anew { target } => json!({ "anew": target }),
        };
        value.to_string().into_bytes()
    }

    /// Whether what a client answered fits what it was asked, as far as that is known here.
    ///
    /// # Errors
    /// Which answer does not fit, and why.
    pub fn check(&self, answers: &Object) -> Result<(), String> {
        match self {
            Self::Server { forms, .. } => forms.iter().try_for_each(|(key, form)| match answers.get(key) {
                Some(answer) => fits(Kind::Form, Some(form), &answer)
                    .map(drop)
                    .map_err(|why| format!("`{key}` does not fit what was asked: {why}")),
                None => Ok(()),
            }),
            Self::Anew { .. } => answers.iter().try_for_each(|(key, answer)| {
                let agreed = matches!(fits(Kind::Url, None, &answer), Ok(Reaction::Accepted));
                let why = || format!("`{key}` was not agreed to, so the call is not sent again");
                if agreed { Ok(()) } else { Err(why()) }
            }),
            Self::Park { .. } => Ok(()),
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        if let (Some(id), Some(owner)) = (text("park"), text("owner")) {
            return Some(Self::Park { id, owner });
        }
        if let Some(target) = text("anew") {
            return Some(Self::Anew { target });
        }
        let forms = value.get("forms")?.as_object()?;
        let forms = forms.iter().map(|(key, form)| (key.clone(), form.clone())).collect();
        let known = value.get("known")?.as_array()?.iter().filter_map(Value::as_str);
        let known = known.map(ToOwned::to_owned).collect();
        Some(Self::Server { target: text("target")?, state: text("state"), forms, known })
    }
}

/// One spelling for every text that means the same. Numbers keep theirs.
fn canonical(text: &Raw, out: &mut Vec<u8>) {
    if let Some(object) = Object::of(text) {
        return members(&object, out, |_| true);
    }
    match text.to_text() {
        Some(string) => out.extend_from_slice(Raw::string(&string).as_bytes()),
        None if text.as_bytes().first() == Some(&b'[') => {
            out.push(b'[');
            for element in object::elements(text) {
                canonical(&element, out);
                out.push(b',');
            }
            out.push(b']');
        }
        None => out.extend_from_slice(text.as_bytes()),
    }
}

fn members(object: &Object, out: &mut Vec<u8>, wanted: impl Fn(&str) -> bool) {
    let mut members: Vec<_> = object.iter().filter(|(key, _)| wanted(key)).collect();
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    out.push(b'{');
    for (key, value) in members {
        out.extend_from_slice(Raw::string(&key).as_bytes());
        out.push(b':');
        canonical(&value, out);
        out.push(b',');
    }
    out.push(b'}');
}
