//! The four lists: one page of what the caller may see.

use catalogue::Freshness;
use exchange::{Answer, Exchange};
use mcp::code::{ErrorObject, INVALID_PARAMS};
use mcp::{Era, Kind, Raw, Request};
use serde_json::json;

use super::{Context, own, refused};

/// One page of the list of `kind`.
pub(super) async fn list(context: &Context, kind: Kind, request: &Request) -> Exchange {
    let site = &context.site;
    let cursor =
        match request.params.get("cursor").map(|cursor| cursor.to_text().map(|text| text.into_owned())) {
            None => None,
            Some(Some(cursor)) => Some(cursor),
            Some(None) => return refused(request, &bad_cursor()),
        };
    // Pages after the first one continue the same lists.
    let freshness = if cursor.is_some() { Freshness::Continued } else { Freshness::Live };
    let seen = super::seen(context, freshness).await;
    let Ok(page) = site.pager.page(&seen.view, kind, context.caller.principal.key(), cursor.as_deref())
    else {
        return refused(request, &bad_cursor());
    };
    if let Some(session) = &context.session {
        session.interests().see_list(kind, seen.view.digest(kind));
    }
    let page = if context.caller.era == Era::Modern { page.for_modern() } else { page };
    let mut more = Vec::new();
    if context.caller.era == Era::Modern {
        // It is this principal's own, whatever the servers say of their parts of it.
        more.push(("resultType", Raw::value(&json!("complete"))));
        more.push(("ttlMs", Raw::number(u64::try_from(seen.ttl.as_millis()).unwrap_or_default())));
        more.push(("cacheScope", Raw::value(&json!("private"))));
    }
    if let Some(meta) = own::meta(context.caller.era, catalogue::status::meta(&seen.statuses)) {
        more.push(("_meta", meta));
    }
    Exchange::answered(request.id.clone(), Answer::result(&request.id, page.result(&more)))
}

fn bad_cursor() -> ErrorObject {
    ErrorObject::new(INVALID_PARAMS, "`cursor` is not one that this list gave you; start again without one.")
}
