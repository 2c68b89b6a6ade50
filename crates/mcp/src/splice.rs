//! Changes to a JSON text that leave everything else as it was written.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::scan::{is_called, key_of};
use crate::{Object, Raw};

/// Pending changes to one text.
#[derive(Debug)]
pub struct Splice {
    source: Raw,
    cuts: Vec<(Range<usize>, Bytes)>,
}

/// Changes to one object that are compared with its keys one by one rather than looked up.
const FEW_CHANGES: usize = 16;

/// What is to become of one object's members. Applied as a whole, so that commas come out right.
#[derive(Debug)]
pub struct Edit<'a> {
    object: &'a Object,
    changes: Vec<(Cow<'static, str>, Change)>,
    /// Members that go by what they are called, by index.
    unwanted: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Change {
    Set(Bytes),
    Remove,
}

/// The last change asked for one key.
struct Planned {
    key: Cow<'static, str>,
    change: Change,
    asked: usize,
    /// Whether a member by that name has been seen.
    met: bool,
}

/// A text in pieces, ready to be written; large pieces are still shared with their source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload(Vec<Bytes>);

impl Splice {
    /// No changes to `source` yet.
    #[must_use]
    pub fn of(source: &Raw) -> Self {
        Self { source: source.clone(), cuts: Vec::new() }
    }

    /// Puts `with` in the place of `part`. A `part` that is not within the source changes nothing.
    pub fn replace(&mut self, part: &Raw, with: impl Into<Bytes>) {
        if let Some(range) = part.range_in(&self.source) {
            self.cuts.push((range, with.into()));
        }
    }

    /// Applies the changes to one object of the source. Two edits of one text must not overlap.
    pub fn apply(&mut self, edit: Edit<'_>) {
        let Some(offset) = edit.object.text().range_in(&self.source) else { return };
        let shift = |range: Range<usize>| range.start + offset.start..range.end + offset.start;
        self.cuts.extend(edit.cuts().into_iter().map(|(range, with)| (shift(range), with)));
    }

    /// The changed text.
    #[must_use]
    pub fn finish(mut self) -> Payload {
        self.cuts.sort_by_key(|(range, _)| (range.start, range.end));
        let source = self.source.to_bytes();
        let mut pieces = Payload(Vec::with_capacity(self.cuts.len() * 2 + 1));
        let mut at = 0;
        for (range, with) in self.cuts {
            pieces.push(source.slice(at..range.start.max(at)));
            pieces.push(with);
            at = range.end.max(at);
        }
        pieces.push(source.slice(at..));
        pieces
    }
}

impl<'a> Edit<'a> {
    /// No changes to `object` yet.
    #[must_use]
    pub fn of(object: &'a Object) -> Self {
        Self { object, changes: Vec::with_capacity(8), unwanted: Vec::new() }
    }

    /// Replaces the value of `key`, or adds the member at the end. Of several changes to one key the last counts; of
    /// several members of that name one stays.
    #[must_use]
    pub fn set(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) -> Self {
        self.changes.push((key.into(), Change::Set(value.into())));
        self
    }

    /// Removes every member called `key`.
    #[must_use]
    pub fn remove(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.changes.push((key.into(), Change::Remove));
        self
    }

    /// Removes every member whose decoded key is `unwanted`, in one pass. A member that is also [`set`](Self::set) stays,
    /// with the value it is set to.
    #[must_use]
    pub fn remove_where(mut self, mut unwanted: impl FnMut(&str) -> bool) -> Self {
        let keys = self.object.keys().enumerate();
        self.unwanted.extend(keys.filter_map(|(index, key)| unwanted(&key).then_some(index)));
        self
    }

    /// The changed object as a text of its own.
    #[must_use]
    pub fn finish(self) -> Payload {
        let mut splice = Splice::of(self.object.text());
        splice.apply(self);
        splice.finish()
    }

    fn cuts(self) -> Vec<(Range<usize>, Bytes)> {
        let mut planned = vec![None; self.object.members().len()];
        self.unwanted.iter().for_each(|index| planned[*index] = Some(Change::Remove));
        let mut changes = latest(self.changes);
        if !changes.is_empty() {
            let text = self.object.text().as_bytes();
            let few = changes.len() <= FEW_CHANGES;
            for (member, plan) in self.object.members().iter().zip(&mut planned) {
                // A handful of changes is compared byte by byte; many are looked up.
                let found = if few {
                    changes.iter().position(|change| is_called(text, member, &change.key))
                } else {
                    let key = key_of(text, member);
                    changes.binary_search_by(|change| change.key.as_ref().cmp(key.as_ref())).ok()
                };
                if let Some(found) = found {
                    *plan = Some(changes[found].take());
                }
            }
        }
        changes.retain(|change| !change.met);
        changes.sort_unstable_by_key(|change| change.asked);
        let mut cuts = Vec::new();
        let mut kept = 0_usize;
        let mut end = 1;
        for (index, (member, change)) in self.object.members().iter().zip(planned).enumerate() {
            let lead = if index == 0 { member.key.start } else { end }..member.key.start;
            end = member.value.end;
            match change {
                Some(Change::Remove) => cuts.push((lead.start..end, Bytes::new())),
                change => {
                    // The first member that stays must not keep the comma before it.
                    if kept == 0 && index > 0 {
                        cuts.push((lead, Bytes::new()));
                    }
                    kept += 1;
                    if let Some(Change::Set(value)) = change
                        && value != self.object.text().as_bytes()[member.value.clone()]
                    {
                        cuts.push((member.value.clone(), value));
                    }
                }
            }
        }
        for Planned { key, change, .. } in changes {
            let Change::Set(value) = change else { continue };
            let comma = if kept == 0 { "" } else { "," };
            cuts.push((end..end, label(comma, &key)));
            cuts.push((end..end, value));
            kept += 1;
        }
        cuts
    }
}

impl Planned {
    /// What becomes of the next member by this name: the first is changed, any further one would contradict it.
    fn take(&mut self) -> Change {
        if std::mem::replace(&mut self.met, true) { Change::Remove } else { self.change.clone() }
    }
}

/// The key of a new member, as it is written before its value.
fn label(comma: &str, key: &str) -> Bytes {
    let quoted = Raw::string(key);
    let mut text = Vec::with_capacity(comma.len() + quoted.as_bytes().len() + 1);
    text.extend_from_slice(comma.as_bytes());
    text.extend_from_slice(quoted.as_bytes());
    text.push(b':');
    text.into()
}

/// The last change to each key. Many are sorted by key: a lookup per member then costs little, however many there are.
fn latest(changes: Vec<(Cow<'static, str>, Change)>) -> Vec<Planned> {
    let plan = |(asked, (key, change))| Planned { key, change, asked, met: false };
    let mut planned: Vec<Planned> = changes.into_iter().enumerate().map(plan).collect();
    if planned.len() <= FEW_CHANGES {
        let mut asked = planned.len();
        while asked > 0 {
            asked -= 1;
            if planned[asked + 1..].iter().any(|later| later.key == planned[asked].key) {
                planned.remove(asked);
            }
        }
        return planned;
    }
    planned.sort_unstable_by(|a, b| a.key.cmp(&b.key).then(b.asked.cmp(&a.asked)));
    planned.dedup_by(|later, kept| later.key == kept.key);
    planned
}

impl Payload {
    /// Adds a piece at the end.
    pub fn push(&mut self, piece: impl Into<Bytes>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.0.push(piece);
        }
    }

    /// Adds another text at the end.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pieces in order.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.0
    }

    /// The pieces in order.
    #[must_use]
    pub fn into_pieces(self) -> Vec<Bytes> {
        self.0
    }

    /// The same text in one buffer of its own, for what outlives the message that it is a part of.
    #[must_use]
    pub fn detached(&self) -> Self {
        Bytes::from(self.0.concat()).into()
    }

    /// One contiguous text; copies unless there is one piece only.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if self.0.len() == 1 {
            return self.0.pop().unwrap_or_default();
        }
        let mut whole = Vec::with_capacity(self.len());
        self.0.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole.into()
    }

    /// The text as a JSON text. Only for payloads made by splicing valid values into a valid text.
    #[must_use]
    pub fn into_raw(self) -> Raw {
        Raw::trusted(self.into_bytes())
    }
}

impl From<Raw> for Payload {
    fn from(text: Raw) -> Self {
        Self(vec![text.to_bytes()])
    }
}

impl From<Bytes> for Payload {
    fn from(text: Bytes) -> Self {
        Self(vec![text])
    }
}

impl From<Raw> for Bytes {
    fn from(text: Raw) -> Self {
        text.to_bytes()
    }
}

impl From<Payload> for Bytes {
    fn from(payload: Payload) -> Self {
        payload.into_bytes()
    }
}
