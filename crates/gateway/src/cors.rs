//! Lets the browser pages of allowed origins read answers. Whether an origin is allowed has been decided before
//! anything here runs.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use net::Body;

const EXPOSED: HeaderValue =
    HeaderValue::from_static("Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
const HEADERS: &str = "Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Last-Event-ID, Mcp-Method, Mcp-Name";

/// Adds what a browser needs to hand `response` to the page at `origin`.
pub fn allow(origin: Option<&HeaderValue>, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

/// The answer to a browser that asks before it sends. `Mcp-Param-*` names are the client's own, so what it asks for is
/// granted when it has one of these forms.
#[must_use]
pub fn preflight(request: &HeaderMap) -> Response<Body> {
    let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
    let params = asked
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| {
            name.len() <= 128 && name.to_ascii_lowercase().starts_with(mcp::header::MCP_PARAM_PREFIX)
        })
        .take(32)
        .fold(String::from(HEADERS), |all, name| all + ", " + name);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    if let Ok(allowed) = HeaderValue::try_from(params) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
