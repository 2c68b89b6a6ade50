//! Where the members of a message's outer objects lie, noted while the message is scanned, so that none of them is read a
//! second time.

use std::ops::Range;
use std::sync::Arc;

/// One member of an object; offsets count from wherever its owner says.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The key with its quotes.
    pub(crate) key: Range<usize>,
    pub(crate) spelling: Spelling,
    pub(crate) value: Range<usize>,
}

/// How a string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As it is: between its quotes stands its value.
    Plain,
    /// With escapes.
    Escaped,
}

/// The objects that were noted, by the offset of their opening bracket in the scanned text. The offsets of an object's members
/// count from there.
#[derive(Debug, Default)]
pub(crate) struct Outline(Vec<(usize, Arc<[Member]>)>);

impl Outline {
    pub(crate) fn note(&mut self, start: usize, members: &[Member]) {
        let shift = |range: &Range<usize>| range.start - start..range.end - start;
        let members = members.iter().map(|member| Member {
            key: shift(&member.key),
            spelling: member.spelling,
            value: shift(&member.value),
        });
        self.0.push((start, members.collect()));
    }

    pub(crate) fn at(&self, start: usize) -> Option<Arc<[Member]>> {
        self.0.iter().find(|(noted, _)| *noted == start).map(|(_, members)| Arc::clone(members))
    }
}
