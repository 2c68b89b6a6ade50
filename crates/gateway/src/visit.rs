//! One authenticated request with a message: read it, see which era it is written in, and answer in that.

use std::sync::{Arc, OnceLock};

use exchange::present;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use identity::Principal;
use mcp::{Body as Message, Era, Message as One};
use net::Body;
use upstream::{Abilities, Caller};

use crate::operation::{self, Context};
use crate::places::{Place, Places};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::standing::Standing;
use crate::{legacy, listen, modern, negotiate, sse};

/// An authenticated caller at a gateway.
pub(crate) struct Visit {
    pub(crate) site: Arc<Site>,
    pub(crate) principal: Arc<Principal>,
    pub(crate) places: Places,
    /// Held by the request for as long as it runs, and by its answer until the client has taken it.
    pub(crate) place: Arc<Place>,
    pub(crate) standing: Standing,
}

impl Visit {
    /// A message over Streamable HTTP.
    ///
    /// # Errors
    /// It is not carried out.
    pub(crate) async fn post(self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let accepts = negotiate::accepts(request.headers(), self.site.config.streaming)?;
        let (headers, body) = self.read(request).await?;
        match body {
            Message::Single(message) if modern::is_modern(&headers, &message) => {
                self.post_modern(headers, message, accepts).await
            }
            Message::Batch(_) if modern::header_is_modern(&headers) => {
                Err(Refusal::Misplaced("This revision has no batches; send one message at a time."))
            }
            body => {
                let Self { site, principal, places, place, standing } = self;
                let (until, held) = (standing.until, place.clone());
                let client = legacy::Client { site, principal, accepts, places, place, until };
                let response = legacy::post(client, &headers, body).await?;
                Ok(response.map(|body| body.holding(held)))
            }
        }
    }

    async fn post_modern(
        self,
        headers: HeaderMap,
        message: One,
        accepts: exchange::Accepts,
    ) -> Result<Response<Body>, Refusal> {
        let request = match message {
            One::Request(request) => request,
            // Over HTTP nothing that a modern client could notify of concerns the gateway: closing a stream cancels.
            One::Notification(_) => return Ok(accepted()),
            One::Response(_) => {
                return Err(Refusal::Misplaced("No request was sent to the client; send requests only."));
            }
        };
        let facts = modern::check(&self.site.config, &headers, &request)
            .map_err(|error| Refusal::Invalid(Some(request.id.clone()), error))?;
        let caller = Caller {
            principal: self.principal,
            session: None,
            era: Era::Modern,
            abilities: Abilities::of(&facts.capabilities),
            capabilities: facts.capabilities,
            info: facts.info,
        };
        let context = Context {
            site: self.site,
            caller,
            logs: facts.logs,
            session: None,
            headers: Some(headers),
            extensions: OnceLock::new(),
        };
        if request.method == mcp::Method::Listen && context.delivers() {
            return listen::open(context, request, accepts, self.standing).await;
        }
        let exchange = operation::operate(&context, request).await;
        let response = present::modern(exchange, accepts, self.place.clone()).await;
        Ok(response.map(|body| body.holding(self.place)))
    }

    /// A message beside a 2024-11-05 stream.
    ///
    /// # Errors
    /// It is not carried out.
    pub(crate) async fn post_beside_stream(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let session = sse::session(&self.site, &self.principal, request.uri().query())?;
        let (_, body) = self.read(request).await?;
        sse::post(&self.site, &self.principal, &session, body, self.place)
    }

    async fn read(&self, request: Request<Incoming>) -> Result<(HeaderMap, Message), Refusal> {
        negotiate::is_json(request.headers())?;
        let (head, body) = request.into_parts();
        let limits = &self.site.limits;
        let text = net::read_body(&head.headers, body, limits.request_body, limits.read_timeout);
        let text = text.await.map_err(Refusal::Body)?;
        let message = Message::from_client(text, limits.json_depth).map_err(Refusal::Malformed)?;
        Ok((head.headers, message))
    }
}

fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::ACCEPTED;
    response
}
