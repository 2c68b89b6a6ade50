//! `requestState`: what a modern client carries from a question to its answer.
//!
//! Sealed, and bound to who asked for what of which target: it opens for the same principal, operation and parameters only, and
//! not after its time. What is inside says how the call goes on, and what it has asked so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use audit::{Reaction, Trail};
use identity::PrincipalKey;
use mcp::{Method, Object, Raw, object};
use serde_json::{Value, json};
use upstream::QuestionKind as Kind;

use crate::asked::fits;
use crate::rules::Spent;

#[cfg(test)]
mod tests;

/// The request that a state belongs to.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Who asked.
    pub principal: PrincipalKey,
    /// The gateway's name.
    pub gateway: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// What it is permitted to use there, as the server knows it.
    pub item: String,
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
        /// The server's own `requestState`, a JSON string.
        state: Option<String>,
        /// What was asked, by key.
        asked: BTreeMap<String, Expected>,
        /// What the gateway answers itself: the keys of questions for roots.
        known: Vec<String>,
        /// What it has asked so far.
        spent: Spent,
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
        /// The pages, by key.
        asked: BTreeMap<String, Expected>,
        /// What it has asked so far.
        spent: Spent,
    },
}

/// What an answer has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub(crate) kind: Kind,
    /// The form that it has to fit.
    pub(crate) form: Option<Value>,
}

impl Binding {
    /// What a state is bound to. Spelling and order of members do not matter: a client may write the same request in
    /// another way.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.principal.as_bytes().to_vec();
        for part in [&*self.gateway, &*self.target, self.method.as_str(), &self.item] {
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
            Self::Server { state, asked, known, spent } => {
                json!({ "state": state, "asked": written(asked), "known": known, "spent": spent.to_value() })
            }
            Self::Park { id, owner } => json!({ "park": id, "owner": owner }),
            Self::Anew { asked, spent } => json!({ "anew": written(asked), "spent": spent.to_value() }),
        };
        value.to_string().into_bytes()
    }

    /// Looks at what a client answered, as far as it is known here what was asked, and records what it said.
    ///
    /// # Errors
    /// Which answer does not fit, and why.
    pub fn check(&self, answers: &Object, trail: &Trail) -> Result<(), String> {
        let mut reactions = Vec::new();
        for (key, expected) in self.asked() {
            let Some(answer) = answers.get(key) else { continue };
            let reaction = fits(expected.kind, expected.form.as_ref(), &answer).map_err(|why| {
                trail.question(expected.kind.name()).close(Reaction::Invalid);
                format!("`{key}` does not fit what was asked: {why}")
            })?;
            reactions.push((key, expected.kind, reaction));
        }
        for (_, kind, reaction) in &reactions {
            trail.question(kind.name()).close(*reaction);
        }
        let refused = |(_, _, reaction): &&(_, _, Reaction)| *reaction != Reaction::Accepted;
        match (self, reactions.iter().find(refused)) {
            (Self::Anew { .. }, Some((key, ..))) => {
                Err(format!("`{key}` was not agreed to, so the call is not sent again"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a client was asked something under this key.
    #[must_use]
    pub fn has_asked(&self, key: &str) -> bool {
        self.asked().contains_key(key)
    }

    fn asked(&self) -> &BTreeMap<String, Expected> {
        static NOTHING: BTreeMap<String, Expected> = BTreeMap::new();
        match self {
            Self::Server { asked, .. } | Self::Anew { asked, .. } => asked,
            // The call that waits knows.
            Self::Park { .. } => &NOTHING,
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        if let (Some(id), Some(owner)) = (text("park"), text("owner")) {
            return Some(Self::Park { id, owner });
        }
        let spent = Spent::of_value(value.get("spent")?)?;
        if let Some(asked) = value.get("anew") {
            return Some(Self::Anew { asked: read(asked)?, spent });
        }
        let known = value.get("known")?.as_array()?.iter().filter_map(Value::as_str);
        let known = known.map(ToOwned::to_owned).collect();
        Some(Self::Server { state: text("state"), asked: read(value.get("asked")?)?, known, spent })
    }
}

fn written(asked: &BTreeMap<String, Expected>) -> Value {
    asked
        .iter()
        .map(|(key, expected)| (key.clone(), json!({ "kind": expected.kind.name(), "form": expected.form })))
        .collect()
}

fn read(asked: &Value) -> Option<BTreeMap<String, Expected>> {
    let expected = |(key, value): (&String, &Value)| {
        let kind = Kind::named(value.get("kind")?.as_str()?)?;
        let form = value.get("form").filter(|form| !form.is_null()).cloned();
        Some((key.clone(), Expected { kind, form }))
    };
    asked.as_object()?.iter().map(expected).collect()
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
