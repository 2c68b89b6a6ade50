//! The client over TLS: whom it trusts, and HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::wire::PATIENCE;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_net::{Body, Client, ClientError, ClientOptions, Guard, Tls};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Fixture {
    addr: SocketAddr,
    authority_pem: String,
    connections: Arc<AtomicUsize>,
}

/// A TLS server for `localhost` that speaks `alpn`, with at most `streams_max` HTTP/2 streams on a connection. It answers `/hold` with
/// a body that never ends.
async fn serve_tls(alpn: &[u8], streams_max: u32) -> Fixture {
    let (acceptor, authority_pem) = acceptor(alpn);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            let count = count.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let io = TokioIo::new(stream);
                let _ = if http2 {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .max_concurrent_streams(streams_max)
                        .serve_connection(io, service_fn(answer))
                        .await
                } else {
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service_fn(answer)).await
                };
            });
        }
    });
    Fixture { addr, authority_pem, connections }
}

/// TLS for `localhost`, and the certificate to trust.
fn acceptor(alpn: &[u8]) -> (TlsAcceptor, String) {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    (TlsAcceptor::from(Arc::new(config)), issued.cert.pem())
}

async fn answer(request: Request<hyper::body::Incoming>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/hold" {
        let (sender, body) = Body::channel(portcullis_net::body::Bounds::default());
        tokio::spawn(async move { sender.closed().await });
        return Ok(Response::new(body));
    }
    Ok(Response::new(Body::from(format!("{:?}", request.version()))))
}

impl Fixture {
    fn client(&self) -> Client {
        let tls = Tls::new(Some(self.authority_pem.as_bytes())).unwrap();
        Client::operator(Guard::default(), tls, &ClientOptions::default())
    }

    fn get(&self, host: &str, path: &str) -> Request<Body> {
        Request::get(format!("https://{host}:{}{path}", self.addr.port())).body(Body::empty()).unwrap()
    }
}

#[tokio::test]
async fn an_authority_nobody_trusts_is_refused_and_nothing_is_sent() {
    let fixture = serve_tls(b"h2", 100).await;
    let strangers = Client::operator(Guard::default(), Tls::new(None).unwrap(), &ClientOptions::default());
    let error = strangers.send(fixture.get("localhost", "/"), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ClientError::Tls { .. }), "{error}");
    assert!(error.nothing_sent());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let fixture = serve_tls(b"h2", 100).await;
    let error = fixture.client().send(fixture.get("127.0.0.1", "/"), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ClientError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn many_calls_share_one_http2_connection() {
    let fixture = serve_tls(b"h2", 100).await;
    let client = fixture.client();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (client, request) = (client.clone(), fixture.get("localhost", "/"));
            tokio::spawn(async move { client.send(request, PATIENCE).await.unwrap() })
        })
        .collect();
    for call in calls {
        let response = call.await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "HTTP/2.0");
    }
    assert_eq!(fixture.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn long_streams_do_not_make_a_call_wait() {
    let fixture = serve_tls(b"h2", 2).await;
    let client = fixture.client();
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(client.send(fixture.get("localhost", "/hold"), PATIENCE).await.unwrap());
    }
    let response = client.send(fixture.get("localhost", "/"), PATIENCE).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "HTTP/2.0");
    assert_eq!(fixture.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_server_without_http2_is_spoken_to_in_http1() {
    let fixture = serve_tls(b"http/1.1", 100).await;
    let client = fixture.client();
    for _ in 0..3 {
        let response = client.send(fixture.get("localhost", "/"), PATIENCE).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "HTTP/1.1");
    }
    assert_eq!(fixture.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn authorities_must_be_certificates() {
    for pem in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(Tls::new(Some(pem.as_bytes())).is_err(), "{pem:?}");
    }
}

#[tokio::test]
async fn plain_requests_to_a_tls_server_are_broken_not_retried() {
    let fixture = serve_tls(b"h2", 100).await;
    let request = Request::post(format!("http://{}/", fixture.addr)).body(Body::from("x")).unwrap();
    assert!(fixture.client().send(request, PATIENCE).await.is_err());
}

/// Accepts one TLS connection and refuses its first stream, as a server does that is shutting down.
#[tokio::test]
async fn a_stream_the_server_refuses_counts_as_not_sent() {
    let (acceptor, authority_pem) = acceptor(b"h2");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    });
    let fixture = Fixture { addr, authority_pem, connections: Arc::default() };
    let error = fixture.client().send(fixture.get("localhost", "/"), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ClientError::NothingSent { .. }), "{error}");
}
