//! Text to tree: the YAML events become [`Node`]s, within bounds.
//!
//! Stops at the first syntax error, since nothing after it can be trusted; a key written twice is reported and
//! reading goes on. Knows no key and resolves no reference. Refused: tags, merge keys, several documents in
//! one file, and aliases that unfold into more than [`NODES_MAX`] values.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};

use crate::diagnostic::{Problem, quoted};
use crate::interpolate::{mask, unmask};
use crate::node::{Entry, Kind, Node, Position, Scalar, Style};

/// Values in one document, aliases unfolded.
const NODES_MAX: usize = 50_000;
/// Levels of nesting.
const DEPTH_MAX: usize = 32;

/// A problem and the place it was met.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: Position,
    pub(crate) problem: Problem,
}

/// A document, and the mistakes that did not keep it from being read.
pub(crate) struct Document {
    /// None when the text holds nothing but blanks and comments.
    pub(crate) root: Option<Node>,
    pub(crate) faults: Vec<Fault>,
}

/// Reads one document.
///
/// # Errors
/// Everything found up to the first mistake after which nothing can be trusted.
pub(crate) fn parse(text: &str) -> Result<Document, Vec<Fault>> {
    let masked = mask(text);
    let limits = options! {
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
        disallow_directives: true,
    };
    let mut builder = Builder::default();
    for step in Parser::new_from_str_with_options(&masked, limits) {
        let outcome = match step {
            Ok((event, span)) => builder.take(&event, &span),
            Err(error) => Err(syntax(&error)),
        };
        if let Err(fault) = outcome {
            builder.faults.push(fault);
            return Err(builder.faults);
        }
    }
    Ok(Document { root: builder.root, faults: builder.faults })
}

/// The tree so far.
#[derive(Default)]
struct Builder {
    /// Collections that are open, outermost first.
    open: Vec<Open>,
    /// Finished anchored values by anchor id.
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
    faults: Vec<Fault>,
}

/// A collection that has begun and not ended.
struct Open {
    at: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    /// `lines` tells where each key was written first.
    Map {
        entries: Vec<Entry>,
        lines: HashMap<String, usize>,
        key: Option<Key>,
    },
}

/// A key whose value comes next.
struct Key {
    text: String,
    at: Position,
}

impl Builder {
    fn take(&mut self, event: &Event<'_>, span: &Span) -> Result<(), Fault> {
        let at = position(&span.start);
        if event.tag().is_some() {
            return Err(fault(at, "tags are not supported", "remove the word that starts with `!`"));
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(fault(at, "a second document starts here", "keep one document in a file"));
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let style = if *style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                let scalar = Scalar { text: unmask(text), style };
                self.close(Node { at, kind: Kind::Scalar(scalar) }, *anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(at, *anchor, Content::List(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => {
                self.begin(
                    at,
                    *anchor,
                    Content::Map { entries: Vec::new(), lines: HashMap::new(), key: None },
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(id) else {
                    return Err(fault(
                        at,
                        "this alias stands inside the value it names",
                        "write the value out",
                    ));
                };
                let node = node.clone();
                self.count(&node, at)?;
                self.attach(node, at)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: Position, anchor: usize, content: Content) -> Result<(), Fault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(at));
        }
        self.open.push(Open { at, anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let kind = match open.content {
            Content::List(items) => Kind::List(items),
            Content::Map { entries, .. } => Kind::Map(entries),
        };
        self.close(Node { at: open.at, kind }, open.anchor)
    }

    /// A value is complete.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(too_large(node.at));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
            // The copy kept for aliases costs memory as well.
            self.count(&node, node.at)?;
        }
        let at = node.at;
        self.attach(node, at)
    }

    /// Charges the values inside `node` to the budget.
    fn count(&mut self, node: &Node, at: Position) -> Result<(), Fault> {
        let mut waiting = vec![node];
        while let Some(next) = waiting.pop() {
            self.nodes += 1;
            if self.nodes > NODES_MAX {
                return Err(too_large(at));
            }
            match &next.kind {
                Kind::Scalar(_) => {}
                Kind::List(items) => waiting.extend(items),
                Kind::Map(entries) => waiting.extend(entries.iter().map(|entry| &entry.value)),
            }
        }
        Ok(())
    }

    fn attach(&mut self, node: Node, at: Position) -> Result<(), Fault> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, lines, key }) => match key.take() {
                None => *key = Some(as_key(node, at)?),
                Some(Key { text, at }) => {
                    if let Some(first) = lines.get(&text) {
                        let what = format!(
                            "key {} is written twice in this map, first in line {first}",
                            quoted(&text)
                        );
                        self.faults.push(fault(at, &what, "keep one of the two"));
                    } else {
                        lines.insert(text.clone(), at.line);
                        entries.push(Entry { key: text, key_at: at, value: node });
                    }
                }
            },
        }
        Ok(())
    }
}

fn as_key(node: Node, at: Position) -> Result<Key, Fault> {
    match node.kind {
        Kind::Scalar(scalar) if scalar.text == "<<" && scalar.style == Style::Plain => {
            Err(fault(at, "merge keys (`<<`) are not supported", "write the keys out"))
        }
        Kind::Scalar(scalar) => Ok(Key { text: scalar.text, at }),
        Kind::List(_) | Kind::Map(_) => Err(fault(at, "a key must be a single word", "")),
    }
}

fn position(marker: &granit_parser::Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

fn fault(at: Position, message: &str, help: &str) -> Fault {
    Fault { at, problem: Problem::new(message).help(help) }
}

fn too_deep(at: Position) -> Fault {
    fault(at, &format!("nested deeper than {DEPTH_MAX} levels"), "")
}

fn too_large(at: Position) -> Fault {
    fault(at, &format!("more than {NODES_MAX} values once aliases are unfolded"), "")
}

/// The scanner's own words, except where a plainer sentence is known.
fn syntax(error: &ScanError) -> Fault {
    let at = position(error.marker());
    match error.kind() {
        ErrorKind::TabInIndentation | ErrorKind::TabInBlockIndentation | ErrorKind::TabNotAllowed => {
            fault(at, "a tab where YAML wants spaces", "indent with spaces")
        }
        ErrorKind::UnclosedQuotedScalar => fault(at, "a quote is opened and never closed", ""),
        ErrorKind::UnknownAnchor => fault(
            at,
            "`*` names an anchor that does not exist",
            "put quotes around a text that starts with `*`",
        ),
        ErrorKind::RecursionLimitExceeded => too_deep(at),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            fault(at, &not_valid(error), "indent this line like its siblings")
        }
        _ => fault(at, &not_valid(error), ""),
    }
}

fn not_valid(error: &ScanError) -> String {
    format!("not valid YAML: {}", unmask(&error.info()))
}
