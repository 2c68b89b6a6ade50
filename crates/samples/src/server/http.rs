//! Streamable HTTP: where a sample listens, how a message is read, and how it is answered.
//!
//! Each era has rules of its own, in [`legacy`] and [`modern`]; what both have in common is here. Listens on loopback only.

pub mod legacy;
pub mod modern;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use mcp::code::{ErrorObject, INVALID_REQUEST, METHOD_NOT_FOUND};
use mcp::{Era, Id, Malformed, Message, Object, Payload, sse};
use net::{Body, BodyError, Drain, HostPolicy, Listener, Options, Server};
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::dispatch::{self, Asked};
use super::outlet::{LogLevel, Notices, QUEUE, progress_token};
use super::question::{Inquiry, Line, Modes};
use super::{Caller, Sample};

/// The one path there is.
const PATH: &str = "/mcp";
/// A message from a client, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Nesting of JSON, in levels.
const DEPTH_MAX: usize = 64;
/// For a client to send its message.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A loopback address that is bound and not served yet; clients that connect wait.
pub struct Endpoint {
    listener: Listener,
    hosts: HostPolicy,
    url: Url,
}

impl Endpoint {
    /// Binds a free port. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system has none.
    pub fn bind() -> io::Result<Self> {
        let listener = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Options::default())?;
        let ip = listener.local_addr().ip();
        let url = Url::parse(&format!("http://{}{PATH}", listener.local_addr())).map_err(io::Error::other)?;
        let hosts = HostPolicy::new::<&str>(ip, &url, &[], &[]).map_err(io::Error::other)?;
        Ok(Self { listener, hosts, url })
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Serves until `drain` begins. Requests to another path, or from a web page of somewhere else, do not get as far as
    /// `handle`.
    pub async fn serve<H, F>(self, handle: H, drain: Drain)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        self.serve_with_pages(handle, |_, _| None, drain).await;
    }

    /// The same; what is at other paths, if anything is, `page` knows.
    pub async fn serve_with_pages<H, F, P>(self, handle: H, page: P, drain: Drain)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
        P: Fn(&http::Method, &str) -> Option<String> + Clone + Send + Sync + 'static,
    {
        let hosts = Arc::new(self.hosts);
        let handler = move |request: Request<Incoming>, _| {
            let (hosts, handle, page) = (hosts.clone(), handle.clone(), page.clone());
            async move {
                match hosts.check(request.headers(), request.uri().authority()) {
                    Ok(()) if request.uri().path() == PATH => handle(request).await,
                    Ok(()) => page(request.method(), request.uri().path())
                        .map_or_else(|| status(StatusCode::NOT_FOUND), html),
                    Err(why) => Refusal::new(StatusCode::FORBIDDEN, INVALID_REQUEST, why.to_string()).into(),
                }
            }
        };
        net::serve(self.listener, handler, drain).await;
    }
}

/// A message and the headers it came with.
struct Received {
    headers: HeaderMap,
    message: Message,
}

/// Reads the message of a POST.
async fn receive(request: Request<Incoming>) -> Result<Received, Refusal> {
    let (head, body) = request.into_parts();
    if !names(&head.headers, &CONTENT_TYPE, "application/json") {
        let why = "The body must be sent as `Content-Type: application/json`.";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, why));
    }
    let text = net::read_body(&head.headers, body, BODY_BYTES_MAX, READ_TIMEOUT).await?;
    match mcp::Body::from_client(text, DEPTH_MAX)? {
        mcp::Body::Single(message) => Ok(Received { headers: head.headers, message }),
        mcp::Body::Batch(_) => Err(Malformed::NotAMessage("this revision has no batches").into()),
    }
}

/// A request to be answered, and by whom and for whom.
struct Work {
    sample: Arc<Sample>,
    request: mcp::Request,
    era: Era,
    caller: Caller,
    log: LogLevel,
    asking: Asking,
}

