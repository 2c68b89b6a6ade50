//! What the tests of this room share: an issuer whose answers a test chooses, and tokens of any shape.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use config::{Audiences, Inbound, Issuer, JwtAuthorizer};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use net::{Client, ClientOptions, Guard, Tls};
use portcullis_identity::{Authenticator, KeySources, LocalIssuer, Principal, Rejection, Resource};
use seal::SigningKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The URL of the gateway under test.
pub const GATEWAY: &str = "https://gate.example/corp/mcp";
/// The test's time, in seconds.
pub const NOW: u64 = 1_800_000_000;

/// The test's time plus `seconds`.
pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW + seconds)
}

/// A web server on a free port that counts requests and answers what the test says.
#[derive(Clone)]
pub struct Web {
    pub address: SocketAddr,
    pages: Arc<Mutex<Vec<(String, StatusCode, Bytes)>>>,
    requests: Arc<AtomicUsize>,
}

impl Web {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let web =
            Self { address: listener.local_addr().unwrap(), pages: Arc::default(), requests: Arc::default() };
        let served = web.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let web = served.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let answer = web.answer(&request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        web
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn serve(&self, path: &str, status: u16, body: impl Into<Bytes>) {
        let mut pages = self.pages.lock().unwrap();
        pages.retain(|(known, ..)| known != path);
        pages.push((path.to_owned(), StatusCode::from_u16(status).unwrap(), body.into()));
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn answer(&self, request: &http::Request<Incoming>) -> Response<Full<Bytes>> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let pages = self.pages.lock().unwrap();
        let page = pages.iter().find(|(path, ..)| path == request.uri().path());
        let (status, body) =
            page.map_or((StatusCode::NOT_FOUND, Bytes::new()), |(_, status, body)| (*status, body.clone()));
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        response
    }
}

/// An RSA key pair with a name.
pub struct RsaKey {
    pub kid: &'static str,
    pub pair: KeyPair,
}

impl RsaKey {
    pub fn generate(kid: &'static str) -> Self {
        Self { kid, pair: KeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    pub fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        json!({
            "kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256",
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    pub fn rs256(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    pub fn ps256(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

/// A token of exactly this header and these claims.
pub fn forge(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// The claims of a good token of `issuer`, with `changes` made: a null value removes the claim.
pub fn claims(issuer: &str, changes: Value) -> Value {
    let mut claims = json!({
        "iss": issuer, "sub": "alice", "aud": GATEWAY, "exp": NOW + 600, "iat": NOW, "client_id": "agent",
    });
    let good = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => good.remove(name),
            value => good.insert(name.clone(), value.clone()),
        };
    }
    claims
}

pub fn signing_key() -> SigningKey {
    let dir = tempfile::tempdir().unwrap();
    SigningKey::load_or_create(&dir.path().join("key.p8")).unwrap()
}

pub fn sources(dev: Option<LocalIssuer>) -> KeySources {
    let tls = Tls::new(None).unwrap();
    let options = ClientOptions::default();
    let operator = Client::operator(Guard::default(), tls.clone(), &options);
    KeySources::new(operator, Client::learned(Guard::default(), tls, &options), dev)
}

pub fn resource() -> Resource {
    Resource::new(&GATEWAY.parse().unwrap())
}

pub fn authorizer(issuer: Issuer) -> JwtAuthorizer {
    JwtAuthorizer { issuer, audiences: Audiences::Own, clients: Vec::new(), scopes: Vec::new() }
}

pub fn authenticator(authorizers: Vec<JwtAuthorizer>, sources: &KeySources) -> Authenticator {
    Authenticator::new(&Inbound::Jwt(authorizers), &[resource()], sources).unwrap()
}

pub fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    headers
}

pub async fn call(gate: &Authenticator, token: &str, now: SystemTime) -> Result<Arc<Principal>, Rejection> {
    gate.authenticate(&bearer(token), now).await
}
