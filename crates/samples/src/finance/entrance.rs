//! Who comes in: the bearer of a token that the gateway's issuer signed for this server, moments ago.
//!
//! The server shares no secret with the gateway. It verifies signature, issuer, audience and expiry with published keys,
//! which the `identity` room does for a server as it does for the gateway itself.

use clock::Clock;
use config::{Audiences, Inbound, Issuer, JwtAuthorizer};
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use identity::{Authenticator, KeySources, Principal, Rejection, Resource};
use net::{Body, Client, ClientOptions, Guard, Tls};
use serde_json::Value;
use url::Url;

use crate::server::Caller;

/// `aud` of the tokens for this server.
pub const AUDIENCE: &str = "finance";

/// Nobody could ever come in.
#[derive(Debug, thiserror::Error)]
pub enum NoEntrance {
    /// The issuer cannot be used.
    #[error(transparent)]
    Issuer(#[from] identity::IdentityError),
    /// Its keys' address is none.
    #[error("`{0}` cannot be an issuer")]
    Url(Url),
    /// The system's certificates cannot be used.
    #[error(transparent)]
    Roots(#[from] net::client::InvalidRoots),
}

/// Lets callers in.
pub(super) struct Entrance {
    authenticator: Authenticator,
    clock: Clock,
}

impl Entrance {
    /// For the server at `url`.
    pub(super) fn new(url: &Url, issuer: &Url, clock: Clock) -> Result<Self, NoEntrance> {
        let exact = issuer.as_str().trim_end_matches('/').to_owned();
        let jwks_uri =
            Url::parse(&format!("{exact}/jwks.json")).map_err(|_| NoEntrance::Url(issuer.clone()))?;
        let inbound = Inbound::Jwt(vec![JwtAuthorizer {
            issuer: Issuer::Jwks { issuer: exact, jwks_uri },
            audiences: Audiences::Listed(vec![AUDIENCE.to_owned()]),
            clients: Vec::new(),
            scopes: Vec::new(),
        }]);
        let (guard, tls, options) = (Guard::default(), Tls::new(None)?, ClientOptions::default());
        let operator = Client::operator(guard.clone(), tls.clone(), &options);
        let sources = KeySources::new(operator, Client::learned(guard, tls, &options), None);
        let authenticator = Authenticator::new(&inbound, &[Resource::new(url)], &sources)?;
        Ok(Self { authenticator, clock })
    }

    /// The caller of a request, or the answer to somebody who is none.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<Caller, Response<Body>> {
        let verified = self.authenticator.authenticate(headers, self.clock.now()).await;
        verified.map(|principal| caller(&principal)).map_err(|rejection| {
            tracing::debug!(%rejection, "the finance sample let nobody in");
            refusal(&rejection)
        })
    }
}

fn caller(principal: &Principal) -> Caller {
    let roles = principal.claims().get("roles").and_then(Value::as_array);
    let roles = roles.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    Caller { subject: principal.subject().to_owned(), roles }
}

/// RFC 6750, section 3. Which check failed stays here: it would only help a forger.
fn refusal(rejection: &Rejection) -> Response<Body> {
    let challenge = match rejection {
        Rejection::NoToken => "Bearer realm=\"finance\"",
        _ => "Bearer realm=\"finance\", error=\"invalid_token\"",
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
