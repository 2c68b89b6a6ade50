//! The data plane: one request, one path.
//!
//! accept → authenticate → read → resolve → authorize → dispatch → answer. The first two are here and the third in `visit`, in
//! this order: a browser's foreign page is turned away before anything is verified, and nobody's body is read before it is
//! known whose it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::Clock;
use exchange::Sessions;
use http::{HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use identity::{LEEWAY, Rejection};
use net::{Body, Drain};

use crate::places::{Place, Places};
use crate::refusal::Refusal;
use crate::route::Route;
use crate::site::{Site, Spelling};
use crate::sites::Sites;
use crate::standing::Standing;
use crate::visit::Visit;
use crate::{cors, legacy, modern, sse, standing};

/// How often sessions are looked over. One that is over answers like one that never was long before it is taken away.
const REAP_EVERY: Duration = Duration::from_secs(30);

/// Looks up the fixed document at a path.
pub type Documents = Box<dyn Fn(&str) -> Option<Bytes> + Send + Sync>;

/// What is served: the gateways, and fixed documents such as key sets.
pub struct Table {
    /// The gateways, by name.
    pub sites: HashMap<Arc<str>, Arc<Site>>,
    /// The document at a path, if there is one. Public and unauthenticated.
    pub documents: Documents,
}

/// The data plane. Clones share it.
#[derive(Clone)]
pub struct DataPlane {
    sites: Sites,
    places: Places,
    streams: Places,
    clock: Clock,
}

impl DataPlane {
    /// Serves `table`, with as many requests in progress at a time as there are `places`, and as many standing streams as
    /// there are places for `streams`.
    #[must_use]
    pub fn new(table: Table, places: Places, streams: Places, clock: Clock) -> Self {
        Self { sites: Sites::new(table), places, streams, clock }
    }

    /// Ends sessions whose time is over, and what hangs on them, until `drain` begins.
    pub async fn reap_sessions(self, drain: Drain) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(REAP_EVERY) => {}
                () = drain.draining() => return,
            }
            for site in self.table().sites.values() {
                let over = site.sessions.iter().flat_map(Sessions::reap);
                over.for_each(|session| site.release(&session));
            }
        }
    }

    /// Serves `table` from now on; requests in progress end with the one they began with. Answers the old one.
    pub fn swap(&self, table: Table) -> Arc<Table> {
        self.sites.swap(table)
    }

    /// What is served now.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        self.sites.load()
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let table = self.table();
        match self.route(&table, request).await {
            Ok(response) => response,
            Err(refusal) => {
                tracing::debug!(?refusal, "request refused");
                refusal.into_response()
            }
        }
    }

    async fn route(&self, table: &Table, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let path = request.uri().path().to_owned();
        match Route::of(&path) {
            Route::Mcp(name) => self.enter(table.site(name)?, request, Endpoint::Mcp(spelling(name))).await,
            Route::Sse(name) => self.enter(table.site(Some(name))?, request, Endpoint::Sse).await,
            Route::SseMessages(name) => {
                self.enter(table.site(Some(name))?, request, Endpoint::SseMessages).await
            }
            Route::Metadata(name) => {
                let site = table.site(name)?;
                self.metadata(&site, &request, spelling(name)).await
            }
            Route::Document(path) => table.document(path, request.method()),
        }
    }

    /// Accepts a request to a gateway: Host, Origin, and a place among those in progress.
    async fn enter(
        &self,
        site: Arc<Site>,
        request: Request<Incoming>,
        endpoint: Endpoint,
    ) -> Result<Response<Body>, Refusal> {
        site.hosts.check(request.headers(), request.uri().authority()).map_err(Refusal::Forbidden)?;
        let origin = request.headers().get(header::ORIGIN).cloned();
        if request.method() == Method::OPTIONS && origin.is_some() {
            let mut response = cors::preflight(request.headers());
            cors::allow(origin.as_ref(), &mut response);
            return Ok(response);
        }
        let answered = match self.places.take() {
            Ok(place) => self.authenticate(site, request, endpoint, place).await,
            Err(refusal) => Err(refusal),
        };
        let mut response = answered.unwrap_or_else(|refusal| {
            tracing::debug!(?refusal, "request refused");
            refusal.into_response()
        });
        cors::allow(origin.as_ref(), &mut response);
        Ok(response)
    }

    async fn authenticate(
        &self,
        site: Arc<Site>,
        request: Request<Incoming>,
        endpoint: Endpoint,
        place: Place,
    ) -> Result<Response<Body>, Refusal> {
        let resource = site.resource(endpoint.spelling());
        let challenged = |rejection: &Rejection| {
            tracing::info!(gateway.name = %site.name, %rejection, "not authenticated");
            Refusal::Unauthenticated(site.authenticator.challenge(rejection, resource))
        };
        if identity::query_has_token(request.uri()) {
            return Err(challenged(&Rejection::Malformed("a token in the query string")));
        }
        let principal = site.authenticator.authenticate(request.headers(), self.clock.now()).await;
        let principal = principal.map_err(|rejection| challenged(&rejection))?;
        let place = self.places.claim(place, site.share_of(&principal))?;
        let until = principal.expires_at().map(|at| {
            let left = (at + LEEWAY).duration_since(self.clock.now()).unwrap_or_default();
            tokio::time::Instant::now() + left
        });
        let standing = Standing { sites: self.sites.clone(), places: self.streams.clone(), until };
        let (places, place) = (self.places.clone(), Arc::new(place));
        let visit = Visit { site: site.clone(), principal, places, place, standing };
        match (endpoint, request.method()) {
            (Endpoint::Mcp(_), &Method::POST) => visit.post(request).await,
            (Endpoint::Mcp(_), &Method::GET)
                if visit.site.has_streams() && !modern::header_is_modern(request.headers()) =>
            {
                standing::open(visit.site, visit.principal, request.headers(), visit.standing)
            }
            (Endpoint::Mcp(_), &Method::DELETE) if !modern::header_is_modern(request.headers()) => {
                legacy::delete(&visit.site, &visit.principal, request.headers()).await
            }
            (Endpoint::Sse, &Method::GET) => sse::open(&visit.site, &visit.principal, visit.standing),
            (Endpoint::SseMessages, &Method::POST) => visit.post_beside_stream(request).await,
            (Endpoint::Mcp(_), _) => Err(Refusal::MethodNotAllowed(visit.site.methods())),
            (Endpoint::Sse, _) => Err(Refusal::MethodNotAllowed("GET")),
            (Endpoint::SseMessages, _) => Err(Refusal::MethodNotAllowed("POST")),
        }
    }
}

