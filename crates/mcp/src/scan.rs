//! One pass over a JSON text: is it well formed, bounded and unambiguous?
//!
//! Two parsers may read an ambiguous text differently: one takes the first of two equal keys, another the last; one
//! ignores case. A text that could be read in two ways is refused here, before anything judges it.

use std::borrow::Cow;
use std::ops::Range;

use crate::Malformed;
use crate::outline::{Member, Outline, Spelling};

/// Whose text it is, which says how strictly its keys are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// No key twice in any object.
    Client,
    /// No key twice in the envelope; below it, the client judges for itself.
    Server,
}

/// Keys that decide where a message goes, by place. Another spelling of one of these is refused.
const ENVELOPE: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: &[&str] = &[
    "name",
    "uri",
    "arguments",
    "cursor",
    "ref",
    "level",
    "_meta",
    "requestState",
    "inputResponses",
    "protocolVersion",
    "taskId",
];
/// Of `params.ref`, which says what is to be completed (MCP 2025-11-25, Completion).
const REF: &[&str] = &["type", "name", "uri"];
const META: &[&str] = &[
    "progressToken",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/logLevel",
];

/// Checks `text` against RFC 8259, the depth bound (in levels of nesting), and the key rules for its sender.
///
/// # Errors
/// Says what is wrong and at which byte.
pub fn scan(text: &[u8], depth_max: usize, sender: Sender) -> Result<(), Malformed> {
    outlined(text, depth_max, sender).map(|_| ())
}

/// The same, and where the members of the objects lie that every reader of a message looks into. Those of a batch are not
/// noted: there may be many.
pub(crate) fn outlined(text: &[u8], depth_max: usize, sender: Sender) -> Result<Outline, Malformed> {
    std::str::from_utf8(text).map_err(|error| Malformed::NotUtf8 { at: error.valid_up_to() })?;
    let mut scanner = Scanner {
        text,
        at: 0,
        depth_left: depth_max,
        sender,
        members: Vec::with_capacity(16),
        outline: Outline::default(),
        in_batch: false,
    };
    scanner.space();
    scanner.value(Place::Envelope)?;
    scanner.space();
    if scanner.at == text.len() { Ok(scanner.outline) } else { Err(scanner.syntax()) }
}

/// Keys of one object that are compared with each other rather than sorted.
const FEW_KEYS: usize = 12;

/// Where in a message an object stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Envelope,
    Params,
    Ref,
    Meta,
    Result,
    ResultMeta,
    Other,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    depth_left: usize,
    sender: Sender,
    /// Members of all open objects, innermost last.
    members: Vec<Member>,
    outline: Outline,
    in_batch: bool,
}

impl Scanner<'_> {
    fn value(&mut self, place: Place) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'{') => self.object(place),
            // The members of a batch are envelopes themselves; any other array starts afresh.
            Some(b'[') if place == Place::Envelope => {
                self.in_batch = true;
                self.array(Place::Envelope)
            }
            Some(b'[') => self.array(Place::Other),
            Some(b'"') => self.string().map(|_| ()),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.number(),
        }
    }

    /// Past an opening bracket.
    fn open(&mut self) -> Result<(), Malformed> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(Malformed::TooDeep { at: self.at })?;
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Past a closing bracket.
    fn close(&mut self) {
        self.at += 1;
        self.depth_left += 1;
    }

    fn object(&mut self, place: Place) -> Result<(), Malformed> {
        let start = self.at;
        self.open()?;
        let first = self.members.len();
        while self.peek() != Some(b'}') {
            self.member(place)?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    // No comma may stand before the bracket.
                    if self.peek() == Some(b'}') {
                        return Err(self.syntax());
                    }
                }
                Some(b'}') => {}
                _ => return Err(self.syntax()),
            }
        }
        if self.sender == Sender::Client || place == Place::Envelope {
            self.refuse_duplicates(first)?;
        }
        if !self.in_batch && !matches!(place, Place::Ref | Place::Other) {
            self.outline.note(start, &self.members[first..]);
        }
        self.members.truncate(first);
        self.close();
        Ok(())
    }

    fn member(&mut self, place: Place) -> Result<(), Malformed> {
        let index = self.members.len();
        let inner = self.key(place)?;
        self.value(inner)?;
        self.members[index].value.end = self.at;
        Ok(())
    }

    /// Reads a key and its colon, and opens a member; answers what place its value is.
    fn key(&mut self, place: Place) -> Result<Place, Malformed> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.syntax());
        }
        let spelling = self.string()?;
        let key = start..self.at;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.syntax());
        }
        self.at += 1;
        self.space();
        let inner = self.place_of(place, &key, spelling)?;
        self.members.push(Member { key, spelling, value: self.at..self.at });
        Ok(inner)
    }

    fn place_of(&self, place: Place, key: &Range<usize>, spelling: Spelling) -> Result<Place, Malformed> {
        let routing = match (place, self.sender) {
            (Place::Other, _) => return Ok(Place::Other),
            (Place::Envelope, _) => ENVELOPE,
            (Place::Params, Sender::Client) => PARAMS,
            (Place::Ref, Sender::Client) => REF,
            (Place::Meta, Sender::Client) => META,
            (Place::Result | Place::ResultMeta, _) | (_, Sender::Server) => &[],
        };
        let written = &self.text[key.start + 1..key.end - 1];
        if spelling == Spelling::Plain && written.is_ascii() {
            return match routing.iter().find(|exact| exact.as_bytes().eq_ignore_ascii_case(written)) {
                None => Ok(inner_place(place, written)),
                Some(exact) if exact.as_bytes() == written => Ok(inner_place(place, written)),
                Some(exact) => Err(Malformed::CaseVariant {
                    key: String::from_utf8_lossy(written).into_owned(),
                    routing_key: exact,
                }),
            };
        }
        let name = decoded(self.text, key, spelling);
        if let Some(exact) = routing.iter().find(|exact| differs_by_case_only(exact, &name)) {
            return Err(Malformed::CaseVariant { key: name.into_owned(), routing_key: exact });
        }
        Ok(inner_place(place, name.as_bytes()))
    }

    fn array(&mut self, place: Place) -> Result<(), Malformed> {
        self.open()?;
        while self.peek() != Some(b']') {
            self.value(place)?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(b']') {
                        return Err(self.syntax());
                    }
                }
                Some(b']') => {}
                _ => return Err(self.syntax()),
            }
        }
        self.close();
        Ok(())
    }

    fn refuse_duplicates(&self, first: usize) -> Result<(), Malformed> {
        match repeated(self.text, &self.members[first..]) {
            Some(key) => Err(Malformed::DuplicateKey { key: key.chars().take(64).collect() }),
            None => Ok(()),
        }
    }

    fn string(&mut self) -> Result<Spelling, Malformed> {
        let mut spelling = Spelling::Plain;
        self.at += 1;
        loop {
            self.at += plain_run(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(spelling);
                }
                Some(b'\\') => {
                    spelling = Spelling::Escaped;
                    self.escape()?;
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5).ok_or_else(|| self.syntax())?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(self.syntax());
                }
                self.at += 5;
            }
            _ => return Err(self.syntax()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.syntax()),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let run = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += run;
        if run == 0 { Err(self.syntax()) } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn syntax(&self) -> Malformed {
        Malformed::Syntax { at: self.at }
    }
}

