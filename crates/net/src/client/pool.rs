//! Connections that wait for their next request.
//!
//! HTTP/1.1 connections are lent to one request at a time, newest first; an HTTP/2 connection is shared by as many as the server
//! allows, and the next one opens another: a long stream never makes a call wait. A connection unused for longer than the
//! idle timeout is closed by a task that exists only while something waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use tokio::time::Instant;

use super::ClientOptions;
use super::sender::{Connection, Lane, Sender};
use super::target::{Key, Transport};
use crate::body::Body;

/// Streams a server allows until it has said otherwise (RFC 9113, 6.5.2, recommends no less).
const STREAMS_ASSUMED: usize = 100;

#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    idle_timeout: Duration,
    idle_per_host_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hosts: HashMap<Key, Host>,
    sweeper: Sweeper,
}

#[derive(Default, PartialEq, Eq)]
enum Sweeper {
    #[default]
    Absent,
    Running,
}

#[derive(Default)]
struct Host {
    idle: Vec<(Instant, Lane<http1::SendRequest<Body>>)>,
    shared: Vec<Multiplexed>,
    protocol: Protocol,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// An HTTP/2 connection and what runs on it.
struct Multiplexed {
    lane: Lane<http2::SendRequest<Body>>,
    load: Arc<Load>,
    used: Instant,
}

/// One stream of an HTTP/2 connection, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Stream(Arc<Load>);

/// How many streams run on a connection, and how many the server allows.
#[derive(Debug)]
pub(super) struct Load {
    streams: AtomicUsize,
    streams_max: AtomicUsize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Protocol {
    #[default]
    Unknown,
    Http1,
    Http2,
}

impl Pool {
    pub(super) fn new(options: &ClientOptions) -> Self {
        Self(Arc::new(Shared {
            idle_timeout: options.idle_timeout,
            idle_per_host_max: options.idle_per_host_max,
            state: Mutex::default(),
        }))
    }

    /// A live connection, if one waits.
    pub(super) fn checkout(&self, key: &Key) -> Option<Connection> {
        let mut state = self.0.lock();
        let host = state.hosts.get_mut(key)?;
        let now = Instant::now();
        host.shared.retain(|connection| !connection.lane.sender.is_closed());
        if let Some(connection) = host.shared.iter_mut().find(|connection| connection.has_room()) {
            connection.used = now;
            let stream = Stream::open(&connection.load);
            return Some(Connection::pooled(Sender::Http2(connection.lane.clone(), stream)));
        }
        while let Some((since, lane)) = host.idle.pop() {
            if now.duration_since(since) < self.0.idle_timeout && !lane.sender.is_closed() {
                return Some(Connection::pooled(Sender::Http1(lane)));
            }
        }
        None
    }

    /// What to hold while opening a connection that others could share, or `None` when it could not be shared.
    pub(super) fn turn(&self, key: &Key) -> Option<Arc<tokio::sync::Mutex<()>>> {
        if key.transport == Transport::Cleartext {
            return None;
        }
        let mut state = self.0.lock();
        let host = state.hosts.entry(key.clone()).or_default();
        let turn = (host.protocol != Protocol::Http1).then(|| host.turn.clone());
        self.0.sweep_later(&mut state);
        turn
    }

    /// Whether the host is known to speak HTTP/1.1 only.
    pub(super) fn speaks_http1(&self, key: &Key) -> bool {
        self.0.lock().hosts.get(key).is_some_and(|host| host.protocol == Protocol::Http1)
    }

    /// Remembers what a new TLS connection speaks, and the connection itself when it can be shared.
    pub(super) fn learn(&self, key: &Key, connection: &Connection) {
        let mut state = self.0.lock();
        let host = state.hosts.entry(key.clone()).or_default();
        match connection.sender() {
            Sender::Http1(_) => host.protocol = Protocol::Http1,
            Sender::Http2(lane, stream) => {
                host.protocol = Protocol::Http2;
                let (lane, load) = (lane.clone(), stream.0.clone());
                host.shared.push(Multiplexed { lane, load, used: Instant::now() });
            }
        }
        self.0.sweep_later(&mut state);
    }

