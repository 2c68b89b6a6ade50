//! `resources/subscribe` and `resources/unsubscribe`, and what a `subscriptions/listen` asks for each of its resources: a URI
//! leads to its target, and whoever may read it may watch it.

use std::sync::Arc;

use audit::{Outcome, Pending};
use exchange::{Answer, Counted, Exchange, Interests};
use mcp::code::{
    BACKEND_BROKE_PROTOCOL, ErrorObject, HEADER_MISMATCH, INVALID_PARAMS, METHOD_NOT_FOUND,
    MISSING_CAPABILITY, QUOTA, UNSUPPORTED_VERSION, URL_ELICITATION_REQUIRED,
};
use mcp::{Era, Method, Raw, Request};
use policy::{Action, Denial};
use serde_json::json;
use upstream::{NotSubscribed, Subscription};

use super::{Context, intent, missing, read, refused, to_use, unknown_method};

/// Characters of a server's own words that a refusal repeats.
const MESSAGE_MAX: usize = 512;

/// `resources/subscribe`.
pub(super) async fn subscribe(context: &Context, request: &Request) -> Exchange {
    let Some(session) = &context.session else { return refused(request, &unknown_method(&request.method)) };
    let Some(uri) = request.params.string("uri") else { return refused(request, &nameless()) };
    match watch_resource(context, &uri, session.interests()).await {
        Ok(()) => done(request),
        Err(error) => refused(request, &error),
    }
}

/// `resources/unsubscribe`. What was not subscribed to is not any more, either.
pub(super) fn unsubscribe(context: &Context, request: &Request) -> Exchange {
    let Some(session) = &context.session else { return refused(request, &unknown_method(&request.method)) };
    let Some(uri) = request.params.string("uri") else { return refused(request, &nameless()) };
    session.interests().give_up(&uri);
    done(request)
}

/// Has the server of `uri` tell of its changes. A second time changes nothing.
///
/// # Errors
/// What to say instead; a resource that the caller may not see does not exist.
pub(crate) async fn watch_resource(
    context: &Context,
    uri: &str,
    interests: &Interests,
) -> Result<(), ErrorObject> {
    if interests.has(uri) {
        return Ok(());
    }
    let counted = share(context, interests)?;
    let subscription = agree(context, uri, interests).await?;
    interests.hold(uri, subscription, counted);
    Ok(())
}

/// Has the server that has `uri` now tell of its changes, in the place of one that does not any more. What was agreed before
/// is not given up before the answer is there: whoever is cut short does not lose it.
///
/// # Errors
/// What is gone, or may not be seen any more, is not watched any more.
pub(crate) async fn watch_anew(
    context: &Context,
    uri: &str,
    interests: &Interests,
) -> Result<(), ErrorObject> {
    match agree(context, uri, interests).await {
        Ok(subscription) => {
            interests.renew(uri, subscription);
            Ok(())
        }
        Err(error) => {
            interests.give_up(uri);
            Err(error)
        }
    }
}

/// The part of the caller's share that one more subscription takes; `None` where nobody has a share.
fn share(context: &Context, interests: &Interests) -> Result<Option<Counted>, ErrorObject> {
    let site = &context.site;
    if interests.len() >= site.limits.subscriptions_per_session {
        return Err(too_many("this session", "limits.subscriptions_per_session"));
    }
    let Some(whose) = site.share_of(&context.caller.principal) else { return Ok(None) };
    let counted = site.subscriptions.take(whose, site.limits.subscriptions_per_principal);
    counted.map(Some).ok_or_else(|| too_many("you", "limits.subscriptions_per_principal"))
}

async fn agree(context: &Context, uri: &str, interests: &Interests) -> Result<Subscription, ErrorObject> {
    let (site, principal) = (&context.site, &context.caller.principal);
    let unknown = read::not_found(context.caller.era, uri);
    let item = match site.catalogue.route(&context.caller, uri).await {
        Ok(route) => route.item().clone(),
        Err(missed) => return Err(missing(missed, unknown)),
    };
    let Some(target) = item.target() else { return Err(untold("portcullis")) };
    let method = match context.caller.era {
        Era::Legacy => Method::Subscribe,
        Era::Modern => Method::Listen,
    };
    let record = Pending::open(intent(context, &method, target, uri));
    let permit = match site.policy.authorize(principal, to_use(context, target, Action::ReadResource, uri)) {
        Ok(permit) => permit,
        Err(Denial::Hidden) => {
            record.close(Outcome::Denied);
            return Err(unknown);
        }
    };
    let Some(live) = site.targets.get(target) else {
        record.close(Outcome::Error(mcp::code::INTERNAL_ERROR));
        return Err(crate::refusal::internal());
    };
    match live.upstream.subscribe(permit, &context.caller, interests.inbox()).await {
        Ok(subscription) => {
            record.close(Outcome::Ok);
            Ok(subscription)
        }
        Err(why) => {
            let error = refusal(why, target);
            record.close(Outcome::Error(error.code));
            Err(error)
        }
    }
}

fn refusal(why: NotSubscribed, target: &Arc<str>) -> ErrorObject {
    match why {
        NotSubscribed::Unsupported => untold(target),
        NotSubscribed::Refused(error) => refused_by_server(error),
        NotSubscribed::Failed(error) => error.to_error(target),
    }
}

/// A server's refusal with nothing beside code and message: its data was not judged. A code that only the two ends of one
/// connection can mean, or that asks the client for something, is none here.
fn refused_by_server(error: ErrorObject) -> ErrorObject {
    let code = match error.code {
        HEADER_MISMATCH | UNSUPPORTED_VERSION | MISSING_CAPABILITY | URL_ELICITATION_REQUIRED => {
            BACKEND_BROKE_PROTOCOL
        }
        code => code,
    };
    let message: String =
        error.message.chars().filter(|letter| !letter.is_control()).take(MESSAGE_MAX).collect();
    ErrorObject::new(code, message)
}

fn untold(target: &str) -> ErrorObject {
    let sentence = format!(
        "The server `{target}` does not tell of changes of this resource; read it again when you need it."
    );
    ErrorObject::new(METHOD_NOT_FOUND, sentence)
}

fn too_many(who: &str, bound: &str) -> ErrorObject {
    let sentence =
        format!("There are as many subscriptions of {who} as `{bound}` allows; give one up first.");
    ErrorObject::new(QUOTA, sentence)
}

fn nameless() -> ErrorObject {
    ErrorObject::new(INVALID_PARAMS, "`uri` is missing, or not a string; say which resource is meant.")
}

fn done(request: &Request) -> Exchange {
    Exchange::answered(request.id.clone(), Answer::result(&request.id, Raw::value(&json!({})).into()))
}

#[cfg(test)]
mod tests;
