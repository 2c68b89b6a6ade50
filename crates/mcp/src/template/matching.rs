//! Follows all ways through a URI at once.
//!
//! Instead of trying one way and backing up, this keeps the set of places in the URI that the parts so far can have
//! reached, and moves the whole set over each part in one pass from left to right.

use super::{Modifier, Operator, Variable};

/// The places in a URI that have been reached: between two bytes each, the first before all, the last after all.
pub(super) struct Places<'a> {
    uri: &'a [u8],
    reached: Vec<bool>,
}

/// What a variable's value may consist of.
type Class = fn(u8) -> bool;

fn any_byte(_: u8) -> bool {
    true
}

fn in_segment(byte: u8) -> bool {
    !matches!(byte, b'/' | b'?' | b'#')
}

fn in_path(byte: u8) -> bool {
    !matches!(byte, b'?' | b'#')
}

fn in_parameter(byte: u8) -> bool {
    !matches!(byte, b';' | b'/' | b'?' | b'#')
}

fn in_query(byte: u8) -> bool {
    !matches!(byte, b'&' | b'#')
}

impl<'a> Places<'a> {
    pub(super) fn start(uri: &'a str) -> Self {
        let mut places = Self::none(uri.as_bytes());
        places.reached[0] = true;
        places
    }

    pub(super) fn any(&self) -> bool {
        self.reached.contains(&true)
    }

    pub(super) fn at_end(&self) -> bool {
        self.reached.last() == Some(&true)
    }

    pub(super) fn after_literal(&self, literal: &str) -> Self {
        let mut next = Self::none(self.uri);
        for at in self.iter() {
            if self.uri[at..].starts_with(literal.as_bytes()) {
                next.reached[at + literal.len()] = true;
            }
        }
        next
    }

    pub(super) fn after_expression(&self, operator: Operator, variables: &[Variable]) -> Self {
        let exploded = variables.iter().any(|variable| variable.modifier == Modifier::Explode);
        match operator {
            Operator::Simple => self.after_value(in_segment, longest(variables)),
            Operator::Reserved => self.after_value(any_byte, longest(variables)),
            Operator::Fragment => self.or(self.after_literal("#").with_value(any_byte, longest(variables))),
            Operator::Label => self.or(self.after_literal(".").with_value(in_segment, longest(variables))),
            // An exploded list is any number of segments.
            Operator::Path if exploded => self.or(self.after_literal("/").with_value(in_path, usize::MAX)),
            Operator::Path => variables.iter().fold(self.or(Self::none(self.uri)), |places, variable| {
                let longest = longest(std::slice::from_ref(variable));
                places.or(places.after_literal("/").with_value(in_segment, longest))
            }),
            Operator::Parameter => self.or(self.after_pairs(b';', b';', in_parameter, variables)),
            Operator::Query => self.or(self.after_pairs(b'?', b'&', in_query, variables)),
            Operator::Continuation => self.or(self.after_pairs(b'&', b'&', in_query, variables)),
        }
    }

    fn none(uri: &'a [u8]) -> Self {
        Self { uri, reached: vec![false; uri.len() + 1] }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.reached.iter().enumerate().filter_map(|(at, reached)| reached.then_some(at))
    }

    /// The places in either set.
    fn or(&self, mut other: Self) -> Self {
        other.reached.iter_mut().zip(&self.reached).for_each(|(other, own)| *other |= own);
        other
    }

    /// As [`Places::after_value`], but the value may be empty.
    fn with_value(&self, class: Class, longest: usize) -> Self {
        self.or(self.after_value(class, longest))
    }

    /// The places after a value of 1 to `longest` characters of `class`.
    fn after_value(&self, class: Class, longest: usize) -> Self {
        let mut next = Self::none(self.uri);
        // How many characters at least have been taken since a place that was reached.
        let mut taken = vec![usize::MAX; self.uri.len() + 1];
        self.iter().for_each(|at| taken[at] = 0);
        for at in 0..self.uri.len() {
            let so_far = taken[at];
            let end = at + character_length(&self.uri[at..]);
            if so_far < longest && self.uri[at..end].iter().all(|&byte| class(byte)) {
                next.reached[end] = true;
                taken[end] = taken[end].min(so_far + 1);
            }
        }
        next
    }

    /// The places after one or more pairs `name=value`, the first one after `opening`, the others after `separator`, in
    /// any order. A pair may be a name alone; an exploded variable may bring any name.
    fn after_pairs(&self, opening: u8, separator: u8, class: Class, variables: &[Variable]) -> Self {
        let exploded = variables.iter().any(|variable| variable.modifier == Modifier::Explode);
        let mut next = Self::none(self.uri);
        let mut expects_name = vec![false; self.uri.len() + 1];
        let mut in_value = vec![false; self.uri.len() + 1];
        for at in 0..self.uri.len() {
            let byte = self.uri[at];
            if self.reached[at] && byte == opening || next.reached[at] && byte == separator {
                expects_name[at + 1] = true;
            }
            if in_value[at] && class(byte) {
                next.reached[at + 1] = true;
                in_value[at + 1] = true;
            }
            if !expects_name[at] {
                continue;
            }
            if exploded && class(byte) {
                next.reached[at + 1] = true;
                in_value[at + 1] = true;
            }
            for variable in variables {
                let end = at + variable.name.len();
                if self.uri[at..].starts_with(variable.name.as_bytes()) {
                    next.reached[end] = true;
                    if self.uri.get(end) == Some(&b'=') {
                        next.reached[end + 1] = true;
                        in_value[end + 1] = true;
                    }
                }
            }
        }
        next
    }
}

/// How many characters the value of an expression can have. Only the prefix of a single variable is looked at: what two
/// of them may have together is rarely said and never matters for where a URI belongs.
fn longest(variables: &[Variable]) -> usize {
    match variables {
        [Variable { modifier: Modifier::Prefix(length), .. }] => *length,
        _ => usize::MAX,
    }
}

/// The length of the character that `rest` begins with; a percent-encoded byte counts as one, as in RFC 6570, 2.4.1.
fn character_length(rest: &[u8]) -> usize {
    let length = match rest[0] {
        b'%' if rest.len() >= 3 && rest[1].is_ascii_hexdigit() && rest[2].is_ascii_hexdigit() => 3,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    };
    length.min(rest.len())
}
