//! Methods that no revision's core defines. They belong to extensions that client and server have both declared.
//!
//! Such a method says in its parameters what it is about, if anything: a URI or a name leads to its target. Without
//! either, it goes to the only target that shares an extension with the client; with several, nobody can know.

use std::sync::Arc;

use catalogue::Freshness;
use exchange::Exchange;
use mcp::{Edit, Kind, Object, Raw, Request};
use policy::Action;

use super::{Context, Wanted, forward, refused, unknown_method};
use crate::modern;

/// Routes a method of an extension.
pub(super) async fn route(context: &Context, request: Request) -> Exchange {
    let unknown = unknown_method(&request.method);
    let candidates = sharing_an_extension(context).await;
    let Some((target, item, exposed)) = destination(context, &request, &candidates).await else {
        return refused(&request, &unknown);
    };
    let request = renamed(request, &item, &exposed);
    let action = Action::Extension(request.method.as_str().into());
    let wanted = Wanted {
        target: &target,
        action,
        item: &item,
        exposed: &exposed,
        param_headers: Vec::new(),
        agrees: Ok(()),
    };
    forward(context, request, wanted, &unknown).await
}

/// The request with the item's own name; URIs are never renamed.
fn renamed(mut request: Request, item: &str, exposed: &str) -> Request {
    if item != exposed {
        let params = Edit::of(&request.params).set("name", Raw::string(item)).finish().into_raw();
        request.params = Object::of(&params).unwrap_or(request.params);
    }
    request
}

async fn destination(
    context: &Context,
    request: &Request,
    candidates: &[Arc<str>],
) -> Option<(Arc<str>, String, String)> {
    let named = match (request.params.string("uri"), request.params.string("name")) {
        (Some(uri), _) => {
            let route = context.site.catalogue.route(&context.caller, &uri).await.ok()?;
            Some((route.item().target()?.clone(), uri.clone(), uri))
        }
        (None, Some(name)) => {
            let catalogue = &context.site.catalogue;
            let tool = catalogue.find(&context.caller, Kind::Tool, &name).await;
            let item = match tool {
                Ok(item) => item,
                Err(_) => catalogue.find(&context.caller, Kind::Prompt, &name).await.ok()?,
            };
            Some((item.target()?.clone(), item.upstream.to_string(), name))
        }
        (None, None) => None,
    };
    match (named, candidates) {
        (Some(found), _) => candidates.contains(&found.0).then_some(found),
        (None, [only]) => Some((only.clone(), String::new(), String::new())),
        (None, _) => None,
    }
}

/// The targets that declare an extension which the client declares too.
async fn sharing_an_extension(context: &Context) -> Vec<Arc<str>> {
    let declared = context.extensions();
    let seen = super::seen(context, Freshness::Continued).await;
    let shares = |facts: &upstream::ServerFacts| {
        modern::extensions(&facts.capabilities).keys().any(|extension| declared.has(&extension))
    };
    let servers = seen.view.servers().iter();
    servers
        .filter(|server| server.facts.as_ref().is_some_and(shares))
        .map(|server| server.target.clone())
        .collect()
}
