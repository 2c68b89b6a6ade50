//! A server's response that is no answer yet: it needs something of the person first.
//!
//! For a modern client it becomes `input_required`, whose state leads back here. For a legacy client the questions are asked
//! while its call stays open, or are its own to handle (`-32042`), as its revision says.

use std::collections::BTreeMap;

use audit::Outcome;
use mcp::code::{ErrorObject, INTERNAL_ERROR, URL_ELICITATION_REQUIRED};
use mcp::{Era, Id, Object, Outcome as Said, Raw, Response};
use serde_json::{Map, Value, json};
use upstream::QuestionKind as Kind;

use crate::Answer;
use crate::asked::Asking;
use crate::relayed::Relayed;
use crate::round::{self, Round};
use crate::rules::Refused;
use crate::state::{Continuation, Expected};

/// What such a response comes to.
pub(crate) enum Settled {
    /// The call goes on, with these questions, or with none.
    Asks(Vec<Asking>),
    /// The client's request has this answer.
    Answers(Answer, Outcome),
}

/// Settles a response that asks something.
pub(crate) fn settle(relayed: &mut Relayed, id: &Id, response: &Response) -> Settled {
    let settled = match &response.outcome {
        Said::Result(result) => round(relayed, id, result),
        Said::Error(error) => addresses(relayed, id, error),
    };
    settled.unwrap_or_else(|error| {
        relayed.warn_of(&error.message);
        Settled::Answers(Answer::error(Some(id), &error), Outcome::Error(error.code))
    })
}

fn round(relayed: &mut Relayed, id: &Id, result: &Raw) -> Result<Settled, ErrorObject> {
    let object = Object::of(result).unwrap_or_else(Object::empty);
    let misplaced = || relayed.rules.error(&Refused::Malformed("it asks where nothing may be asked"));
    // MCP 2026-07-28, Multi round-trip requests: three methods only.
    if relayed.bridge.method.name_param().is_none() {
        return Err(misplaced());
    }
    let round = Round::read(&object, &relayed.rules).map_err(|refused| relayed.rules.error(&refused))?;
    let is_own = |kind| relayed.rules.own_answer(kind).is_some();
    let own = !round.questions.is_empty() && round.questions.iter().all(|wanted| is_own(wanted.kind));
    match relayed.rules.era {
        Era::Modern if own => relayed.ask_round(round).map(Settled::Asks),
        Era::Legacy => relayed.ask_round(round).map(Settled::Asks),
        Era::Modern => {
            let result = pass_on(relayed, &object, &round)?;
            Ok(Settled::Answers(Answer::result(id, result), Outcome::InputRequired))
        }
    }
}

/// A modern server's questions, for a modern client: nothing is kept here, so that any process can go on.
fn pass_on(relayed: &Relayed, result: &Object, round: &Round) -> Result<mcp::Payload, ErrorObject> {
    let rules = &relayed.rules;
    let mut spent = relayed.spent;
    spent.round(round.questions.len(), rules).map_err(|refused| rules.error(&refused))?;
    let (mut asked, mut entries, mut known) = (BTreeMap::new(), Vec::new(), Vec::new());
    for wanted in &round.questions {
        if rules.own_answer(wanted.kind).is_some() {
            known.push(wanted.key.clone());
            continue;
        }
        let fair = spent.ask(wanted.kind, rules).and_then(|()| rules.judge(wanted.kind, &wanted.params));
        let fair = fair.map_err(|refused| {
            relayed.trail.question(wanted.kind.name()).close(audit::Reaction::Refused);
            rules.error(&refused)
        })?;
        asked.insert(wanted.key.clone(), Expected { kind: wanted.kind, form: fair.form });
        entries.push((wanted.key.as_str(), wanted.with(fair.params)));
    }
    let requests = (!entries.is_empty()).then(|| round::object(entries));
    let own = round.state.as_ref().and_then(|state| state.to_text()).map(std::borrow::Cow::into_owned);
    let state = relayed
        .binding
        .as_ref()
        .map(|binding| relayed.desk.seal(binding, &Continuation::Server { state: own, asked, known, spent }));
    Ok(round::result(result, rules, requests, state.as_deref()))
}

/// `-32042` (MCP 2025-11-25): the person has to visit these addresses, and then the call is sent anew.
fn addresses(relayed: &Relayed, id: &Id, error: &Raw) -> Result<Settled, ErrorObject> {
    let rules = &relayed.rules;
    let refuse = |refused: Refused| rules.error(&refused);
    if error.as_bytes().len() > rules.round_bytes {
        return Err(refuse(Refused::Large("round_bytes")));
    }
    let error = ErrorObject::read(error);
    let listed = error.data.as_ref().and_then(|data| data.get("elicitations")).and_then(Value::as_array);
    let listed = listed.map(Vec::as_slice).unwrap_or_default();
    if listed.is_empty() {
        return Err(refuse(Refused::Malformed("it names no address")));
    }
    let mut spent = relayed.spent;
    spent.round(listed.len(), rules).map_err(refuse)?;
    let fair = listed.iter().map(|elicitation| {
        rules.judge(Kind::Url, &visit(elicitation)).map(|fair| fair.params).map_err(|refused| {
            relayed.trail.question(Kind::Url.name()).close(audit::Reaction::Refused);
            refuse(refused)
        })
    });
    let fair = fair.collect::<Result<Vec<_>, _>>()?;
    match (rules.era, &relayed.binding) {
        (Era::Legacy, _) => {
            let fair: Vec<_> = fair.iter().map(|params| without_meta(&params.to_value())).collect();
            // Only what was judged goes on.
            let error = ErrorObject::new(URL_ELICITATION_REQUIRED, error.message)
                .with_data(json!({ "elicitations": fair }));
            let answer = Answer { payload: error.response(Some(id)), status: crate::Status::Ok };
            Ok(Settled::Answers(answer, Outcome::Error(URL_ELICITATION_REQUIRED)))
        }
        (Era::Modern, Some(binding)) => {
            let keys: Vec<_> = (1..=fair.len()).map(|number| format!("visit-{number}")).collect();
            let entries =
                keys.iter().zip(fair).map(|(key, params)| (key.as_str(), round::entry(Kind::Url, params)));
            let requests = round::object(entries);
            let visit = Expected { kind: Kind::Url, form: None };
            let asked = keys.iter().map(|key| (key.clone(), visit.clone())).collect();
            let anew = Continuation::Anew { asked, spent };
            let state = relayed.desk.seal(binding, &anew);
            let result = round::result(&Object::empty(), rules, Some(requests), Some(&state));
            Ok(Settled::Answers(Answer::result(id, result), Outcome::InputRequired))
        }
        (Era::Modern, None) => {
            let sentence = format!(
                "The server `{}` wants the person to visit a page first, which this method has no way to say.",
                rules.target
            );
            Err(ErrorObject::new(INTERNAL_ERROR, sentence))
        }
    }
}

/// An entry of `elicitations`, as a question: what it has beyond that is nothing that was judged.
fn visit(elicitation: &Value) -> Object {
    let mut params = Map::new();
    for key in ["message", "url", "elicitationId"] {
        params.extend(elicitation.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    params.insert("mode".to_owned(), json!("url"));
    Object::of(&Raw::value(&Value::Object(params))).unwrap_or_else(Object::empty)
}

/// An entry of `elicitations` has no `_meta` of its own.
fn without_meta(params: &Value) -> Value {
    let mut params: Map<String, Value> = params.as_object().cloned().unwrap_or_default();
    params.remove("_meta");
    Value::Object(params)
}
