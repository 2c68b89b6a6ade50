//! Opens connections: resolve, ask the guard about each address, connect to one that passed, TLS, HTTP handshake.
//!
//! The address that was judged is the address that is connected to: the name is not looked up a second time, so a
//! DNS answer that changes in between gains nothing.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::error::{ClientError, Phase};
use super::pool::{Pool, Stream};
use super::sender::{Connection, Lane, Sender};
use super::target::{Target, Transport};
use super::tls::Tls;
use crate::body::Body;
use crate::egress::{Guard, Provenance};

/// Grows with what arrives: a large answer is read in few pieces, a small one costs 8 KiB.
const READ_BUFFER_MAX: usize = 512 * 1024;
/// A response head: what large servers send, with room.
const RESPONSE_HEAD_BYTES_MAX: usize = 128 * 1024;
const RESPONSE_HEADERS_MAX: usize = 256;
const H2_STREAM_WINDOW: u32 = 1024 * 1024;
const H2_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const H2_PING_INTERVAL: Duration = Duration::from_secs(20);
const H2_PING_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Connector {
    guard: Guard,
    provenance: Provenance,
    tls: Tls,
    limit: Duration,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Connector {
    pub(super) fn new(guard: Guard, provenance: Provenance, tls: Tls, limit: Duration) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .max_buf_size(READ_BUFFER_MAX)
            .max_header_size(RESPONSE_HEAD_BYTES_MAX)
            .max_headers(RESPONSE_HEADERS_MAX);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .initial_stream_window_size(H2_STREAM_WINDOW)
            .initial_connection_window_size(H2_CONNECTION_WINDOW)
            .max_header_list_size(RESPONSE_HEAD_BYTES_MAX as u32)
            .keep_alive_interval(H2_PING_INTERVAL)
            .keep_alive_timeout(H2_PING_TIMEOUT);
        Self { guard, provenance, tls, limit, http1, http2 }
    }

    /// The time opening one connection may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Judges what can be judged before a name is resolved.
    pub(super) fn check(&self, target: &Target) -> Result<(), ClientError> {
        let https = target.key.transport == Transport::Tls;
        let denied = self.guard.check_scheme(https, target.host(), self.provenance);
        denied.map_err(|denied| ClientError::Denied { host: target.host().to_owned(), denied })
    }

    pub(super) async fn connect(&self, target: &Target, pool: &Pool) -> Result<Connection, ClientError> {
        let deadline = Instant::now() + self.limit;
        let addresses = self.within(deadline, target, Phase::Resolve, self.resolve(target)).await?;
        let stream = self.dial(deadline, target, &addresses).await?;
        if target.key.transport == Transport::Cleartext {
            return self.http1(target, stream).await;
        }
        let stream = self.within(deadline, target, Phase::Tls, self.handshake(target, stream)).await?;
        let speaks_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let connection = if speaks_h2 {
            self.within(deadline, target, Phase::Tls, self.http2(target, stream)).await?
        } else {
            self.http1(target, stream).await?
        };
        pool.learn(&target.key, &connection);
        Ok(connection)
    }

    /// The addresses of the host that the guard lets pass, at least one.
    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, ClientError> {
        let host = target.host();
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, target.port)],
            Err(_) => tokio::net::lookup_host((host, target.port))
                .await
                .map_err(|source| ClientError::Resolve { host: host.to_owned(), source })?
                .collect(),
        };
        let mut denied = None;
        let mut open = Vec::with_capacity(found.len());
        for address in found {
            match self.guard.check_resolved(host, address.ip(), self.provenance) {
                Ok(()) => open.push(address),
                Err(refusal) => denied = denied.or(Some(refusal)),
            }
        }
        match (open.is_empty(), denied) {
            (false, _) => Ok(open),
            (true, Some(denied)) => Err(ClientError::Denied { host: host.to_owned(), denied }),
            (true, None) => {
                let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                Err(ClientError::Resolve { host: host.to_owned(), source })
            }
        }
    }

    /// Tries the addresses in turn, giving each an equal part of the time that is left.
    async fn dial(
        &self,
        deadline: Instant,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> Result<TcpStream, ClientError> {
        let mut last_error = None;
        for (tried, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Small messages must not wait for an acknowledgement; a socket that refuses still works.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last_error = Some(error),
                Err(_) => {}
            }
        }
        let host = target.host().to_owned();
        let port = addresses.first().map_or(0, SocketAddr::port);
        Err(match last_error {
            Some(source) => ClientError::Connect { host, port, source },
            None => ClientError::Timeout { host, phase: Phase::Connect, limit: self.limit },
        })
    }

    async fn handshake(
        &self,
        target: &Target,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ClientError> {
        let tls_error = |source| ClientError::Tls { host: target.host().to_owned(), source };
        let name = ServerName::try_from(target.host().to_owned())
            .map_err(|error| tls_error(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        self.tls.connector().connect(name, stream).await.map_err(tls_error)
    }

    async fn http1<S>(&self, target: &Target, stream: S) -> Result<Connection, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = self
            .http1
            .handshake::<_, Body>(TokioIo::new(stream))
            .await
            .map_err(|source| ClientError::NothingSent { host: target.host().to_owned(), source })?;
        let (lane, ended) = Lane::new(sender);
        tokio::spawn(async move {
            let _ended = ended;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Connection::fresh(Sender::Http1(lane)))
    }

    async fn http2<S>(&self, target: &Target, stream: S) -> Result<Connection, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = self
            .http2
            .handshake::<_, Body>(TokioIo::new(stream))
            .await
            .map_err(|source| ClientError::NothingSent { host: target.host().to_owned(), source })?;
        let (lane, ended) = Lane::new(sender);
        let stream = Stream::first();
        let load = stream.load().clone();
        tokio::spawn(async move {
            let _ended = ended;
            let mut connection = pin!(connection);
            let ended = poll_fn(|cx| {
                let ended = connection.as_mut().poll(cx);
                if ended.is_pending() {
                    load.allow(connection.current_max_send_streams());
                }
                ended
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Connection::fresh(Sender::Http2(lane, stream)))
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        target: &Target,
        phase: Phase,
        step: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        timeout_at(deadline, step).await.map_err(|_| ClientError::Timeout {
            host: target.host().to_owned(),
            phase,
            limit: self.limit,
        })?
    }
}
