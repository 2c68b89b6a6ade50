//! Tells HTTP/2 from HTTP/1.1 by the first bytes of a connection (RFC 9113, 3.4: prior knowledge), and watches the socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::frames::FrameScan;
use super::framing::HeadScan;
use super::watch::{Chatter, Watch};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The bytes read so far and what they say.
pub(super) struct Opening {
    bytes: [u8; PREFACE.len()],
    len: usize,
}

impl Opening {
    /// Reads until the first byte that differs from the HTTP/2 preface, or to the end of the preface.
    ///
    /// # Errors
    /// What the socket says; `UnexpectedEof` when the client leaves without a byte that decides.
    pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut opening = Self { bytes: [0; PREFACE.len()], len: 0 };
        while opening.len < PREFACE.len() && opening.fits_preface() {
            let read = stream.read(&mut opening.bytes[opening.len..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            opening.len += read;
        }
        Ok(opening)
    }

    pub(super) fn is_http2(&self) -> bool {
        self.fits_preface()
    }

    fn fits_preface(&self) -> bool {
        PREFACE.starts_with(&self.bytes[..self.len])
    }
}

/// A socket that gives back the opening first and tells the watch what happens on it.
pub(super) struct Watched {
    stream: TcpStream,
    opening: Opening,
    replayed: usize,
    scan: HeadScan,
    frames: FrameScan,
    watch: Arc<Watch>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, opening: Opening, watch: Arc<Watch>) -> Self {
        let (scan, frames) = (HeadScan::default(), FrameScan::default());
        Self { stream, opening, replayed: 0, scan, frames, watch }
    }

    fn scan(&mut self, arrived: &[u8]) {
        if !self.watch.awaits_head() {
            return;
        }
        if let Some(framing) = self.scan.feed(arrived) {
            self.scan = HeadScan::default();
            self.watch.head_scanned(framing);
        }
    }

    /// # Errors
    /// When the client sends more frames that are no part of a request than any client needs.
    fn follow(&mut self, arrived: &[u8]) -> io::Result<()> {
        match self.watch.frames_arrived(self.frames.feed(arrived)) {
            Chatter::Fine => Ok(()),
            Chatter::Flood => Err(io::Error::other("a flood of HTTP/2 frames that are no part of a request")),
        }
    }

    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match written {
            Poll::Pending => self.watch.write_stalled(),
            Poll::Ready(_) => self.watch.write_progressed(),
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.replayed < self.opening.len {
            let left = &self.opening.bytes[self.replayed..self.opening.len];
            let taken = left.len().min(buffer.remaining());
            buffer.put_slice(&left[..taken]);
            self.replayed += taken;
            let arrived = buffer.filled().len() - taken;
            self.scan(&buffer.filled()[arrived..]);
            return Poll::Ready(Ok(()));
        }
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let arrived = &buffer.filled()[filled..];
        if arrived.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if self.watch.follows_frames() {
            return Poll::Ready(self.follow(arrived));
        }
        self.watch.bytes_arrived();
        self.scan(arrived);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