    /// Drops the shared connections of a host that have ended.
    pub(super) fn drop_ended(&self, key: &Key) {
        if let Some(host) = self.0.lock().hosts.get_mut(key) {
            host.shared.retain(|connection| !connection.lane.sender.is_closed());
        }
    }

    /// Takes back an HTTP/1.1 connection whose response has been read.
    pub(super) fn release(&self, key: Key, mut lane: Lane<http1::SendRequest<Body>>) {
        if lane.sender.is_ready() {
            self.0.keep(key, lane);
        } else if !lane.sender.is_closed() {
            // The request is still being written, or the connection's task has not come round yet.
            let shared = self.0.clone();
            tokio::spawn(async move {
                let ready = tokio::time::timeout(shared.idle_timeout, lane.sender.ready()).await;
                if let Ok(Ok(())) = ready {
                    shared.keep(key, lane);
                }
            });
        }
    }
}

impl Multiplexed {
    fn has_room(&self) -> bool {
        self.load.streams.load(Ordering::Relaxed) < self.load.streams_max.load(Ordering::Relaxed)
    }
}

impl Stream {
    /// The first stream of a new connection.
    pub(super) fn first() -> Self {
        Self::open(&Arc::new(Load {
            streams: AtomicUsize::new(0),
            streams_max: AtomicUsize::new(STREAMS_ASSUMED),
        }))
    }

    pub(super) fn load(&self) -> &Arc<Load> {
        &self.0
    }

    fn open(load: &Arc<Load>) -> Self {
        load.streams.fetch_add(1, Ordering::Relaxed);
        Self(load.clone())
    }
}

impl Load {
    /// Notes how many streams the server allows now.
    pub(super) fn allow(&self, streams_max: usize) {
        self.streams_max.store(streams_max, Ordering::Relaxed);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(self: &Arc<Self>, key: Key, lane: Lane<http1::SendRequest<Body>>) {
        let mut state = self.lock();
        let host = state.hosts.entry(key).or_default();
        if host.idle.len() < self.idle_per_host_max {
            host.idle.push((Instant::now(), lane));
        }
        self.sweep_later(&mut state);
    }

    fn sweep_later(self: &Arc<Self>, state: &mut State) {
        if state.sweeper == Sweeper::Absent {
            state.sweeper = Sweeper::Running;
            tokio::spawn(sweep(Arc::downgrade(self), self.idle_timeout));
        }
    }

    /// Closes what has waited too long and forgets hosts that hold nothing. Says whether anything is left.
    fn sweep_once(&self) -> Sweeper {
        let now = Instant::now();
        let fresh = |since: &Instant| now.duration_since(*since) < self.idle_timeout;
        let mut state = self.lock();
        state.hosts.retain(|_, host| {
            host.idle.retain(|(since, lane)| fresh(since) && !lane.sender.is_closed());
            host.shared.retain(|connection| {
                let wanted = fresh(&connection.used) || connection.load.streams.load(Ordering::Relaxed) > 0;
                wanted && !connection.lane.sender.is_closed()
            });
            let wanted = Arc::strong_count(&host.turn) > 1;
            wanted || !host.shared.is_empty() || !host.idle.is_empty()
        });
        if state.hosts.is_empty() {
            state.sweeper = Sweeper::Absent;
            return Sweeper::Absent;
        }
        Sweeper::Running
    }
}

async fn sweep(shared: Weak<Shared>, idle_timeout: Duration) {
    loop {
        tokio::time::sleep(idle_timeout.max(Duration::from_secs(1)) / 2).await;
        match shared.upgrade() {
            Some(shared) if shared.sweep_once() == Sweeper::Running => {}
            _ => return,
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("idle_timeout", &self.0.idle_timeout).finish_non_exhaustive()
    }
}