impl DataPlane {
    /// Protected-resource metadata (RFC 9728): public, so that a client can find out where to get a token.
    async fn metadata(
        &self,
        site: &Site,
        request: &Request<Incoming>,
        spelling: Spelling,
    ) -> Result<Response<Body>, Refusal> {
        site.hosts.check(request.headers(), request.uri().authority()).map_err(Refusal::Forbidden)?;
        if request.method() != Method::GET {
            return Err(Refusal::MethodNotAllowed("GET"));
        }
        let _place = self.places.take()?;
        let resource = site.resource(spelling);
        let document = site.authenticator.resource_metadata(resource, &site.name, self.clock.now()).await;
        let mut response = public(document.ok_or(Refusal::NoSuchPath)?);
        cors::allow(request.headers().get(header::ORIGIN), &mut response);
        Ok(response)
    }
}

/// Which of a gateway's endpoints a request came to.
#[derive(Clone, Copy)]
enum Endpoint {
    Mcp(Spelling),
    Sse,
    SseMessages,
}

impl Endpoint {
    fn spelling(self) -> Spelling {
        match self {
            Self::Mcp(spelling) => spelling,
            Self::Sse | Self::SseMessages => Spelling::Named,
        }
    }
}

fn spelling(name: Option<&str>) -> Spelling {
    if name.is_some() { Spelling::Named } else { Spelling::Alias }
}

impl Table {
    /// The gateway called `name`; without a name, the only one there is.
    fn site(&self, name: Option<&str>) -> Result<Arc<Site>, Refusal> {
        let site = match name {
            Some(name) => self.sites.get(name),
            None if self.sites.len() == 1 => self.sites.values().next(),
            None => None,
        };
        site.cloned().ok_or(Refusal::NoSuchPath)
    }

    fn document(&self, path: &str, method: &Method) -> Result<Response<Body>, Refusal> {
        let document = (self.documents)(path).ok_or(Refusal::NoSuchPath)?;
        if *method != Method::GET {
            return Err(Refusal::MethodNotAllowed("GET"));
        }
        Ok(public(document))
    }
}

fn public(document: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    response
}
