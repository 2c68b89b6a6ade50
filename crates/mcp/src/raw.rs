//! A JSON text that shares the buffer it arrived in.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

/// A JSON text: valid, UTF-8, and a slice of the buffer it arrived in. Cloning copies a pointer.
///
/// INVARIANT: the bytes passed a [`scan`](crate::scan::scan), are a part of bytes that did, or were written by this crate.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raw(Bytes);

impl Raw {
    pub(crate) fn trusted(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Reads a text that is a part of a message, kept by itself (a persisted list entry). Key rules are not applied:
    /// they are those of messages.
    ///
    /// `None` when it is not JSON.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let value: &serde_json::value::RawValue = serde_json::from_str(text).ok()?;
        Some(Self(Bytes::copy_from_slice(value.get().as_bytes())))
    }

    /// The text of a JSON string with this value.
    #[must_use]
    pub fn string(value: &str) -> Self {
        if crate::scan::plain_run(value.as_bytes()) == value.len() {
            let mut text = String::with_capacity(value.len() + 2);
            text.push('"');
            text.push_str(value);
            text.push('"');
            return Self(Bytes::from(text));
        }
        Self(Bytes::from(serde_json::Value::from(value).to_string()))
    }

    /// The text of a JSON value.
    #[must_use]
    pub fn value(value: &serde_json::Value) -> Self {
        Self(Bytes::from(value.to_string()))
    }

    /// The text of a whole number.
    #[must_use]
    pub fn number(value: u64) -> Self {
        Self(Bytes::from(value.to_string()))
    }

    /// The bytes of the text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text as `str`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes, still shared.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// Whether the text is a string.
    #[must_use]
    pub fn is_string(&self) -> bool {
        self.0.first() == Some(&b'"')
    }

    /// Whether the text is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.0.first() == Some(&b'{')
    }

    /// Whether the text is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0 == "null"
    }

    /// The value of a JSON string; `None` for anything else, and for one with a lone surrogate.
    #[must_use]
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        text(&self.0)
    }

    /// The value of a whole, non-negative number, also when written `7.0`.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        let text = self.as_str();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        fraction.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok())?
    }

    /// The decoded value, for the few places that judge or merge it.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.0).unwrap_or_default()
    }

    /// The same text in a buffer of its own, for what outlives its message.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        Self(self.0.slice(range))
    }

    /// Where `self` lies within `outer`, when it is a part of it.
    pub(crate) fn range_in(&self, outer: &Self) -> Option<Range<usize>> {
        let start = (self.0.as_ptr() as usize).checked_sub(outer.0.as_ptr() as usize)?;
        let end = start.checked_add(self.0.len())?;
        (end <= outer.0.len()).then_some(start..end)
    }
}

/// The value of a JSON string, from its text.
pub(crate) fn text(written: &[u8]) -> Option<Cow<'_, str>> {
    let inner = written.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if !inner.contains(&b'\\') {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(written).ok().map(Cow::Owned)
}

impl fmt::Debug for Raw {
    /// Shows the length only: payloads do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}
