//! A server under test and a client that writes bytes.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use portcullis_net::{Body, Drain, Options, Peer, Server, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Long enough for any machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Running {
    pub addr: SocketAddr,
    pub drain: Drain,
    pub cut: JoinHandle<usize>,
}

pub fn start<H, F>(handler: H) -> Running
where
    H: Fn(Request<Incoming>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    start_with(Options::default(), Drain::new(PATIENCE), handler)
}

pub fn start_with<H, F>(options: Options, drain: Drain, handler: H) -> Running
where
    H: Fn(Request<Incoming>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = Server::bind("127.0.0.1:0".parse().unwrap(), options).unwrap();
    let addr = listener.local_addr();
    let cut = tokio::spawn(serve(listener, handler, drain.clone()));
    Running { addr, drain, cut }
}

/// One connection, spoken to in bytes.
pub struct Wire(pub TcpStream);

impl Wire {
    pub async fn open(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.unwrap())
    }

    pub async fn write(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Everything until the server closes.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.unwrap();
        if let Err(error) = read {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
        String::from_utf8(bytes).unwrap()
    }

    /// One response with a `Content-Length`, or `None` when the server closed before its end.
    pub async fn response(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            if let Some(head) = text.find("\r\n\r\n") {
                let length = text[..head]
                    .lines()
                    .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                    .unwrap_or(0);
                if text.len() >= head + 4 + length {
                    return Some(text);
                }
            }
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.0.read(&mut buffer)).await.unwrap();
            match read {
                Ok(read) if read > 0 => text.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
                _ => return None,
            }
        }
    }
}

pub async fn hello(_: Request<Incoming>, _: Peer) -> Response<Body> {
    Response::new(Body::from("hello"))
}

pub const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
