//! What was left out of a catalogue, and why: for the operator's eyes, never for a client's.

use std::fmt;
use std::sync::Arc;

use mcp::Kind;

use crate::item::NAME_BYTES_MAX;

/// The longest subject kept in a report, in characters; names come from servers.
const SUBJECT_MAX: usize = 128;

/// One entry that clients do not see, or the rest of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The target that listed it.
    pub target: Arc<str>,
    /// Which list it stood in.
    pub kind: Kind,
    /// Its name or URI, made harmless for a log and cut; empty where it has none, and where the rest of a list is meant.
    pub subject: String,
    /// Why clients do not see it.
    pub reason: Reason,
}

/// Why clients do not see an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is not a JSON object.
    NotAnObject,
    /// It has no string `name` (`uri`, `uriTemplate`), or an empty one.
    NoKey,
    /// Its name, URI or template is longer than a list entry's may be.
    NameTooLong {
        /// How long it is, in bytes.
        bytes: usize,
    },
    /// A member occurs twice, so clients may read it in two ways.
    AmbiguousMember(String),
    /// Its name or URI holds characters that are not seen.
    HiddenCharacters,
    /// Its URI is in the gateway's own scheme.
    ReservedUri,
    /// Its URI template cannot be parsed (RFC 6570).
    BadTemplate(String),
    /// An `x-mcp-header` annotation is invalid (MCP 2026-07-28, Streamable HTTP, custom headers).
    BadParamHeader(String),
    /// The same target lists the name or URI twice; the first one stays.
    Duplicate,
    /// The target lists more than `limits.catalogue_items` of this kind.
    TooMany {
        /// How many were read; there may be more.
        listed: usize,
        /// How many were kept.
        limit: usize,
    },
    /// The target's lists are longer than is read of one target; they were cut here.
    TooLarge {
        /// How much is read of all its lists together, in bytes.
        limit: usize,
    },
    /// Another target owns the exposed name.
    NameTaken {
        /// The owner.
        by: Arc<str>,
    },
    /// The name looks like one of another, prefixed target.
    ForeignPrefix {
        /// The other target.
        of: String,
    },
    /// Another target lists the same URI and goes first.
    UriTaken {
        /// The other target.
        by: Arc<str>,
    },
}

impl Report {
    /// A report about `subject`, which a server wrote.
    #[must_use]
    pub fn new(target: &Arc<str>, kind: Kind, subject: &str, reason: Reason) -> Self {
        let subject = subject.chars().flat_map(char::escape_debug).take(SUBJECT_MAX).collect();
        Self { target: Arc::clone(target), kind, subject, reason }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = match self.kind {
            Kind::Tool => "tool",
            Kind::Prompt => "prompt",
            Kind::Resource => "resource",
            Kind::Template => "resource template",
        };
        write!(f, "target `{}`: ", self.target)?;
        match &self.reason {
            Reason::TooMany { .. } | Reason::TooLarge { .. } => write!(f, "the rest of its {noun}s")?,
            _ if self.subject.is_empty() => write!(f, "a {noun}")?,
            _ => write!(f, "{noun} `{}`", self.subject)?,
        }
        write!(f, " is not offered: {}", self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("the list entry is not an object; repair the server"),
            Self::NoKey => f.write_str("it has no name; repair the server"),
            Self::NameTooLong { bytes } => {
                write!(
                    f,
                    "its name is {bytes} bytes long, more than {NAME_BYTES_MAX}; shorten it on the server"
                )
            }
            Self::AmbiguousMember(key) => write!(f, "its member `{key}` occurs twice; repair the server"),
            Self::HiddenCharacters => {
                f.write_str("its name holds invisible characters; do not trust the server")
            }
            Self::ReservedUri => {
                f.write_str("the scheme `portcullis:` belongs to the gateway; rename it on the server")
            }
            Self::BadTemplate(what) => write!(f, "{what}; repair the server"),
            Self::BadParamHeader(what) => {
                write!(f, "its `x-mcp-header` annotation is invalid: {what}; repair the server")
            }
            Self::Duplicate => f.write_str("the target lists it twice; the first one stays"),
            Self::TooMany { listed, limit } => {
                write!(f, "it lists {listed} or more, and {limit} are kept; raise `limits.catalogue_items`")
            }
            Self::TooLarge { limit } => {
                write!(f, "its lists are longer than {limit} bytes together; let the server list less")
            }
            Self::NameTaken { by } => {
                write!(
                    f,
                    "the name belongs to target `{by}`; give one of the two a prefix, or rename it on a server"
                )
            }
            Self::ForeignPrefix { of } => {
                write!(
                    f,
                    "the name looks like one of target `{of}`; give this target a prefix, or rename it on the server"
                )
            }
            Self::UriTaken { by } => {
                write!(
                    f,
                    "target `{by}` lists the same URI and goes first; set `resource_priority` to change that"
                )
            }
        }
    }
}
