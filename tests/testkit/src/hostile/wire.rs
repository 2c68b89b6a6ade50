//! Reading requests from, and writing answers to, a bare socket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ledger::Arrival;

/// Most bytes of one request.
const REQUEST_MAX: usize = 128 * 1024 * 1024;

/// A connection with what was read of it and not used yet.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, read: Vec::new() }
    }

    /// The next request; `None` when the other side is done or makes no sense.
    pub(super) async fn request(&mut self) -> Option<Arrival> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        self.read.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (verb, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let header =
            |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let body = match header("content-length").map(str::parse::<usize>) {
            Some(length) => self.exactly(length.ok()?).await?,
            None if header("transfer-encoding").is_some() => self.chunked().await?,
            None => Vec::new(),
        };
        Some(Arrival { verb, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Writes, and says whether the other side still listens.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).await.is_ok() && self.socket.flush().await.is_ok()
    }

    /// Waits until the other side closes.
    pub(super) async fn closed(&mut self) {
        while self.more().await.is_some() {}
    }

    async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.read.len() < length {
            self.more().await?;
        }
        Some(self.read.drain(..length).collect())
    }

    async fn chunked(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(at) = self.read.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                self.more().await?;
            };
            let size =
                usize::from_str_radix(std::str::from_utf8(&self.read[..line]).ok()?.trim(), 16).ok()?;
            self.read.drain(..line + 2);
            let chunk = self.exactly(size + 2).await?;
            if size == 0 {
                return Some(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn more(&mut self) -> Option<()> {
        let count = self.socket.read_buf(&mut self.read).await.ok()?;
        (count > 0 && self.read.len() < REQUEST_MAX).then_some(())
    }
}
