//! A server that lists what a test wants, when and to whom it wants.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mcp::{Kind, Message, Response, Version};
use portcullis_catalogue::Source;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use upstream::{Caller, ServerFacts, UpstreamError};

use super::raw;

/// What the server does when asked for a page.
pub enum Answer {
    /// Gives this `result`.
    Result(String),
    /// Gives this `error`.
    Error(i64),
    /// Cannot be reached.
    Down,
    /// Never answers.
    Hang,
}

type Script = dyn Fn(Option<&str>, Kind, Option<&str>) -> Answer + Send + Sync;

/// A scripted server.
pub struct Server {
    script: Mutex<Arc<Script>>,
    capabilities: Mutex<String>,
    asked: AtomicUsize,
    feed: Mutex<Option<mpsc::Sender<Kind>>>,
}

impl Server {
    /// Answers each page by a function of the caller's subject, the list and the cursor.
    pub fn scripted(
        script: impl Fn(Option<&str>, Kind, Option<&str>) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Arc::new(script)),
            capabilities: Mutex::new(r#"{"tools":{}}"#.to_owned()),
            asked: AtomicUsize::new(0),
            feed: Mutex::new(None),
        })
    }

    /// Lists these tools to everybody.
    pub fn with_tools(names: &[&str]) -> Arc<Self> {
        let page = tools_page(names);
        Self::scripted(move |_, _, _| Answer::Result(page.clone()))
    }

    pub fn down() -> Arc<Self> {
        Self::scripted(|_, _, _| Answer::Down)
    }

    pub fn hanging() -> Arc<Self> {
        Self::scripted(|_, _, _| Answer::Hang)
    }

    /// Behaves differently from now on.
    pub fn becomes(
        &self,
        script: impl Fn(Option<&str>, Kind, Option<&str>) -> Answer + Send + Sync + 'static,
    ) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    pub fn declares(&self, capabilities: &str) {
        *self.capabilities.lock().unwrap() = capabilities.to_owned();
    }

    /// How many pages were asked for.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Says that a list changed. Waits until the feed is being watched.
    pub async fn announce(&self, kind: Kind) {
        loop {
            let feed = self.feed.lock().unwrap().clone();
            if let Some(feed) = feed {
                feed.send(kind).await.unwrap();
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn answer(&self, caller: Option<&Caller>, kind: Kind, cursor: Option<&str>) -> Answer {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let script = Arc::clone(&self.script.lock().unwrap());
        script(caller.map(|caller| caller.principal.subject()), kind, cursor)
    }
}

pub fn tools_page(names: &[&str]) -> String {
    let tools: Vec<String> = names.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
    format!(r#"{{"tools":[{}]}}"#, tools.join(","))
}

fn response(text: &str) -> Response {
    match Message::of(&raw(text)).unwrap() {
        Message::Response(response) => response,
        _ => panic!("not a response: {text}"),
    }
}

impl Source for Server {
    fn page<'a>(
        &'a self,
        caller: Option<&'a Caller>,
        kind: Kind,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<Response, UpstreamError>> {
        let answer = self.answer(caller, kind, cursor.as_deref());
        Box::pin(async move {
            match answer {
                Answer::Result(result) => {
                    Ok(response(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)))
                }
                Answer::Error(code) => Ok(response(&format!(
                    r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"no"}}}}"#
                ))),
                Answer::Down => Err(UpstreamError::Unreachable("refused".to_owned())),
                Answer::Hang => std::future::pending().await,
            }
        })
    }

    fn facts<'a>(
        &'a self,
        _caller: Option<&'a Caller>,
    ) -> BoxFuture<'a, Result<Arc<ServerFacts>, UpstreamError>> {
        let facts = ServerFacts {
            version: Version::V2025_11_25,
            capabilities: raw(&self.capabilities.lock().unwrap()),
            info: Some(raw(r#"{"name":"fixture","version":"1"}"#)),
            instructions: Some("Use with care.".to_owned()),
        };
        Box::pin(std::future::ready(Ok(Arc::new(facts))))
    }

    fn feed(&self, changed: mpsc::Sender<Kind>, stop: CancellationToken) -> BoxFuture<'_, ()> {
        *self.feed.lock().unwrap() = Some(changed);
        Box::pin(async move { stop.cancelled().await })
    }
}
