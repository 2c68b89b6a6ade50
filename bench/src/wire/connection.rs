//! Connections of the load generator: one request at a time, kept alive.

use std::io::{Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, bail};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::reception::Reception;
use super::{Era, Place, Reply};

/// A connection of the closed loop.
pub struct Connection {
    stream: TcpStream,
    reception: Reception,
}

impl Connection {
    /// Connects.
    pub async fn open(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(addr).await.with_context(|| format!("{addr} cannot be connected to"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, reception: Reception::new() })
    }

    /// Sends a request and reads the whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Reply<'_>> {
        self.reception.reset();
        self.stream.write_all(request).await?;
        self.rest().await
    }

    /// Sends a request and reads no further than the head of the answer; answers the status.
    pub async fn begin(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.reception.reset();
        self.stream.write_all(request).await?;
        while !self.reception.has_head() {
            let count = self.stream.read(self.reception.spare()).await?;
            self.reception.received(count)?;
        }
        Ok(self.reception.status())
    }

    /// Reads on until `needle` is in what was received of the body, and answers that.
    pub async fn until(&mut self, needle: &[u8]) -> anyhow::Result<&[u8]> {
        while memmem::find(self.reception.so_far(), needle).is_none() {
            if self.reception.is_complete() {
                bail!("an answer without {}", String::from_utf8_lossy(needle));
            }
            let count = self.stream.read(self.reception.spare()).await?;
            self.reception.received(count)?;
        }
        Ok(self.reception.so_far())
    }

    /// Reads what is left of the answer.
    pub async fn rest(&mut self) -> anyhow::Result<Reply<'_>> {
        while !self.reception.is_complete() {
            let count = self.stream.read(self.reception.spare()).await?;
            self.reception.received(count)?;
        }
        self.reception.reply()
    }
}

/// A connection of the open loop: blocking, because a thread wakes more punctually than a timer wheel.
pub struct Blocking {
    stream: std::net::TcpStream,
    reception: Reception,
}

impl Blocking {
    /// Connects.
    pub fn open(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = std::net::TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, reception: Reception::new() })
    }

    /// Sends a request and reads the whole answer.
    pub fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Reply<'_>> {
        self.reception.reset();
        self.stream.write_all(request)?;
        while !self.reception.is_complete() {
            let count = self.stream.read(self.reception.spare())?;
            self.reception.received(count)?;
        }
        self.reception.reply()
    }
}

/// A legacy client's session.
pub struct Session {
    /// Its id.
    pub id: String,
}

impl Session {
    /// Shakes hands.
    pub async fn open(connection: &mut Connection, place: &Place) -> anyhow::Result<Self> {
        let id = Self::initialize(connection, place).await?;
        let headers = format!("mcp-protocol-version: {}\r\nmcp-session-id: {id}\r\n", Era::Legacy.version());
        let nod = place.render("POST", &headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        let status = connection.exchange(&nod).await?.status;
        if status != 202 {
            bail!("HTTP {status} for notifications/initialized");
        }
        Ok(Self { id })
    }

    /// Sends `initialize` and nothing more; answers the session id.
    pub async fn initialize(connection: &mut Connection, place: &Place) -> anyhow::Result<String> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{"roots":{{"listChanged":true}},"sampling":{{}},"elicitation":{{}}}},"clientInfo":{{"name":"bench","title":"Benchmark","version":"1.0.0"}}}}}}"#,
            Era::Legacy.version()
        );
        let hello = place.render("POST", "", &body);
        connection.exchange(&hello).await?.expect_result(br#""id":1"#)?;
        let id = connection.reception.session().context("initialize was answered without a session id")?;
        Ok(id.to_owned())
    }

    /// The bytes of the answer to a question on a stream.
    pub fn answer(&self, place: &Place, question: u64, result: &str) -> Vec<u8> {
        let version = Era::Legacy.version();
        let headers = format!("mcp-protocol-version: {version}\r\nmcp-session-id: {}\r\n", self.id);
        place.render("POST", &headers, &format!(r#"{{"jsonrpc":"2.0","id":{question},"result":{result}}}"#))
    }

    /// The bytes of the request for its stream.
    pub fn listen(&self, place: &Place) -> Vec<u8> {
        let version = Era::Legacy.version();
        let headers = format!("mcp-protocol-version: {version}\r\nmcp-session-id: {}\r\n", self.id);
        place.render("GET", &headers, "")
    }

    /// Ends it.
    pub async fn close(self, connection: &mut Connection, place: &Place) -> anyhow::Result<()> {
        let bye = place.render("DELETE", &format!("mcp-session-id: {}\r\n", self.id), "");
        let status = connection.exchange(&bye).await?.status;
        if status / 100 != 2 {
            bail!("HTTP {status} for the end of a session");
        }
        Ok(())
    }
}
