//! A modern client that comes back with an answer: its sealed state says how the call goes on.

use audit::Trail;
use exchange::{Binding, Continuation, Exchange, Spent, Stale};
use mcp::code::{ErrorObject, INVALID_PARAMS};
use mcp::{Edit, Object, Raw, Request};
use upstream::Upstream;

use super::Context;

/// How a request begins.
pub(super) enum Start {
    /// Like any other; its parameters are what the server is to get. It may have asked its client before.
    Anew(Request, Spent),
    /// With a call that is open already, and what the client answered.
    Resumed(Box<Exchange>, Request, Object),
    /// Not at all.
    Refused(Request, ErrorObject),
}

/// Looks at what the client brought back. It is permitted already; a state opens nothing that policy would not.
pub(super) async fn start(
    context: &Context,
    binding: &Binding,
    request: Request,
    (target, trail): (&Upstream, &Trail),
) -> Start {
    let Some(state) = request.params.get("requestState") else {
        return Start::Anew(request, Spent::default());
    };
    let opened = match (state.to_text(), answers(&request)) {
        (Some(state), Some(answers)) => {
            context.site.desk.open(binding, &state).map(|opened| (opened, answers))
        }
        _ => {
            return Start::Refused(
                request,
                wrong("`requestState` or `inputResponses` is of the wrong type."),
            );
        }
    };
    let Ok((continuation, answers)) = opened else { return stale(context, request, trail) };
    if let Err(why) = continuation.check(&answers, trail) {
        return Start::Refused(request, wrong(&format!("{why}.")));
    }
    // What was never asked is no answer, and goes nowhere (MCP 2026-07-28, Multi round-trip requests).
    let foreign = |key: &str| !continuation.has_asked(key);
    if !matches!(continuation, Continuation::Park { .. }) && answers.keys().any(|key| foreign(&key)) {
        trail.stray();
    }
    let own = Edit::of(&answers).remove_where(foreign);
    match continuation {
        Continuation::Park { id, owner } => {
            match context.site.desk.claim(binding.principal, &id, &owner).await {
                Ok(exchange) => Start::Resumed(Box::new(exchange), request, answers),
                Err(Stale) => stale(context, request, trail),
            }
        }
        Continuation::Server { state, known, spent, .. } => {
            let mut edit = Edit::of(&request.params);
            edit = match state {
                Some(state) => edit.set("requestState", Raw::string(&state)),
                None => edit.remove("requestState"),
            };
            let whole = known.into_iter().zip(target.roots().into_iter().cycle());
            let whole = whole.fold(own, |whole, (key, roots)| whole.set(key, roots)).finish().into_raw();
            edit = if Object::of(&whole).is_none_or(|whole| whole.is_empty()) {
                edit.remove("inputResponses")
            } else {
                edit.set("inputResponses", whole)
            };
            anew(edit.finish().into_raw(), request, spent)
        }
        Continuation::Anew { spent, .. } => {
            let params = Edit::of(&request.params).remove("requestState").remove("inputResponses");
            anew(params.finish().into_raw(), request, spent)
        }
    }
}

/// What the client answered; `None` when it is not of the right type.
fn answers(request: &Request) -> Option<Object> {
    match request.params.get("inputResponses") {
        None => Some(Object::empty()),
        Some(answers) => Object::of(&answers),
    }
}

fn anew(params: Raw, request: Request, spent: Spent) -> Start {
    let params = Object::of(&params).unwrap_or_else(|| request.params.clone());
    Start::Anew(Request { params, ..request }, spent)
}

/// Forged, foreign, used or too old: nobody learns which.
fn stale(context: &Context, request: Request, trail: &Trail) -> Start {
    trail.stray();
    let subject = context.caller.principal.subject();
    tracing::warn!(gateway.name = %context.site.name, subject, "a request state was brought back that does not open");
    Start::Refused(request, wrong(&format!("{Stale}.")))
}

fn wrong(sentence: &str) -> ErrorObject {
    ErrorObject::new(INVALID_PARAMS, sentence)
}