/// How the client of a request could be asked something.
enum Asking {
    /// On the stream of its call; the function opens a question.
    Stream(Modes, Box<dyn Fn() -> Option<(u64, oneshot::Receiver<Object>)> + Send + Sync>),
    /// In the result.
    Result(Modes),
}

impl Work {
    /// Answers with one JSON body; or, where something may come before the answer and the client can take that, with a stream.
    async fn answer(self, headers: &HeaderMap) -> Response<Body> {
        let may_ask = matches!(self.asking, Asking::Stream(modes, _) if modes != Modes::default());
        let speaks_up =
            may_ask || progress_token(&self.request.params).is_some() || self.log == LogLevel::Info;
        let streams = self.request.method == mcp::Method::CallTool && speaks_up;
        if streams && names(headers, &ACCEPT, "text/event-stream") {
            self.stream()
        } else {
            self.json().await
        }
    }

    async fn json(self) -> Response<Body> {
        let Self { sample, request, era, caller, asking, .. } = self;
        let inquiry = match asking {
            Asking::Stream(..) => Inquiry::Nobody,
            Asking::Result(modes) => in_result(modes, &request.params),
        };
        let asked = Asked { request, era, caller, notices: Notices::none(), inquiry };
        let answered = dispatch::answer(&sample, asked).await;
        let mut response = json(answered.message);
        if era == Era::Modern && answered.code == Some(METHOD_NOT_FOUND) {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }

    fn stream(self) -> Response<Body> {
        let Self { sample, request, era, caller, log, asking } = self;
        let (events, body) = Body::channel(net::body::Bounds::default());
        let (outlet, mut messages) = mpsc::channel::<Payload>(QUEUE);
        let work = async move {
            let notices = Notices::to(outlet.clone(), &request.params, log, sample.name);
            let inquiry = match asking {
                Asking::Stream(modes, open) => Inquiry::Stream(Line { modes, outlet: outlet.clone(), open }),
                Asking::Result(modes) => in_result(modes, &request.params),
            };
            let answered = dispatch::answer(&sample, Asked { request, era, caller, notices, inquiry }).await;
            // If nobody listens any more, the answer is lost with the stream.
            let _ = outlet.send(answered.message).await;
        };
        tokio::spawn(async move {
            let write = async {
                while let Some(message) = messages.recv().await {
                    for piece in sse::encode_event(message, None, None) {
                        if events.send(piece).await.is_err() {
                            return;
                        }
                    }
                }
            };
            // To a modern client, closing the stream is cancelling; a legacy one that does so hears no answer here either.
            tokio::select! {
                _ = async { tokio::join!(work, write) } => {}
                () = events.closed() => {}
            }
        });
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

fn in_result(modes: Modes, params: &Object) -> Inquiry {
    Inquiry::Result(modes, params.object("inputResponses").unwrap_or_else(Object::empty))
}

/// Whether a header lists a media type, or the range of all.
fn names(headers: &HeaderMap, name: &HeaderName, media_type: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let types =
        values.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or_default().trim());
    types.into_iter().any(|one| one.eq_ignore_ascii_case(media_type))
}

fn json(message: Payload) -> Response<Body> {
    let mut response = Response::new(Body::chunks(message.into_pieces()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn html(page: String) -> Response<Body> {
    let mut response = Response::new(Body::from(page));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Why a request does not get as far as the sample.
struct Refusal {
    status: StatusCode,
    id: Option<Id>,
    error: ErrorObject,
}

impl Refusal {
    fn new(status: StatusCode, code: i64, why: impl Into<String>) -> Self {
        Self { status, id: None, error: ErrorObject::new(code, why) }
    }
}

impl From<Refusal> for Response<Body> {
    fn from(Refusal { status, id, error }: Refusal) -> Self {
        let mut response = json(error.response(id.as_ref()));
        *response.status_mut() = status;
        response
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self { status: StatusCode::BAD_REQUEST, id: None, error: malformed.to_error() }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Timeout { .. } => StatusCode::REQUEST_TIMEOUT,
            BodyError::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyError::Broken(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, INVALID_REQUEST, format!("The body was not read: {error}."))
    }
}
