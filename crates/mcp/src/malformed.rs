//! Why a text is not a message.

use crate::code::{ErrorObject, INVALID_REQUEST, PARSE_ERROR};

/// Why a text is not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// RFC 8259, section 2.
    #[error("not JSON: syntax error at byte {at}")]
    Syntax {
        /// Offset in bytes.
        at: usize,
    },
    /// RFC 8259, section 8.1.
    #[error("not JSON: invalid UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset in bytes.
        at: usize,
    },
    /// Nested deeper than the bound.
    #[error("nested too deeply at byte {at}")]
    TooDeep {
        /// Offset in bytes.
        at: usize,
    },
    /// One key twice in one object: parsers disagree about which counts.
    #[error("the key `{key}` stands twice in one object; send it once")]
    DuplicateKey {
        /// The key, cut to 64 characters.
        key: String,
    },
    /// A key that some parsers would take for one that decides where the message goes.
    #[error("the key `{key}` differs from `{routing_key}` only by case; write `{routing_key}`")]
    CaseVariant {
        /// The key as written.
        key: String,
        /// The key it could be taken for.
        routing_key: &'static str,
    },
    /// JSON, but not a JSON-RPC message.
    #[error("not a JSON-RPC message: {0}")]
    NotAMessage(&'static str),
}

impl Malformed {
    /// The error to answer with: -32700 for what is no JSON, -32600 for what is no message.
    #[must_use]
    pub fn to_error(&self) -> ErrorObject {
        let code = match self {
            Self::Syntax { .. } | Self::NotUtf8 { .. } | Self::TooDeep { .. } => PARSE_ERROR,
            Self::DuplicateKey { .. } | Self::CaseVariant { .. } | Self::NotAMessage(_) => INVALID_REQUEST,
        };
        ErrorObject::new(code, format!("The request was not read: {self}."))
    }
}
