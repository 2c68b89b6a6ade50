//! The compiled configuration: what the other rooms read. Immutable, validated, one revision.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mcp::Version;
use secrecy::SecretString;
use url::Url;

/// One revision of the whole configuration. Held from the first byte of a request to its last.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Data plane address.
    pub listen: SocketAddr,
    /// Admin address (health and readiness).
    pub admin_listen: SocketAddr,
    /// The origin clients use; defaults to `http://{listen}`. Never ends in `/`.
    pub public_url: Url,
    /// Where SQLite and the keyring live. As written by `parse`; `load` takes a relative one from the folder of the file.
    pub data_dir: PathBuf,
    /// Bounds on everything that comes from outside.
    pub limits: Limits,
    /// Exceptions to the egress guard.
    pub egress: Egress,
    /// The gateways, in the order they were written.
    pub gateways: Vec<Gateway>,
}

/// Bounds on everything that comes from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client request body, in bytes.
    pub request_body: usize,
    /// One message from a server (a JSON body, an SSE event, a stdio line), in bytes.
    pub upstream_event: usize,
    /// Nesting of JSON, in levels.
    pub json_depth: usize,
    /// Messages in one 2025-03-26 batch.
    pub batch: usize,
    /// Sessions one principal may hold at a time, per gateway; and sessions held for it with one target.
    pub sessions_per_principal: usize,
    /// Sessions in all.
    pub sessions: usize,
    /// Client requests in progress at a time, in all.
    pub in_flight: usize,
    /// Client requests of one principal in progress at a time. Where there is no authentication, `in_flight` counts.
    pub in_flight_per_principal: usize,
    /// Streams at a time, in all, that outlast a request: GET streams of sessions, calls taken up on one,
    /// `subscriptions/listen`, and HTTP+SSE.
    pub streams: usize,
    /// The same of one principal. Where there is no authentication, `streams` counts.
    pub streams_per_principal: usize,
    /// Resources, and tasks, that one session, or one `subscriptions/listen`, may be subscribed to.
    pub subscriptions_per_session: usize,
    /// Resources and tasks that one principal may be subscribed to in all its sessions and streams of one gateway. Where there is no
    /// authentication, only `subscriptions_per_session` counts.
    pub subscriptions_per_principal: usize,
    /// Notifications that wait for one client that does not take them; beyond it they are merged, and log messages dropped.
    pub notifications: usize,
    /// The same, in bytes.
    pub notification_bytes: usize,
    /// Events of one session that are kept so that a broken stream can be resumed, in bytes.
    pub resume_bytes: usize,
    /// The same for all sessions of one principal in a gateway. Where there is no authentication, `resume_bytes_total`
    /// counts.
    pub resume_bytes_per_principal: usize,
    /// The same for all sessions of a gateway, in bytes.
    pub resume_bytes_total: usize,
    /// Client connections at a time.
    pub connections: usize,
    /// Time for a client to send its request head, and then its body.
    pub read_timeout: Duration,
    /// Items one target may list, of each kind.
    pub catalogue_items: usize,
    /// Time a running request has to finish after SIGTERM.
    pub drain: Duration,
    /// Questions a server may ask in one call, in all.
    pub questions: usize,
    /// Questions open at a time in one client session.
    pub questions_open: usize,
    /// Times a modern server may need answers in one call.
    pub rounds: usize,
    /// Time a person has to answer a question.
    pub question_timeout: Duration,
    /// Calls of modern clients that wait for an answer at a time, per gateway.
    pub parks: usize,
    /// Calls of one principal that wait for an answer at a time. Where there is no authentication, `parks` counts.
    pub parks_per_principal: usize,
    /// The largest question, in bytes.
    pub question_bytes: usize,
    /// The open questions of one call, and what their server wants to have back, in bytes.
    pub round_bytes: usize,
    /// What calls that wait hold, per gateway, in bytes.
    pub park_bytes: usize,
    /// The same of one principal. Where there is no authentication, `park_bytes` counts.
    pub park_bytes_per_principal: usize,
}

/// Exceptions to the egress guard (DESIGN: addresses).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// Host names or CIDR blocks that URLs learned from servers, tokens or documents may point to.
    pub allow: Vec<String>,
}

/// One virtual MCP server.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// `[a-z0-9][a-z0-9-]{0,31}`, not a reserved word.
    pub name: String,
    /// Given to clients at initialize and discover.
    pub instructions: Option<String>,
    /// Whether answers may be SSE streams.
    pub streaming: Streaming,
    /// `None`: no session ids, no state kept between calls.
    pub sessions: Option<Sessions>,
    /// The protocol revisions offered to clients, oldest first; never empty.
    pub versions: Vec<Version>,
    /// Who may come in.
    pub inbound: Inbound,
    /// Between target and tool name; `___` by default.
    pub separator: String,
    /// Items on one page of a list.
    pub page_size: usize,
    /// How long a list waits for slow targets before it answers with what it has.
    pub list_budget: Duration,
    /// Origins a browser may call from, besides the gateway's own. Exact, lower case, no default port.
    pub allowed_origins: Vec<String>,
    /// Host names accepted in `Host` besides those of `public_url` and of loopback addresses.
    pub allowed_hosts: Vec<String>,
    /// Whether servers may ask for secrets in a form.
    pub form_secrets: FormSecrets,
    /// Whether servers may send people to private addresses.
    pub private_urls: Rule,
    /// The backends, in the order they were written.
    pub targets: Vec<Target>,
}

/// Whether answers may be SSE streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streaming {
    /// Every POST is answered with JSON; GET is 405; HTTP+SSE is off.
    Off,
    /// SSE towards clients that accept it.
    On,
}

