//! The HTTP headers of the protocol: their names, and how a value that is not plain ASCII travels in one.
//!
//! Compares nothing: whether a header agrees with the body is for whoever has both.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[cfg(test)]
mod tests;

/// The request's method, on every modern POST.
pub const MCP_METHOD: &str = "mcp-method";
/// The name, URI or task id that the request is about. Its value is written by [`encode_value`].
pub const MCP_NAME: &str = "mcp-name";
/// What the name of a header begins with that mirrors an argument of a tool.
pub const MCP_PARAM_PREFIX: &str = "mcp-param-";
/// The protocol revision.
pub const MCP_PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// The session; legacy only.
pub const MCP_SESSION_ID: &str = "mcp-session-id";
/// The last event a client has seen of a stream it wants to resume; legacy only.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// Exactly so: the markers are case-sensitive (MCP 2026-07-28, Streamable HTTP, Value Encoding).
const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// Why a header's value is not a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// RFC 9110, section 5.5: visible ASCII, space and tab only.
    #[error("contains the byte {byte:#04x}; send the value as `=?base64?…?=`")]
    InvalidCharacter {
        /// The byte that may not stand in a header.
        byte: u8,
    },
    /// RFC 4648, section 4, with padding.
    #[error("is marked as Base64 and is not; use the standard alphabet with padding")]
    InvalidBase64,
    /// The decoded bytes are no text.
    #[error("is not UTF-8 once decoded")]
    InvalidUtf8,
}

/// `text` as the value of a header: as it is if that is safe, otherwise as `=?base64?…?=`. Empty stays empty.
#[must_use]
pub fn encode_value(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut value = String::with_capacity(PREFIX.len() + text.len().div_ceil(3) * 4 + SUFFIX.len());
    value.push_str(PREFIX);
    STANDARD.encode_string(text, &mut value);
    value.push_str(SUFFIX);
    Cow::Owned(value)
}

/// The text in a header's value. White space around it is no part of it; a value without both markers is literal.
///
/// # Errors
/// The value has a byte that no header may have, or has the markers and not Base64 of UTF-8 between them.
pub fn decode_value(value: &[u8]) -> Result<Cow<'_, str>, HeaderError> {
    let value = trimmed(value);
    if let Some(&byte) = value.iter().find(|byte| !matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(HeaderError::InvalidCharacter { byte });
    }
    let text = std::str::from_utf8(value).map_err(|_| HeaderError::InvalidUtf8)?;
    let Some(encoded) = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) else {
        return Ok(Cow::Borrowed(text));
    };
    let decoded = STANDARD.decode(encoded).map_err(|_| HeaderError::InvalidBase64)?;
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| HeaderError::InvalidUtf8)
}

/// Whether `text` reads the same after it has been a header's value. A tab inside would, but is a control character,
/// which the specification wants encoded.
fn is_plain(text: &str) -> bool {
    let looks_encoded = text.starts_with(PREFIX) && text.ends_with(SUFFIX);
    let padded = text.starts_with(' ') || text.ends_with(' ');
    !looks_encoded && !padded && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Without optional white space (RFC 9110, section 5.6.3).
fn trimmed(value: &[u8]) -> &[u8] {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().take_while(|byte| space(byte)).count();
    let end = value[start..].iter().rev().take_while(|byte| space(byte)).count();
    &value[start..value.len() - end]
}
