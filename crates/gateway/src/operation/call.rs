//! `tools/call` and `prompts/get`: a name leads to an item, the item to its target.

use catalogue::Item;
use exchange::Exchange;
use http::HeaderValue;
use mcp::code::{ErrorObject, HEADER_MISMATCH, INVALID_PARAMS};
use mcp::{Kind, Request};
use policy::Action;

use super::{Context, Wanted, forward, leads_nowhere, missing, refused};

/// `tools/call`.
pub(super) async fn tool(context: &Context, mut request: Request) -> Exchange {
    let Some(name) = request.params.string("name") else { return refused(&request, &nameless()) };
    let unknown = ErrorObject::new(INVALID_PARAMS, format!("Unknown tool: {name}"));
    let item = match context.site.catalogue.find(&context.caller, Kind::Tool, &name).await {
        Ok(item) => item,
        Err(missed) => return leads_nowhere(context, &request, &name, &missing(missed, unknown)),
    };
    super::task::prepare(context, &mut request, &item);
    named(context, request, &item, Action::CallTool, &unknown).await
}

/// `prompts/get`.
pub(super) async fn prompt(context: &Context, request: Request) -> Exchange {
    let Some(name) = request.params.string("name") else { return refused(&request, &nameless()) };
    let unknown = ErrorObject::new(INVALID_PARAMS, format!("Unknown prompt: {name}"));
    match context.site.catalogue.find(&context.caller, Kind::Prompt, &name).await {
        Ok(item) => named(context, request, &item, Action::GetPrompt, &unknown).await,
        Err(missed) => leads_nowhere(context, &request, &name, &missing(missed, unknown)),
    }
}

async fn named(
    context: &Context,
    request: Request,
    item: &Item,
    action: Action,
    unknown: &ErrorObject,
) -> Exchange {
    let Some(target) = item.target() else { return refused(&request, unknown) };
    // A prompt has no such arguments, so both say nothing there.
    let agrees = check_param_headers(context, item, &request);
    let param_headers = item.param_headers.values(request.params.get("arguments").as_ref());
    let wanted =
        Wanted { target, action, item: &item.upstream, exposed: &item.exposed, param_headers, agrees };
    forward(context, request, wanted, unknown).await
}

/// A server must not act on a body whose headers say something else (MCP 2026-07-28, Streamable HTTP).
fn check_param_headers(context: &Context, item: &Item, request: &Request) -> Result<(), ErrorObject> {
    let Some(headers) = &context.headers else { return Ok(()) };
    let sent = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let arguments = request.params.get("arguments");
    item.param_headers
        .check(sent, arguments.as_ref())
        .map_err(|mismatch| ErrorObject::new(HEADER_MISMATCH, format!("{mismatch}.")))
}

fn nameless() -> ErrorObject {
    ErrorObject::new(INVALID_PARAMS, "`name` is missing, or not a string; say what is to be called.")
}
