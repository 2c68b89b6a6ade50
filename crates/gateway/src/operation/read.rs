//! `resources/read`: a URI leads to the target that lists it, or whose template it fits. The gateway fetches no URI itself.

use catalogue::Freshness;
use exchange::{Answer, Exchange};
use mcp::code::{ErrorObject, INVALID_PARAMS, LEGACY_RESOURCE_NOT_FOUND};
use mcp::{Era, Request};
use policy::Action;

use super::{Context, Wanted, forward, leads_nowhere, missing, refused};

/// `resources/read`.
pub(super) async fn resource(context: &Context, request: Request) -> Exchange {
    let Some(uri) = request.params.string("uri") else {
        let error =
            ErrorObject::new(INVALID_PARAMS, "`uri` is missing, or not a string; say what is to be read.");
        return refused(&request, &error);
    };
    if uri == catalogue::status::URI {
        return status(context, &request).await;
    }
    let unknown = not_found(context.caller.era, &uri);
    let route = match context.site.catalogue.route(&context.caller, &uri).await {
        Ok(route) => route,
        Err(missed) => return leads_nowhere(context, &request, &uri, &missing(missed, unknown)),
    };
    let Some(target) = route.item().target() else { return refused(&request, &unknown) };
    let wanted = Wanted {
        target,
        action: Action::ReadResource,
        item: &uri,
        exposed: &uri,
        param_headers: Vec::new(),
        agrees: Ok(()),
    };
    forward(context, request, wanted, &unknown).await
}

async fn status(context: &Context, request: &Request) -> Exchange {
    let seen = super::seen(context, Freshness::Live).await;
    let result = catalogue::status::read_result(&seen.statuses);
    let result = super::own::complete_result(context.caller.era, &result);
    Exchange::answered(request.id.clone(), Answer::result(&request.id, result))
}

/// What a client learns of a resource that does not exist, in its era's own code.
pub(super) fn not_found(era: Era, uri: &str) -> ErrorObject {
    let code = match era {
        Era::Legacy => LEGACY_RESOURCE_NOT_FOUND,
        Era::Modern => INVALID_PARAMS,
    };
    ErrorObject::new(code, "Resource not found").with_data(serde_json::json!({ "uri": uri }))
}
