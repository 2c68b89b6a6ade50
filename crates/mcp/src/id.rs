//! Request ids: relayed as they were written, compared by value.

use std::fmt;

use crate::Raw;

/// The id of a request: a string, or a whole number. Keeps its spelling.
#[derive(Clone, Debug)]
pub struct Id(Raw);

/// An id's value: two spellings of one id are equal, `"1"` and `1` are not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKey {
    /// A string id.
    Text(String),
    /// A numeric id, without a fraction.
    Number(String),
}

impl Id {
    /// The id written as `text`; `None` for null, fractions, and anything that is neither string nor number.
    #[must_use]
    pub fn of(text: &Raw) -> Option<Self> {
        let id = Self(text.clone());
        id.key().is_some().then_some(id)
    }

    /// The id as it was written.
    #[must_use]
    pub fn text(&self) -> &Raw {
        &self.0
    }

    /// The id's value.
    #[must_use]
    pub fn key(&self) -> Option<IdKey> {
        if self.0.is_string() {
            return self.0.to_text().map(|text| IdKey::Text(text.into_owned()));
        }
        whole(self.0.as_str()).map(IdKey::Number)
    }

    /// The id as one of our own, which are small numbers.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        self.0.to_u64()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// `1.0` is 1 (MCP allows integers only, and JSON writers disagree about how to write them).
fn whole(number: &str) -> Option<String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    (plain && fraction.bytes().all(|digit| digit == b'0')).then(|| whole.to_owned())
}
