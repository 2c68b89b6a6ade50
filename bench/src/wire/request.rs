//! Requests, rendered once. Only the digits of the id change from one call to the next.

use std::net::SocketAddr;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25, with a session.
    Legacy,
    /// 2026-07-28.
    Modern,
}

impl Era {
    /// The revision.
    pub fn version(self) -> &'static str {
        match self {
            Self::Legacy => "2025-11-25",
            Self::Modern => "2026-07-28",
        }
    }
}

/// An endpoint, and how its callers show who they are.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where to connect.
    pub addr: SocketAddr,
    /// The path of the endpoint.
    pub path: String,
    /// A bearer token.
    pub token: Option<String>,
}

impl Place {
    /// An endpoint that asks for no credential.
    pub fn new(addr: SocketAddr, path: &str) -> Self {
        Self { addr, path: path.to_owned(), token: None }
    }

    /// The bytes of a request: `headers` are whole lines.
    pub fn render(&self, method: &str, headers: &str, body: &str) -> Vec<u8> {
        let authorization =
            self.token.as_ref().map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        format!(
            "{method} {} HTTP/1.1\r\nhost: {}\r\n{authorization}accept: application/json, text/event-stream\r\n\
             content-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.path,
            self.addr,
            body.len()
        )
        .into_bytes()
    }
}

/// Eight digits, so that ids never change the length of a request.
const ID_DIGITS: usize = 8;
const FIRST_ID: &str = "10000000";

/// By what the answer to a question of a modern server is known: what the gateway calls those of legacy ones.
pub const QUESTION_KEY: &str = "question-1";

/// A rendered request.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    /// Where `"id":` begins.
    id_at: usize,
}

const ID_KEY: &str = r#""id":"#;

impl Template {
    /// `tools/call`; `arguments` is a JSON object.
    pub fn call(era: Era, place: &Place, session: Option<&str>, tool: &str, arguments: &str) -> Self {
        let meta = meta(era, r#""progressToken":"p-1""#);
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments},"_meta":{{{meta}}}}}"#);
        Self::new(era, place, session, "tools/call", &format!("mcp-name: {tool}\r\n"), &params)
    }

    /// `tools/call` by a client that can be asked something.
    pub fn ask(era: Era, place: &Place, session: Option<&str>, tool: &str) -> Self {
        let meta = askable(era);
        let params = format!(r#"{{"name":"{tool}","arguments":{{}},"_meta":{{{meta}}}}}"#);
        Self::new(era, place, session, "tools/call", &format!("mcp-name: {tool}\r\n"), &params)
    }

    /// The same of a modern client once more, with the answer.
    pub fn retry(place: &Place, tool: &str, state: &str, answer: &str) -> Self {
        let meta = askable(Era::Modern);
        let params = format!(
            r#"{{"name":"{tool}","arguments":{{}},"requestState":"{state}","inputResponses":{{"{QUESTION_KEY}":{answer}}},"_meta":{{{meta}}}}}"#
        );
        Self::new(Era::Modern, place, None, "tools/call", &format!("mcp-name: {tool}\r\n"), &params)
    }

    /// `subscriptions/listen`, for changes of the list of tools.
    pub fn listen(place: &Place) -> Self {
        let params = format!(
            r#"{{"notifications":{{"toolsListChanged":true}},"_meta":{{{}}}}}"#,
            meta(Era::Modern, "")
        );
        Self::new(Era::Modern, place, None, "subscriptions/listen", "", &params)
    }

    /// `tools/list`.
    pub fn list(era: Era, place: &Place, session: Option<&str>) -> Self {
        let params = format!(r#"{{"_meta":{{{}}}}}"#, meta(era, ""));
        Self::new(era, place, session, "tools/list", "", &params)
    }

    fn new(era: Era, place: &Place, session: Option<&str>, method: &str, name: &str, params: &str) -> Self {
        let mut headers = format!("mcp-protocol-version: {}\r\n", era.version());
        if era == Era::Modern {
            headers.push_str(&format!("mcp-method: {method}\r\n{name}"));
        }
        if let Some(session) = session {
            headers.push_str(&format!("mcp-session-id: {session}\r\n"));
        }
        let body = format!(r#"{{"jsonrpc":"2.0",{ID_KEY}{FIRST_ID},"method":"{method}","params":{params}}}"#);
        let bytes = place.render("POST", &headers, &body);
        let id_at = bytes.len() - body.len() + r#"{"jsonrpc":"2.0","#.len();
        Self { bytes, id_at }
    }

    /// The bytes of the next request, which has an id of its own.
    pub fn next(&mut self) -> &[u8] {
        let from = self.id_at + ID_KEY.len();
        for digit in self.bytes[from..from + ID_DIGITS].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
        &self.bytes
    }

    /// What the answer must contain: the id of the last request.
    pub fn id(&self) -> &[u8] {
        &self.bytes[self.id_at..self.id_at + ID_KEY.len() + ID_DIGITS]
    }
}

/// Members of `_meta` of a client that shows forms; a legacy one said so before.
fn askable(era: Era) -> String {
    meta(era, "").replace(r#"Capabilities":{}"#, r#"Capabilities":{"elicitation":{}}"#)
}

/// Members of `_meta`, with `own` in front.
fn meta(era: Era, own: &str) -> String {
    let modern = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}"#;
    match (era, own) {
        (Era::Legacy, own) => own.to_owned(),
        (Era::Modern, "") => modern.to_owned(),
        (Era::Modern, own) => format!("{own},{modern}"),
    }
}