/// Whether something that is refused by default is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is not.
    Refuse,
    /// The operator wrote so.
    Allow,
}

/// Whether servers may ask for secrets in forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormSecrets {
    /// No field may ask for one.
    Refuse,
    /// Nor may the text above a form into which a person can write.
    RefuseInText,
    /// The operator wrote so.
    Allow,
}

/// How long legacy sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Absolute, from initialize: 15 minutes to 8 hours.
    pub timeout: Duration,
    /// Sliding: a session nobody used for this long ends.
    pub idle: Duration,
}

/// Who may come in.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    /// Written out as `inbound: none`: everyone is the anonymous principal.
    None,
    /// A bearer token from one of these issuers; selected by the exact `iss`.
    Jwt(Vec<JwtAuthorizer>),
}

/// One issuer whose access tokens are accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtAuthorizer {
    /// Where the issuer's identity and keys come from.
    pub issuer: Issuer,
    /// What `aud` must contain one of.
    pub audiences: Audiences,
    /// `client_id`/`azp` must be one of these, when not empty.
    pub clients: Vec<String>,
    /// Scopes every caller needs.
    pub scopes: Vec<String>,
}

/// Where an issuer's identity and keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// The embedded development issuer at `{public_url}/dev`; loopback only.
    Dev,
    /// OpenID Connect discovery: the document names issuer and `jwks_uri`.
    Discovery(Url),
    /// Issuer and key set written out.
    Jwks {
        /// The exact `iss`.
        issuer: String,
        /// Where the JWK set is.
        jwks_uri: Url,
    },
}

/// What `aud` must contain one of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audiences {
    /// The gateway's own URL (`{public_url}/{name}/mcp`), the default.
    Own,
    /// Exactly these.
    Listed(Vec<String>),
    /// Written out as `unchecked`; then `clients` is not empty.
    Unchecked,
}

/// One backend behind a gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// `[a-z0-9][a-z0-9-]{0,31}`.
    pub name: String,
    /// How the server is reached.
    pub transport: Transport,
    /// When its lists are captured.
    pub listing: Listing,
    /// How its names appear to clients.
    pub prefix: Prefix,
    /// Which target answers a URI that several list: the lowest number, then config order. 0–1000.
    pub resource_priority: u16,
    /// The credential the gateway shows to the server.
    pub outbound: Outbound,
    /// Whether the server may have its clients' models generate, and how much; `None`: it may not.
    pub sampling: Option<Sampling>,
    /// The roots that the server is told, whatever the client's are; empty: it is told the client's.
    pub roots: Vec<String>,
    /// How often a default listing is captured anew.
    pub refresh: Duration,
    /// Time until a call must have ended, progress or not.
    pub call_timeout: Duration,
    /// Time a call may go without a byte from the server.
    pub idle_timeout: Duration,
    /// Time to connect, to answer a probe, to start a child.
    pub connect_timeout: Duration,
}

/// How much a server may have its clients' models generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Tokens of one request; what asks for more is asked with this.
    pub max_tokens: u64,
    /// Requests in one call.
    pub calls: usize,
    /// Requests of one principal open at a time: a model that calls a tool whose server samples goes one deeper.
    pub nesting: usize,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Transport {
    /// Streamable HTTP, or HTTP+SSE where the server speaks only that.
    Http {
        /// The MCP endpoint.
        url: Url,
        /// Which era to speak.
        era: Era,
    },
    /// A child process that speaks on stdin and stdout.
    Stdio(Stdio),
}

/// Which era to speak to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Find out, and remember.
    Auto,
    /// 2026-07-28 and later.
    Modern,
    /// 2025-11-25 and earlier.
    Legacy,
}

/// A child process that speaks MCP on stdin and stdout.
#[derive(Clone, PartialEq)]
pub struct Stdio {
    /// The program, looked up in PATH.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Added to PATH, HOME, LANG and TMPDIR; nothing else is inherited.
    pub env: BTreeMap<String, Secret>,
    /// Working directory; the gateway's own when absent.
    pub cwd: Option<PathBuf>,
    /// Which era to speak.
    pub era: Era,
    /// Who shares a child.
    pub isolation: Isolation,
    /// Children at a time.
    pub instances_max: usize,
    /// A child nobody used for this long is stopped.
    pub idle: Duration,
}

/// Who shares a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// One child per principal (default).
    Principal,
    /// One child per client session; per principal for clients without sessions.
    Session,
    /// One child for everyone. Has to be written out.
    Shared,
}

/// When a target's lists are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// At registration and sync, persisted, the same for everyone.
    Default,
    /// Live, under the caller's identity, cached per principal.
    Dynamic,
}

/// How a target's names appear to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `target___tool`.
    Target,
    /// Tools keep their own names.
    None,
}

/// The credential the gateway shows to a server. The client's own token never goes upstream.
#[derive(Clone, Debug, PartialEq)]
pub enum Outbound {
    /// No credential.
    None,
    /// Fixed header values, secrets by reference.
    Headers(BTreeMap<String, Secret>),
    /// A short-lived JWT about the caller, signed by the embedded issuer for one audience.
    Assertion {
        /// `aud` of the assertion.
        audience: String,
    },
}

/// A secret value, never printed.
#[derive(Clone)]
pub struct Secret(pub SecretString);

impl PartialEq for Secret {
    /// Compares the values themselves: only to learn whether a reload changed a target.
    fn eq(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret;
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdio")
            .field("command", &self.command)
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// The gateway's own URL, which is also its OAuth resource identifier.
    #[must_use]
    pub fn url(&self, public_url: &Url) -> String {
        format!("{}/{}/mcp", public_url.as_str().trim_end_matches('/'), self.name)
    }
}
