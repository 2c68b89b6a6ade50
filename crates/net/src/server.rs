//! The HTTP server: accepts connections, serves HTTP/1.1 and HTTP/2 on each, and drains without losing a request.
//!
//! Bounds live here: connections, head size and count, time for a head, idle time, time a reader may stall. A handler that
//! panics costs its own connection and nothing else. It never reads a body on its own and offers no protocol upgrade.

mod answer;
mod connection;
mod frames;
mod framing;
mod pace;
mod sniff;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::body::Body;
use crate::drain::Drain;
use connection::Protocols;

/// Connections the system may hold for us before it refuses more.
const BACKLOG: u32 = 1024;
const ACCEPT_BACKOFF_MIN: Duration = Duration::from_millis(5);
const ACCEPT_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The bounds of a listener.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections open at once. When they are all in use, the next client waits to be accepted. Default 10 000.
    pub connections_max: usize,
    /// From the first byte of a request head to its last; also for the first byte of a connection. Over HTTP/2 for every
    /// frame and every header block. Default 10 s.
    pub head_timeout: Duration,
    /// How long a connection may stay open without a request. Default 75 s.
    pub idle_timeout: Duration,
    /// How long a client may take none of the bytes waiting for it; over HTTP/2 also of one stream. Default 30 s.
    pub write_stall_timeout: Duration,
    /// Headers of one request; more are answered 431. Default 100.
    pub header_count_max: usize,
    /// Bytes of one request head, at least 8 KiB; more are answered 431. Default 64 KiB.
    pub header_bytes_max: u32,
    /// HTTP/2 requests in progress on one connection. Default 100.
    pub streams_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_stall_timeout: Duration::from_secs(30),
            header_count_max: 100,
            header_bytes_max: 64 * 1024,
            streams_max: 100,
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address the connection comes from: the client, or the proxy in front.
    pub addr: SocketAddr,
}

/// Opens listeners.
#[derive(Debug)]
pub struct Server;

/// A bound socket that nobody serves yet; clients that connect wait.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    local_addr: SocketAddr,
    options: Options,
}

impl Server {
    /// Binds `addr`; port 0 picks a free one. Needs a tokio runtime.
    ///
    /// # Errors
    /// What the system says: address in use, not permitted, not an address of this machine.
    pub fn bind(addr: SocketAddr, options: Options) -> io::Result<Listener> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart must not wait for connections of the last run to time out.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        let socket = socket.listen(BACKLOG)?;
        let local_addr = socket.local_addr()?;
        Ok(Listener { socket, local_addr, options })
    }
}

impl Listener {
    /// The address that was bound, with its real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

/// Serves a listener until `drain` begins, then lets requests in progress finish until the grace period ends.
///
/// The handler's future is dropped when its client goes away; work that must go on belongs into a task. A handler that
/// panics is answered 500 and logged. Returns how many requests were cut off.
pub async fn serve<H, F>(listener: Listener, handler: H, drain: Drain) -> usize
where
    H: Fn(Request<Incoming>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let room = Arc::new(Room {
        protocols: Protocols::new(&listener.options),
        handler,
        drain: drain.clone(),
        options: listener.options,
        cut: AtomicUsize::new(0),
    });
    let slots = Arc::new(Semaphore::new(room.options.connections_max.min(Semaphore::MAX_PERMITS)));
    let connections = TaskTracker::new();
    loop {
        tokio::select! {
            biased;
            () = drain.draining() => break,
            accepted = accept(&listener.socket, &slots) => connections.spawn(room.clone().host(accepted)),
        };
    }
    // Clients the system has already connected must not be reset: they get an answer that says `close`.
    while let Some(accepted) = accept_waiting(&listener.socket, &slots).await {
        connections.spawn(room.clone().host(accepted));
    }
    drop(listener.socket);
    connections.close();
    connections.wait().await;
    room.cut.load(Ordering::Relaxed)
}

/// What the connections of one listener share.
struct Room<H> {
    protocols: Protocols,
    handler: H,
    drain: Drain,
    options: Options,
    cut: AtomicUsize,
}

struct Accepted {
    stream: TcpStream,
    peer: Peer,
    slot: OwnedSemaphorePermit,
}

impl<H, F> Room<H>
where
    H: Fn(Request<Incoming>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    async fn host(self: Arc<Self>, accepted: Accepted) {
        let Accepted { stream, peer, slot } = accepted;
        // Small answers must not wait for an acknowledgement; a socket that refuses still works.
        let _ = stream.set_nodelay(true);
        let cut = connection::host(&self, stream, peer).await;
        self.cut.fetch_add(cut, Ordering::Relaxed);
        drop(slot);
    }
}

/// The next connection. Waits for a free slot first, so that a full server leaves clients in the system's queue.
async fn accept(socket: &TcpListener, slots: &Arc<Semaphore>) -> Accepted {
    let mut backoff = ACCEPT_BACKOFF_MIN;
    loop {
        // The semaphore is never closed; were it, no connection could be accepted any more.
        let Ok(slot) = slots.clone().acquire_owned().await else { return std::future::pending().await };
        match socket.accept().await {
            Ok((stream, addr)) => return Accepted { stream, peer: Peer { addr }, slot },
            Err(error) if concerns_one_connection(&error) => {
                tracing::debug!(%error, "a client left before it was accepted")
            }
            Err(error) => {
                // Out of file descriptors or memory: more will come free, and asking at once would spin.
                tracing::warn!(%error, retry_in = ?backoff, "cannot accept a connection");
                drop(slot);
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(ACCEPT_BACKOFF_MAX);
            }
        }
    }
}

/// A connection that is already waiting, if there is one and a free slot.
async fn accept_waiting(socket: &TcpListener, slots: &Arc<Semaphore>) -> Option<Accepted> {
    let slot = slots.clone().try_acquire_owned().ok()?;
    tokio::select! {
        biased;
        accepted = socket.accept() => {
            let (stream, addr) = accepted.ok()?;
            Some(Accepted { stream, peer: Peer { addr }, slot })
        }
        () = tokio::task::yield_now() => None,
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
