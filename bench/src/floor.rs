//! The floor: a proxy that parses the JSON-RPC envelope and forwards, and does nothing else.
//!
//! No authentication, no catalogue, no sessions, no audit, and the answer is relayed unseen: what every gateway has to do at
//! the least. Same libraries and same number of threads as the gateway, so that what is left is the gateway's own work.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::value::RawValue;

type Forward = Client<HttpConnector, Full<Bytes>>;
type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// The envelope; borrowed from the body.
#[derive(Deserialize)]
struct Envelope<'a> {
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<&'a str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Forwards to `backend` until standard input is closed.
pub fn run(backend: SocketAddr) -> anyhow::Result<()> {
    let authority: Authority = backend.to_string().parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Forward = Client::builder(TokioExecutor::new()).build(connector);
        let handle = move |request| forward(client.clone(), authority.clone(), request);
        crate::serve::until_abandoned(handle).await
    })
}

async fn forward(client: Forward, backend: Authority, request: Request<Incoming>) -> Answer {
    let (mut head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return failed(StatusCode::BAD_REQUEST) };
    let body = body.to_bytes();
    if !body.is_empty() && !is_message(&body) {
        return failed(StatusCode::BAD_REQUEST);
    }
    let mut uri = head.uri.into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(backend);
    let Ok(uri) = Uri::from_parts(uri) else { return failed(StatusCode::BAD_REQUEST) };
    head.uri = uri;
    for name in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    match client.request(Request::from_parts(head, Full::new(body))).await {
        Ok(response) => response.map(Either::Left),
        Err(_) => failed(StatusCode::BAD_GATEWAY),
    }
}

fn is_message(body: &[u8]) -> bool {
    serde_json::from_slice::<Envelope<'_>>(body).is_ok_and(|envelope| {
        let well_formed = envelope.params.is_none_or(|params| params.get().starts_with('{'));
        envelope.jsonrpc == "2.0" && well_formed && (envelope.method.is_some() || envelope.id.is_some())
    })
}

fn failed(status: StatusCode) -> Answer {
    let mut response = Response::new(Either::Right(Full::default()));
    *response.status_mut() = status;
    response
}
