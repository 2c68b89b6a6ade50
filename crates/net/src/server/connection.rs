//! One connection from its first byte to its last.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::answer::answer;
use super::pace::Streams;
use super::sniff::{Opening, Watched};
use super::watch::{Heads, Verdict, Watch};
use super::{Options, Peer, Room};
use crate::body::Body;

/// HTTP/1.1 reads bodies in pieces of at most this size.
const READ_BUFFER_MAX: usize = 256 * 1024;
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
const H2_SEND_BUFFER_MAX: usize = 128 * 1024;
/// Streams a client may open and reset before we have looked at them (CVE-2023-44487), and those we reset
/// ourselves because of what it sent (CVE-2025-8671).
const H2_RESETS_MAX: usize = 20;
const H2_LOCAL_RESETS_MAX: usize = 100;
/// The largest frame a client may send, which bounds what is held of a frame that is still coming. The least the RFC
/// allows (RFC 9113, 6.5.2). Together with the size of a head it also bounds CONTINUATION frames: 5 at 64 KiB.
const H2_FRAME_MAX: u32 = 16 * 1024;
/// What one connection remembers of earlier heads (RFC 7541, 4.2). A byte can stand for a header this large, which is
/// why a head is measured as decoded.
const H2_HEADER_TABLE: u32 = 4096;
const H2_PING_INTERVAL: Duration = Duration::from_secs(20);
const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long an idle HTTP/1.1 connection stays open once a drain begins: a client that was about to use it gets
/// its answer, with `Connection: close`, instead of a reset.
const LINGER: Duration = Duration::from_millis(250);

/// How both protocols are spoken on every connection of a listener.
pub(super) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
}

impl Protocols {
    pub(super) fn new(options: &Options) -> Self {
        let head_bytes = options.header_bytes_max.max(8 * 1024);
        let mut http1 = http1::Builder::new();
        // Heads are timed by the watch, which tells an idle connection from a slow head.
        http1
            .header_read_timeout(None)
            .max_headers(options.header_count_max)
            .max_header_size(head_bytes as usize)
            .max_buf_size(READ_BUFFER_MAX.max(head_bytes as usize));
        let mut http2 = http2::Builder::new(Streams::new(options.write_stall_timeout));
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(options.streams_max)
            .max_header_list_size(head_bytes)
            .header_table_size(H2_HEADER_TABLE)
            .max_frame_size(H2_FRAME_MAX)
            .max_pending_accept_reset_streams(H2_RESETS_MAX)
            .max_local_error_reset_streams(H2_LOCAL_RESETS_MAX)
            .initial_stream_window_size(H2_STREAM_WINDOW)
            .initial_connection_window_size(H2_CONNECTION_WINDOW)
            .max_send_buf_size(H2_SEND_BUFFER_MAX)
            .keep_alive_interval(H2_PING_INTERVAL)
            .keep_alive_timeout(H2_PING_TIMEOUT);
        Self { http1, http2 }
    }
}

/// Serves one connection and returns how many of its requests were cut off by the end of the drain.
pub(super) async fn host<H, F>(room: &Arc<Room<H>>, mut stream: TcpStream, peer: Peer) -> usize
where
    H: Fn(Request<Incoming>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let opening = tokio::select! {
        opening = timeout(room.options.head_timeout, Opening::read(&mut stream)) => opening,
        () = async { room.drain.draining().await; sleep(LINGER).await } => return 0,
    };
    let Ok(Ok(opening)) = opening else { return 0 };
    let heads = if opening.is_http2() { Heads::Framed } else { Heads::Timed };
    let watch = Arc::new(Watch::new(heads));
    let service = {
        let (room, watch) = (room.clone(), watch.clone());
        service_fn(move |request| answer(room.clone(), watch.clone(), request, peer))
    };
    let socket = TokioIo::new(Watched::new(stream, opening, watch.clone()));
    match heads {
        Heads::Timed => {
            drive(room, &watch, LINGER, room.protocols.http1.serve_connection(socket, service)).await
        }
        Heads::Framed => {
            let connection = room.protocols.http2.serve_connection(socket, service);
            drive(room, &watch, Duration::ZERO, connection).await
        }
    }
}

/// A hyper connection of either version.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

impl<S> Graceful for http1::Connection<TokioIo<Watched>, S>
where
    Self: Future<Output = hyper::Result<()>>,
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: http_body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Graceful for http2::Connection<TokioIo<Watched>, S, Streams>
where
    Self: Future<Output = hyper::Result<()>>,
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: http_body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
    Streams: hyper::rt::bounds::Http2ServerConnExec<S::Future, S::ResBody>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn drive<H>(room: &Room<H>, watch: &Watch, linger: Duration, connection: impl Graceful) -> usize {
    let Room { options, drain, .. } = room;
    let mut connection = pin!(connection);
    let shortest = options.head_timeout.min(options.idle_timeout).min(options.write_stall_timeout);
    let mut check = pin!(sleep(shortest));
    let mut drained = pin!(async {
        drain.draining().await;
        sleep(linger).await;
    });
    let mut cut = pin!(drain.cut());
    let mut stage = Stage::Open;
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a client connection ended");
                }
                return 0;
            }
            () = &mut cut => return watch.in_flight(),
            () = &mut drained, if stage == Stage::Open => {
                stage = Stage::Finishing;
                connection.as_mut().finish();
            }
            () = &mut check => match watch.verdict(options) {
                Verdict::Fine(next) => check.as_mut().reset(Instant::now() + next),
                Verdict::Idle if stage == Stage::Open => {
                    stage = Stage::Finishing;
                    connection.as_mut().finish();
                    check.as_mut().reset(Instant::now() + options.head_timeout);
                }
                Verdict::Idle | Verdict::Stuck => return 0,
            },
        }
    }
}

#[derive(PartialEq, Eq)]
enum Stage {
    Open,
    Finishing,
}
