//! `input_required`: what a modern server needs before it can go on (MCP 2026-07-28, Multi round-trip requests).
//!
//! Pure: reads such a result, and writes one.

use std::collections::BTreeMap;

use mcp::{Edit, Object, Payload, Raw, meta};
use upstream::QuestionKind as Kind;

use crate::rules::{Refused, Rules};

/// What a server needs.
#[derive(Debug)]
pub(crate) struct Round {
    /// What it asks, by its own keys, in its order.
    pub(crate) questions: Vec<Wanted>,
    /// What it wants to have back, as it wrote it.
    pub(crate) state: Option<Raw>,
}

/// One entry of `inputRequests`.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) key: String,
    pub(crate) kind: Kind,
    pub(crate) params: Object,
}

impl Round {
    /// Reads an `input_required` result.
    ///
    /// # Errors
    /// It is none that anybody could answer.
    pub(crate) fn read(result: &Object, rules: &Rules) -> Result<Self, Refused> {
        let state = result.get("requestState");
        if state.as_ref().is_some_and(|state| !state.is_string()) {
            return Err(Refused::Malformed("its `requestState` is not a string"));
        }
        let entries = match result.get("inputRequests") {
            None => Object::empty(),
            Some(entries) => {
                Object::of(&entries).ok_or(Refused::Malformed("its `inputRequests` is not an object"))?
            }
        };
        let kept = state.as_ref().map_or(0, |state| state.as_bytes().len());
        if entries.text().as_bytes().len() + kept > rules.round_bytes {
            return Err(Refused::Large("round_bytes"));
        }
        if entries.has_duplicate_keys() {
            return Err(Refused::Malformed("a key stands in it twice"));
        }
        let questions = entries.iter().map(|(key, entry)| Wanted::read(key.into_owned(), &entry));
        let questions = questions.collect::<Result<Vec<_>, _>>()?;
        if questions.is_empty() && state.is_none() {
            return Err(Refused::Malformed("it has neither `inputRequests` nor `requestState`"));
        }
        if questions.len() > rules.questions {
            return Err(Refused::Questions(rules.questions));
        }
        Ok(Self { questions, state })
    }
}

impl Wanted {
    fn read(key: String, entry: &Raw) -> Result<Self, Refused> {
        let entry = Object::of(entry).filter(|entry| !entry.has_duplicate_keys());
        let entry = entry.ok_or(Refused::Malformed("an input request is not an object"))?;
        let params = match entry.get("params") {
            None => Object::empty(),
            // A question may wait for long, and is not to keep the answer it came in.
            Some(params) => {
                Object::of(&params.detached()).ok_or(Refused::Malformed("`params` is not an object"))?
            }
        };
        let kind = entry.string("method").and_then(|method| Kind::of(&method, &params));
        let kind = kind.ok_or(Refused::Malformed("it is none of the three that may be asked"))?;
        Ok(Self { key, kind, params })
    }

    /// The entry with other parameters, and nothing else of what its server wrote: it could be read in another way.
    pub(crate) fn with(&self, params: Raw) -> Raw {
        entry(self.kind, params)
    }
}

/// An entry of `inputRequests`.
pub(crate) fn entry(kind: Kind, params: Raw) -> Raw {
    let mut entry = Payload::default();
    entry.push(format!("{{\"method\":{},\"params\":", Raw::string(kind.method()).as_str()));
    entry.append(params.into());
    entry.push(&b"}"[..]);
    entry.into_raw()
}

/// An object with these members.
pub(crate) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Raw)>) -> Raw {
    let mut whole = Payload::default();
    whole.push(&b"{"[..]);
    for (index, (key, value)) in members.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        whole.push(format!("{comma}{}:", Raw::string(key).as_str()));
        whole.push(value);
    }
    whole.push(&b"}"[..]);
    whole.into_raw()
}

/// The `inputResponses` of a call that is sent again.
pub(crate) fn responses(answers: &BTreeMap<String, Raw>) -> Raw {
    object(answers.iter().map(|(key, answer)| (key.as_str(), answer.clone())))
}

/// `result` with these questions and this state in the place of its own, and with the target that asks.
pub(crate) fn result(result: &Object, rules: &Rules, requests: Option<Raw>, state: Option<&str>) -> Payload {
    let empty = Object::empty();
    let own = result.meta().unwrap_or(&empty);
    let meta = Edit::of(own).remove_where(|key| key.starts_with("dev.portcullis/"));
    let meta = meta.set(meta::TARGET, Raw::string(&rules.target)).finish();
    let mut edit = Edit::of(result).set("resultType", &b"\"input_required\""[..]).set("_meta", meta);
    if let Some(requests) = requests {
        edit = edit.set("inputRequests", requests);
    }
    edit = match state {
        Some(state) => edit.set("requestState", Raw::string(state)),
        None => edit.remove("requestState"),
    };
    edit.finish()
}
