//! An identity provider for tests: publishes keys, counts who fetches them, and signs whatever it is asked to,
//! wrong things included. Its keys are fixed and protect nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The key id of the published key.
pub const KEY_ID: &str = "key-1";

/// A listening identity provider. It stops when dropped.
#[derive(Debug)]
pub struct Idp {
    address: SocketAddr,
    fetches: Arc<AtomicU64>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Documents {
    address: SocketAddr,
    fetches: Arc<AtomicU64>,
}

impl Idp {
    /// Listens on a free loopback port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let fetches = Arc::new(AtomicU64::new(0));
        let documents = Documents { address, fetches: fetches.clone() };
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(keys))
            .with_state(documents);
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("idp: {error}");
            }
        });
        Ok(Self { address, fetches, serving })
    }

    /// Its `iss`.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its keys are.
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.issuer())
    }

    /// How often its keys were fetched.
    pub fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::SeqCst)
    }

    /// The claims of a good token for one audience.
    pub fn claims(&self, subject: &str, audience: &str) -> Value {
        json!({
            "iss": self.issuer(),
            "sub": subject,
            "aud": audience,
            "client_id": "e2e",
            "iat": now() - 5,
            "nbf": now() - 5,
            "exp": now() + 600,
        })
    }

    /// A good token.
    pub fn token(&self, subject: &str, audience: &str) -> String {
        sign(&header(), &self.claims(subject, audience))
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The header of a good token.
pub fn header() -> Value {
    json!({"alg": "ES256", "typ": "at+jwt", "kid": KEY_ID})
}

/// Signs with the published key, whatever the header says.
pub fn sign(header: &Value, claims: &Value) -> String {
    sign_with(&key(1), header, claims)
}

/// Signs with a key nobody published.
pub fn sign_as_stranger(header: &Value, claims: &Value) -> String {
    sign_with(&key(2), header, claims)
}

/// Signs with HMAC under a secret.
pub fn sign_hmac(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", encode(mac.finalize().into_bytes()))
}

/// A token with this signature, taken as it is.
pub fn with_signature(header: &Value, claims: &Value, signature: &[u8]) -> String {
    format!("{}.{}", message(header, claims), encode(signature))
}

/// The published key as a JWK.
pub fn public_jwk() -> Value {
    let point = key(1).verifying_key().to_sec1_point(false);
    let bytes = point.as_bytes();
    json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
        "x": encode(&bytes[1..33]), "y": encode(&bytes[33..65]),
    })
}

/// A stranger's key as a JWK.
pub fn stranger_jwk() -> Value {
    let point = key(2).verifying_key().to_sec1_point(false);
    let bytes = point.as_bytes();
    json!({"kty": "EC", "crv": "P-256", "x": encode(&bytes[1..33]), "y": encode(&bytes[33..65])})
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).expect("a small number is a valid key")
}

fn sign_with(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let signature: Signature = key.sign(message.as_bytes());
    format!("{message}.{}", encode(signature.to_bytes()))
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string()), encode(claims.to_string()))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn discovery(State(documents): State<Documents>) -> axum::Json<Value> {
    let issuer = format!("http://{}", documents.address);
    axum::Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks"),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

async fn keys(State(documents): State<Documents>) -> axum::Json<Value> {
    documents.fetches.fetch_add(1, Ordering::SeqCst);
    axum::Json(json!({"keys": [public_jwk()]}))
}
