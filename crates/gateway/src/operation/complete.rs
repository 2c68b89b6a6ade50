//! `completion/complete`: the reference leads to a prompt or a template, and so to its target.

use std::sync::Arc;

use catalogue::Item;
use exchange::Exchange;
use mcp::code::{ErrorObject, INVALID_PARAMS};
use mcp::{Edit, Kind, Object, Raw, Request};
use policy::Action;

use super::{Context, Wanted, forward, refused};

/// `completion/complete`.
pub(super) async fn complete(context: &Context, mut request: Request) -> Exchange {
    let Some(reference) = request.params.object("ref") else {
        let error = ErrorObject::new(
            INVALID_PARAMS,
            "`ref` is missing, or not an object; say what is to be completed.",
        );
        return refused(&request, &error);
    };
    let unknown = ErrorObject::new(INVALID_PARAMS, "Nothing here is called what `ref` says.");
    let Some((item, action, member)) = find(context, &reference).await else {
        return refused(&request, &unknown);
    };
    let Some(target) = item.target() else { return refused(&request, &unknown) };
    if let Some(params) = renamed(&request.params, &reference, member, &item.upstream) {
        request.params = params;
    }
    let wanted = Wanted {
        target,
        action,
        item: &item.upstream,
        exposed: &item.exposed,
        param_headers: Vec::new(),
        agrees: Ok(()),
    };
    forward(context, request, wanted, &unknown).await
}

async fn find(context: &Context, reference: &Object) -> Option<(Arc<Item>, Action, &'static str)> {
    let catalogue = &context.site.catalogue;
    match reference.string("type")?.as_str() {
        "ref/prompt" => {
            let item =
                catalogue.find(&context.caller, Kind::Prompt, &reference.string("name")?).await.ok()?;
            Some((item, Action::GetPrompt, "name"))
        }
        "ref/resource" => {
            let uri = reference.string("uri")?;
            let listed = catalogue.find(&context.caller, Kind::Template, &uri).await;
            let item = match listed {
                Ok(item) => item,
                Err(_) => catalogue.route(&context.caller, &uri).await.ok()?.item().clone(),
            };
            // A URI that only fits a template stays as the client wrote it.
            Some((item, Action::ReadResource, "uri"))
        }
        _ => None,
    }
}

/// The parameters with the prompt's own name; URIs are never renamed.
fn renamed(params: &Object, reference: &Object, member: &'static str, name: &str) -> Option<Object> {
    if member != "name" {
        return None;
    }
    let reference = Edit::of(reference).set(member, Raw::string(name)).finish();
    Object::of(&Edit::of(params).set("ref", reference).finish().into_raw())
}