/// Where the value of the key called `name` stands.
fn inner_place(place: Place, name: &[u8]) -> Place {
    match (place, name) {
        (Place::Envelope, b"params") => Place::Params,
        (Place::Envelope, b"result") => Place::Result,
        (Place::Params, b"ref") => Place::Ref,
        (Place::Params, b"_meta") => Place::Meta,
        (Place::Result, b"_meta") => Place::ResultMeta,
        _ => Place::Other,
    }
}

/// How many bytes at the start of `text` are neither quote, backslash nor control character. Eight at a time: the
/// strings of a result may be megabytes.
pub(crate) fn plain_run(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut at = 0;
    while let Some(chunk) = text.get(at..at + 8).and_then(|chunk| <[u8; 8]>::try_from(chunk).ok()) {
        let word = u64::from_le_bytes(chunk);
        let quote = has_zero(word ^ (ONES * u64::from(b'"')));
        let backslash = has_zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        // A borrow marks only bytes behind one that is marked rightly, so the first mark is right.
        let marks = quote | backslash | control;
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + text[at..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}

/// A key that stands twice among `members`. A few without escapes are compared as they stand; sorting keeps a hostile object
/// with very many from costing the square of their number.
pub(crate) fn repeated<'a>(text: &'a [u8], members: &[Member]) -> Option<Cow<'a, str>> {
    if members.len() < 2 {
        return None;
    }
    let plain = |member: &Member| member.spelling == Spelling::Plain;
    if members.len() <= FEW_KEYS && members.iter().all(plain) {
        let second = (1..members.len()).find(|index| {
            let (earlier, key) = (&members[..*index], &text[members[*index].key.clone()]);
            earlier.iter().any(|earlier| text[earlier.key.clone()] == *key)
        });
        return second.map(|index| key_of(text, &members[index]));
    }
    let mut names: Vec<Cow<'_, str>> = members.iter().map(|member| key_of(text, member)).collect();
    names.sort_unstable();
    let twice = names.windows(2).position(|pair| pair[0] == pair[1]);
    twice.map(|index| names.swap_remove(index))
}

/// Whether this member's key has this value.
pub(crate) fn is_called(text: &[u8], member: &Member, wanted: &str) -> bool {
    match member.spelling {
        Spelling::Plain => text[member.key.start + 1..member.key.end - 1] == *wanted.as_bytes(),
        Spelling::Escaped => key_of(text, member) == wanted,
    }
}

/// A member's key.
pub(crate) fn key_of<'a>(text: &'a [u8], member: &Member) -> Cow<'a, str> {
    decoded(text, &member.key, member.spelling)
}

/// The value of the string at `range`, quotes included. A lone surrogate decodes to its own spelling, which is still unique.
fn decoded<'a>(text: &'a [u8], range: &Range<usize>, spelling: Spelling) -> Cow<'a, str> {
    let quoted = &text[range.clone()];
    let inner = std::str::from_utf8(&quoted[1..quoted.len() - 1]).unwrap_or_default();
    match spelling {
        Spelling::Plain => Cow::Borrowed(inner),
        Spelling::Escaped => {
            serde_json::from_slice::<String>(quoted).map_or(Cow::Borrowed(inner), Cow::Owned)
        }
    }
}

/// Whether some case-insensitive parser would take `name` for `exact`, though they are not equal.
pub(crate) fn differs_by_case_only(exact: &str, name: &str) -> bool {
    name != exact && name.len() <= exact.len() * 3 && exact.chars().map(fold).eq(name.chars().map(fold))
}

/// Unicode simple folding, as far as it leads into ASCII letters: `ſ` is an s and the Kelvin sign a k.
fn fold(letter: char) -> char {
    match letter {
        'ſ' => 's',
        '\u{212A}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}
