//! A modern client that comes back with an answer: its sealed state says how the call goes on.

use std::sync::Arc;

use exchange::{Binding, Continuation, Exchange, Stale};
use mcp::code::{ErrorObject, INVALID_PARAMS};
use mcp::{Edit, Object, Raw, Request};

use super::Context;

/// How a request begins.
pub(super) enum Start {
    /// Like any other; its parameters are what the server is to get.
    Anew(Request),
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
    target: &Arc<str>,
) -> Start {
    let Some(state) = request.params.get("requestState") else { return Start::Anew(request) };
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
    let Ok((continuation, answers)) = opened else { return stale(context, request) };
    if let Err(why) = continuation.check(&answers) {
        return Start::Refused(request, wrong(&format!("{why}.")));
    }
    match continuation {
        Continuation::Park { id, owner } => {
            match context.site.desk.claim(binding.principal, &id, &owner).await {
                Ok(exchange) => Start::Resumed(Box::new(exchange), request, answers),
                Err(Stale) => stale(context, request),
            }
        }
        // What another target said means nothing to this one.
        Continuation::Server { target: other, .. } | Continuation::Anew { target: other }
            if *other != **target =>
        {
            stale(context, request)
        }
        Continuation::Server { state: Some(state), .. } => {
            let params = Edit::of(&request.params).set("requestState", Raw::string(&state));
            anew(params.finish().into_raw(), request)
        }
        Continuation::Server { state: None, .. } => {
            let params = Edit::of(&request.params).remove("requestState");
            anew(params.finish().into_raw(), request)
        }
        Continuation::Anew { .. } => {
            let params = Edit::of(&request.params).remove("requestState").remove("inputResponses");
            anew(params.finish().into_raw(), request)
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

fn anew(params: Raw, request: Request) -> Start {
    let params = Object::of(&params).unwrap_or_else(|| request.params.clone());
    Start::Anew(Request { params, ..request })
}

/// Forged, foreign, used or too old: nobody learns which.
fn stale(context: &Context, request: Request) -> Start {
    let subject = context.caller.principal.subject();
    tracing::warn!(gateway.name = %context.site.name, subject, "a request state was brought back that does not open");
    Start::Refused(request, wrong(&format!("{Stale}.")))
}

fn wrong(sentence: &str) -> ErrorObject {
    ErrorObject::new(INVALID_PARAMS, sentence)
}
