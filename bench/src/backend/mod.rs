//! A trivial, fast MCP server that speaks both eras of Streamable HTTP, on one thread.
//!
//! Keeps no sessions: it names one and takes any. `/mcp` lists 20 tools; `/all/mcp` lists 200 in one page, which is what a
//! gateway in front of ten of these answers. `/live/mcp` has a list that changes once.

mod body;
mod feeds;
mod gate;
mod questions;
pub mod tools;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::Era;
use body::Body;
use feeds::Feeds;
use gate::Gates;
use questions::Questions;
use tools::Lists;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// What every answer may need.
struct Backend {
    lists: Lists,
    gates: Gates,
    questions: Questions,
    feeds: Feeds,
}

/// A request, as far as it matters here; borrowed from the body.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    /// Answers to questions have none.
    method: Option<&'a str>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    name: Option<&'a str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "inputResponses")]
    input_responses: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

/// Serves until standard input is closed.
pub fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let backend = Arc::new(Backend {
        lists: Lists::new(),
        gates: Gates::default(),
        questions: Questions::default(),
        feeds: Feeds::default(),
    });
    runtime.block_on(crate::serve::until_abandoned(move |request| answer(backend.clone(), request)))
}

async fn answer(backend: Arc<Backend>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let is_live = head.uri.path() == feeds::PATH;
    match head.method {
        Method::POST => {}
        Method::GET if is_live => return backend.feeds.standing(),
        Method::DELETE => return status(StatusCode::NO_CONTENT),
        _ => return status(StatusCode::METHOD_NOT_ALLOWED),
    }
    let Ok(body) = body.collect().await else { return status(StatusCode::BAD_REQUEST) };
    let body = body.to_bytes();
    let Ok(asked) = serde_json::from_slice::<Asked<'_>>(&body) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let Some(id) = asked.id.map(RawValue::get) else { return status(StatusCode::ACCEPTED) };
    let era = era(&head.headers);
    let params = asked.params.unwrap_or_default();
    let Some(method) = asked.method else {
        backend.questions.answered(id);
        return status(StatusCode::ACCEPTED);
    };
    match (method, era) {
        ("tools/call", _) => tools::call(&backend, era, id, &params).await,
        ("tools/list", _) => json(result(id, backend.lists.of(head.uri.path(), era, &backend.feeds))),
        ("initialize", Era::Legacy) => opened(id, tools_capability(is_live)),
        ("server/discover", Era::Modern) => json(result(id, &discovered(tools_capability(is_live)))),
        ("subscriptions/listen", Era::Modern) if is_live => backend.feeds.listen(id),
        ("ping", Era::Legacy) => json(result(id, "{}")),
        _ => {
            let mut response = json(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#
            ));
            if era == Era::Modern {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            response
        }
    }
}

fn tools_capability(is_live: bool) -> &'static str {
    if is_live { r#"{"listChanged":true}"# } else { "{}" }
}

fn discovered(tools: &str) -> String {
    format!(
        r#"{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{{"tools":{tools}}},"ttlMs":60000,"cacheScope":"public","_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"bench-backend","version":"1.0.0"}}}}}}"#
    )
}

fn era(headers: &HeaderMap) -> Era {
    match headers.get("mcp-protocol-version") {
        Some(version) if version.as_bytes() == Era::Modern.version().as_bytes() => Era::Modern,
        _ => Era::Legacy,
    }
}

fn opened(id: &str, tools: &str) -> Response<Body> {
    let capabilities = format!(
        r#""capabilities":{{"tools":{tools}}},"serverInfo":{{"name":"bench-backend","version":"1.0.0"}}"#
    );
    let version = Era::Legacy.version();
    let mut response = json(result(id, &format!(r#"{{"protocolVersion":"{version}",{capabilities}}}"#)));
    response
        .headers_mut()
        .insert("mcp-session-id", HeaderValue::from_static("the-one-session-of-the-backend"));
    response
}

fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

fn json(text: String) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::from(text)));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn events(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, EVENTS);
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::new()));
    *response.status_mut() = status;
    response
}
