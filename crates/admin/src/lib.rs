//! The control plane's listener: is the process alive, and is it ready?
//!
//! Says nothing that needs protecting: names of gateways and targets and sentences about them, never an address or a secret. It
//! listens on an address of its own, so that the data plane's clients never reach it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use net::{Body, HostPolicy};
use serde_json::{Value, json};

/// Whether the process can take traffic.
#[derive(Clone, Debug, PartialEq)]
pub enum Readiness {
    /// It can; what is said is for people.
    Ready(Value),
    /// It cannot, for the reasons given.
    NotReady(Value),
}

/// Answers requests to the admin listener.
#[derive(Clone)]
pub struct Admin {
    hosts: HostPolicy,
    readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
}

impl Admin {
    /// An admin plane for these hosts that asks `readiness` each time somebody wants to know.
    pub fn new(hosts: HostPolicy, readiness: impl Fn() -> Readiness + Send + Sync + 'static) -> Self {
        Self { hosts, readiness: Arc::new(readiness) }
    }

    /// Answers one request.
    #[must_use]
    pub fn handle(&self, request: &Request<Incoming>) -> Response<Body> {
        if let Err(forbidden) = self.hosts.check(request.headers(), request.uri().authority()) {
            return answer(StatusCode::FORBIDDEN, &json!({ "error": forbidden.to_string() }));
        }
        match (request.uri().path(), request.method()) {
            ("/healthz", &Method::GET | &Method::HEAD) => {
                answer(StatusCode::OK, &json!({ "status": "alive" }))
            }
            ("/readyz", &Method::GET | &Method::HEAD) => match (self.readiness)() {
                Readiness::Ready(details) => answer(StatusCode::OK, &details),
                Readiness::NotReady(details) => answer(StatusCode::SERVICE_UNAVAILABLE, &details),
            },
            ("/healthz" | "/readyz", _) => {
                answer(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": "use GET" }))
            }
            _ => answer(StatusCode::NOT_FOUND, &json!({ "error": "there is /healthz and /readyz" })),
        }
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
