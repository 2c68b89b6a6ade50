//! The ways to answer a request. In every text `{id}` stands for the id of the request and `{token}` for its
//! progress token, both as they were spelled.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

/// What a backend does with one request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// The JSON text of the result, passed on as it is.
    Result(String),
    /// The JSON text of the error object, passed on as it is.
    Error(String),
    /// An HTTP answer: status, extra header lines, body.
    Http(u16, Vec<(String, String)>, String),
    /// An event stream of these messages, which then ends.
    Events(Vec<String>),
    /// An event stream of these messages, which then stays open and silent.
    EventsThenSilence(Vec<String>),
    /// An event stream of the first messages, then of the others once the gate is open.
    EventsAround(Vec<String>, Gate, Vec<String>),
    /// These bytes, as they are, and then the connection closes.
    Raw(String),
    /// Not a byte.
    Silence,
    /// A correct head, then one byte of the body after each pause, without end.
    Drip(Duration),
    /// One byte of the head after each pause, without end.
    DripHead(Duration),
    /// One event whose data never ends.
    EndlessEvent,
    /// The same message for ever, as fast as it is read.
    EndlessEvents(String),
    /// A result with a text of this many bytes, as JSON.
    Large(usize),
    /// The same as one event.
    LargeEvent(usize),
    /// A head that promises more than the body that follows.
    CutOff,
    /// The connection closes without an answer.
    HangUp,
    /// What `tools/list` answers on this many pages of one tool each, `tool0` first.
    Pages(u64),
    /// What `tools/list` answers with this many tools on one page.
    ManyTools(usize),
    /// The first of these, then the second, and so on; the last one stays.
    Sequence(Arc<Turns>),
    /// Waits at the gate before it goes on with the other.
    Held(Gate, Box<Behaviour>),
}

/// The state of a sequence.
#[derive(Debug)]
pub struct Turns {
    behaviours: Vec<Behaviour>,
    next: std::sync::atomic::AtomicUsize,
}

impl Turns {
    pub(super) fn take(&self) -> Behaviour {
        let turn = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.behaviours.get(turn).or(self.behaviours.last()).cloned().unwrap_or(Behaviour::HangUp)
    }
}

/// A gate that a test opens once, for all that wait and all that come.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    inner: Arc<(Notify, std::sync::atomic::AtomicBool)>,
}

impl Gate {
    /// Lets everybody through, from now on.
    pub fn open(&self) {
        self.inner.1.store(true, std::sync::atomic::Ordering::SeqCst);
        self.inner.0.notify_waiters();
    }

    pub(super) async fn passed(&self) {
        let opened = self.inner.0.notified();
        tokio::pin!(opened);
        opened.as_mut().enable();
        if !self.inner.1.load(std::sync::atomic::Ordering::SeqCst) {
            opened.await;
        }
    }
}

impl Behaviour {
    /// A tool result with one text.
    pub fn text(text: &str) -> Self {
        Self::Result(serde_json::json!({"content": [{"type": "text", "text": text}]}).to_string())
    }

    /// A body that claims to be JSON.
    pub fn body(text: &str) -> Self {
        Self::Http(200, vec![json()], text.to_owned())
    }

    /// A correct result, and header lines a backend has no business sending.
    pub fn with_headers(headers: &[(&str, &str)]) -> Self {
        let mut lines = vec![json()];
        lines.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"forged"}]}}"#;
        Self::Http(200, lines, body.to_owned())
    }

    /// A redirect.
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::Http(status, vec![("location".to_owned(), to.to_owned())], String::new())
    }

    /// A refusal of the backend's own.
    pub fn unauthorized() -> Self {
        let challenge = r#"Bearer resource_metadata="http://169.254.169.254/latest""#;
        Self::Http(401, vec![("www-authenticate".to_owned(), challenge.to_owned())], "no".to_owned())
    }

    /// An error page.
    pub fn error_page() -> Self {
        let kind = ("content-type".to_owned(), "text/html".to_owned());
        Self::Http(500, vec![kind], "<html><body>Internal Server Error</body></html>".to_owned())
    }

    /// Arrays nested this deep, where a result should be.
    pub fn deep(levels: usize) -> Self {
        let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        Self::body(&format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"content":[],"x":{nested}}}}}"#))
    }

    /// A body that says it is compressed.
    pub fn compressed() -> Self {
        Self::Http(
            200,
            vec![json(), ("content-encoding".to_owned(), "gzip".to_owned())],
            "\u{1f}8".repeat(64),
        )
    }

    /// One after the other; the last one stays.
    pub fn sequence(behaviours: Vec<Self>) -> Self {
        Self::Sequence(Arc::new(Turns { behaviours, next: std::sync::atomic::AtomicUsize::new(0) }))
    }

    /// This behaviour, once the gate is open.
    pub fn held(self, gate: &Gate) -> Self {
        Self::Held(gate.clone(), Box::new(self))
    }
}

fn json() -> (String, String) {
    ("content-type".to_owned(), "application/json".to_owned())
}
