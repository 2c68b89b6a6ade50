//! The members of one JSON object, found without decoding any value.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::outline::{Member, Outline, Spelling};
use crate::scan::{differs_by_case_only, is_called, key_of, plain_run, repeated};
use crate::{Raw, raw};

/// An object's text and where its members lie in it.
#[derive(Clone, Debug)]
pub struct Object {
    text: Raw,
    members: Arc<[Member]>,
    meta: OnceLock<Option<Arc<Object>>>,
}

impl Object {
    /// Indexes the members of `text`; `None` when it is not an object.
    #[must_use]
    pub fn of(text: &Raw) -> Option<Self> {
        text.is_object().then(|| Self::with(text, members(text.as_bytes()).into()))
    }

    /// The same for a part of `whole`, whose scan may have noted the members already.
    pub(crate) fn of_part(text: &Raw, whole: &Raw, outline: &Outline) -> Option<Self> {
        let noted = text.range_in(whole).and_then(|range| outline.at(range.start));
        let Some(members) = noted else { return Self::of(text) };
        let object = Self::with(text, members);
        let meta = object.get("_meta").and_then(|meta| Self::of_part(&meta, whole, outline));
        let _ = object.meta.set(meta.map(Arc::new));
        Some(object)
    }

    fn with(text: &Raw, members: Arc<[Member]>) -> Self {
        Self { text: text.clone(), members, meta: OnceLock::new() }
    }

    /// An object without members.
    #[must_use]
    pub fn empty() -> Self {
        Self { text: Raw::trusted(Bytes::from_static(b"{}")), members: Arc::default(), meta: OnceLock::new() }
    }

    /// The text of the whole object.
    #[must_use]
    pub fn text(&self) -> &Raw {
        &self.text
    }

    /// The value of the member called `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Raw> {
        self.position(key).map(|index| self.text.part(self.members[index].value.clone()))
    }

    /// Whether there is a member called `key`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// The value of the member called `key`, to look at.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<&[u8]> {
        self.position(key).map(|index| &self.text.as_bytes()[self.members[index].value.clone()])
    }

    /// The value of the member called `key`, when that is a string, to look at.
    #[must_use]
    pub fn text_of(&self, key: &str) -> Option<Cow<'_, str>> {
        self.peek(key).and_then(raw::text)
    }

    /// The value of the member called `key`, when that is an object.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Self> {
        self.get(key).and_then(|value| Self::of(&value))
    }

    /// The member `_meta`, when that is an object. Indexed once.
    #[must_use]
    pub fn meta(&self) -> Option<&Self> {
        self.meta.get_or_init(|| self.object("_meta").map(Arc::new)).as_deref()
    }

    /// The value of the member called `key`, when that is a string.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<String> {
        self.text_of(key).map(Cow::into_owned)
    }

    /// Every member, in the order it was written.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Raw)> {
        let text = self.text.as_bytes();
        self.members.iter().map(move |member| (key_of(text, member), self.text.part(member.value.clone())))
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether some key stands in it twice, however it is spelt: two readers may then see two different objects. Does not
    /// look into the values.
    #[must_use]
    pub fn has_duplicate_keys(&self) -> bool {
        repeated(self.text.as_bytes(), &self.members).is_some()
    }

    /// Whether some key differs from one of `names` by case only: a reader that ignores case takes it for that one.
    #[must_use]
    pub fn has_case_variant_of(&self, names: &[&str]) -> bool {
        self.keys().any(|key| names.iter().any(|name| differs_by_case_only(name, &key)))
    }

    /// Every key, decoded, in the order it was written.
    pub fn keys(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let text = self.text.as_bytes();
        self.members.iter().map(move |member| key_of(text, member))
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    fn position(&self, key: &str) -> Option<usize> {
        let text = self.text.as_bytes();
        self.members.iter().position(|member| is_called(text, member, key))
    }
}

/// The elements of an array's text; empty when it is not an array.
#[must_use]
pub fn elements(text: &Raw) -> Vec<Raw> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    if bytes.first() != Some(&b'[') {
        return found;
    }
    let mut at = skip_space(bytes, 1);
    while at < bytes.len() && bytes[at] != b']' {
        let end = skip_value(bytes, at);
        found.push(text.part(at..end));
        at = skip_separator(bytes, end);
    }
    found
}

fn members(bytes: &[u8]) -> Vec<Member> {
    let mut found = Vec::with_capacity(8);
    let mut at = skip_space(bytes, 1);
    while at < bytes.len() && bytes[at] != b'}' {
        let key = at..skip_string(bytes, at);
        let spelling = if bytes[key.clone()].contains(&b'\\') { Spelling::Escaped } else { Spelling::Plain };
        let start = skip_space(bytes, skip_space(bytes, key.end) + 1);
        let value = start..skip_value(bytes, start);
        at = skip_separator(bytes, value.end);
        found.push(Member { key, spelling, value });
    }
    found
}

/// From the end of a member to the next one, or to the closing bracket.
fn skip_separator(bytes: &[u8], at: usize) -> usize {
    let at = skip_space(bytes, at);
    if bytes.get(at) == Some(&b',') { skip_space(bytes, at + 1) } else { at }
}

fn skip_space(bytes: &[u8], at: usize) -> usize {
    let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    at + bytes.get(at..).unwrap_or_default().iter().take_while(space).count()
}

fn skip_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        at += plain_run(bytes.get(at..).unwrap_or_default());
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            // A control character cannot stand here in a scanned text; never loop on one all the same.
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

fn skip_value(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => skip_string(bytes, start),
        Some(b'{' | b'[') => skip_nested(bytes, start),
        _ => {
            let ends = |byte: &&u8| !matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            start + bytes.get(start..).unwrap_or_default().iter().take_while(ends).count()
        }
    }
}

/// From an opening bracket to behind the one that closes it.
fn skip_nested(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = skip_string(bytes, at - 1),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    bytes.len()
}
