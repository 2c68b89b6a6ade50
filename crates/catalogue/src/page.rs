//! Pages of a list, and the sealed cursors that lead from one to the next.
//!
//! A cursor opens only for the principal, gateway and list it was made for. It holds the position after the last entry
//! shown and a digest of its name, so that it still continues at the right place when the catalogue has changed in
//! between, and is equally small after every name.

use std::sync::Arc;

use bytes::Bytes;
use identity::PrincipalKey;
use mcp::{Kind, Payload, Raw};
use seal::Sealer;

use crate::error::Error;
use crate::item::{Item, NameDigest};
use crate::view::{Audience, List, View};

/// The sealing purpose of cursors.
const PURPOSE: &str = "catalogue/cursor";

/// The longest cursor that is looked at, in bytes. Ours are all of one length, less than this.
const CURSOR_BYTES_MAX: usize = 256;

/// Makes the pages of one gateway.
#[derive(Clone, Debug)]
pub struct Pager {
    sealer: Sealer,
    gateway: Arc<str>,
    size: usize,
}

/// One page of one list.
#[derive(Clone, Debug)]
pub struct Page {
    kind: Kind,
    items: Bytes,
    /// As modern clients see them, where that is not the same.
    modern: Option<Bytes>,
    next: Option<String>,
}

/// The first page of a list, without the cursor, which differs per principal.
#[derive(Debug)]
pub(crate) struct FirstPage {
    size: usize,
    items: Bytes,
}

impl Pager {
    /// Pages of at most `size` entries (at least 1) for the gateway of this name.
    #[must_use]
    pub fn new(sealer: Sealer, gateway: &str, size: usize) -> Self {
        Self { sealer, gateway: Arc::from(gateway), size: size.max(1) }
    }

    /// The page of `view` after `cursor`, or the first one.
    ///
    /// # Errors
    /// [`Error::BadCursor`]: the cursor is not one this gateway gave to this principal for this list. An empty string is
    /// a cursor like any other, and never one of ours.
    pub fn page(
        &self,
        view: &View,
        kind: Kind,
        principal: PrincipalKey,
        cursor: Option<&str>,
    ) -> Result<Page, Error> {
        let list = view.list(kind);
        let start = match cursor {
            None => 0,
            Some(cursor) => self.start(list, kind, principal, cursor)?,
        };
        let end = start.saturating_add(self.size).min(list.items().len());
        let shown = list.items().get(start..end).unwrap_or_default();
        let next = (end < list.items().len()).then(|| shown.last()).flatten();
        let next = next.map(|last| self.seal(view, kind, principal, end, last));
        let items = match (view.audience(), start) {
            (Audience::Everyone, 0) => self.first(list, shown),
            _ => joined(shown),
        };
        let differs = shown.iter().any(|item| item.modern.is_some());
        let modern = differs.then(|| modern(shown));
        Ok(Page { kind, items, modern, next })
    }

    fn first(&self, list: &List, shown: &[Arc<Item>]) -> Bytes {
        let cached = list.first_page.get_or_init(|| FirstPage { size: self.size, items: joined(shown) });
        if cached.size == self.size { cached.items.clone() } else { joined(shown) }
    }

    fn seal(&self, view: &View, kind: Kind, principal: PrincipalKey, end: usize, last: &Item) -> String {
        let position = u64::try_from(end).unwrap_or(u64::MAX);
        let (generation, position) = (view.generation().to_be_bytes(), position.to_be_bytes());
        let plain = [&generation[..], &position, &last.name_digest()].concat();
        self.sealer.seal(PURPOSE, &self.bound_to(kind, principal), &plain)
    }

    fn start(&self, list: &List, kind: Kind, principal: PrincipalKey, cursor: &str) -> Result<usize, Error> {
        if cursor.len() > CURSOR_BYTES_MAX {
            return Err(Error::BadCursor);
        }
        let plain = self
            .sealer
            .open(PURPOSE, &self.bound_to(kind, principal), cursor)
            .map_err(|_| Error::BadCursor)?;
        let (_generation, rest) = plain.split_first_chunk::<8>().ok_or(Error::BadCursor)?;
        let (position, last) = rest.split_first_chunk::<8>().ok_or(Error::BadCursor)?;
        let last = NameDigest::try_from(last).map_err(|_| Error::BadCursor)?;
        let position = usize::try_from(u64::from_be_bytes(*position)).unwrap_or(usize::MAX);
        Ok(list.after(&last, position))
    }

    /// Principal keys have a fixed length and kinds no NUL, so no two triples give the same bytes.
    fn bound_to(&self, kind: Kind, principal: PrincipalKey) -> Vec<u8> {
        [principal.as_bytes(), kind.list_method().as_bytes(), &[0], self.gateway.as_bytes()].concat()
    }
}

impl Page {
    /// The cursor of the next page; `None` on the last one.
    #[must_use]
    pub fn next_cursor(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The same page for a modern client.
    #[must_use]
    pub fn for_modern(self) -> Self {
        let items = self.modern.clone().unwrap_or(self.items);
        Self { items, ..self }
    }

    /// The result object: the entries, the cursor, and the members of `more` (each key once, none of the page's own).
    #[must_use]
    pub fn result(&self, more: &[(&str, Raw)]) -> Payload {
        let mut result = Payload::default();
        result.push(format!("{{\"{}\":", self.kind.result_key()));
        result.push(self.items.clone());
        if let Some(next) = &self.next {
            result.push(format!(",\"nextCursor\":\"{next}\""));
        }
        for (key, value) in more {
            result.push(format!(",{}:", Raw::string(key).as_str()));
            result.push(value.clone());
        }
        result.push(Bytes::from_static(b"}"));
        result
    }
}

/// The entries as a JSON array.
fn joined(items: &[Arc<Item>]) -> Bytes {
    listed(items.iter().map(|item| &item.text))
}

/// The same, as modern clients see them.
fn modern(items: &[Arc<Item>]) -> Bytes {
    listed(items.iter().map(|item| item.modern.as_ref().unwrap_or(&item.text)))
}

fn listed<'a>(items: impl Iterator<Item = &'a Raw> + Clone) -> Bytes {
    let length: usize = items.clone().map(|text| text.as_bytes().len() + 1).sum();
    let mut text = Vec::with_capacity(length + 2);
    text.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(item.as_bytes());
    }
    text.push(b']');
    text.into()
}
