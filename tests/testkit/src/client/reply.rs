//! A whole HTTP answer, and the MCP messages in it.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::sse::{Decoder, Event};

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header lines in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without its transfer coding.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first line of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status, headers and body without what differs between two answers that say the same.
    pub fn fingerprint(&self) -> (u16, Vec<(String, String)>, String) {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| name != "date" && name != "x-request-id");
        (self.status, headers, self.text())
    }

    /// Whether the body is an event stream.
    pub fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// The events of a stream that has ended.
    pub fn events(&self) -> Vec<Event> {
        Decoder::default().feed(&self.body)
    }

    /// Every message of the answer, whichever form it took.
    pub fn messages(&self) -> anyhow::Result<Vec<Value>> {
        let texts = if self.is_stream() {
            self.events().into_iter().map(|event| event.data).filter(|data| !data.is_empty()).collect()
        } else {
            vec![self.text()]
        };
        let parse = |text: &String| serde_json::from_str(text).with_context(|| format!("not JSON: {text}"));
        texts.iter().map(parse).collect()
    }

    /// The one response among the messages.
    pub fn message(&self) -> anyhow::Result<Value> {
        let messages = self.messages()?;
        let mut responses = messages
            .iter()
            .filter(|message| message.get("result").is_some() || message.get("error").is_some());
        let Some(response) = responses.next() else {
            bail!("no response in {} {}", self.status, self.text())
        };
        ensure!(responses.next().is_none(), "two responses in {}", self.text());
        Ok(response.clone())
    }

    /// The result; an error is a failure of the test.
    pub fn result(&self) -> anyhow::Result<Value> {
        let message = self.message()?;
        message.get("result").cloned().with_context(|| format!("HTTP {}: {message}", self.status))
    }

    /// The error's code; a result is a failure of the test.
    pub fn error_code(&self) -> anyhow::Result<i64> {
        let message = self.message()?;
        let code = message.pointer("/error/code").and_then(Value::as_i64);
        code.with_context(|| format!("HTTP {}: {message}", self.status))
    }

    /// The error's sentence.
    pub fn error_message(&self) -> anyhow::Result<String> {
        let message = self.message()?;
        let text = message.pointer("/error/message").and_then(Value::as_str);
        text.map(str::to_owned).with_context(|| format!("HTTP {}: {message}", self.status))
    }
}

/// The first line of a header.
pub(super) fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
