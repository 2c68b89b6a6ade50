//! A value at its place: its path, its position, and the log that takes what is wrong with it.

use std::cell::RefCell;

use crate::diagnostic::{Diagnostic, Problem, Severity, printable};
use crate::interpolate::{Env, Resolved, resolve};
use crate::node::{Entry, Kind, Node, Position};

/// Diagnostics kept for one file; more would help nobody.
const DIAGNOSTICS_MAX: usize = 200;

/// One reading of one file: what values may refer to, and what was found wrong so far.
pub(crate) struct Reading<'a> {
    file: &'a str,
    env: Env<'a>,
    log: RefCell<Vec<Diagnostic>>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(file: &'a str, env: Env<'a>) -> Self {
        Self { file, env, log: RefCell::default() }
    }

    /// Notes what is wrong at `at`.
    pub(crate) fn log(&self, severity: Severity, at: Position, path: &str, problem: Problem) {
        let mut log = self.log.borrow_mut();
        if log.len() < DIAGNOSTICS_MAX {
            log.push(Diagnostic {
                severity,
                file: self.file.to_owned(),
                line: at.line,
                column: at.column,
                path: path.to_owned(),
                message: problem.message,
                help: problem.help,
            });
        }
    }

    /// Everything noted, in the order of the file; in one gateway, errors come before warnings.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut log = self.log.into_inner();
        log.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        errors_first(&mut log);
        log
    }
}

/// Puts the errors of a gateway in front of its warnings. What has no path is a mistake of syntax inside of the gateway
/// that comes before it, if one does.
fn errors_first(log: &mut Vec<Diagnostic>) {
    let (mut group, mut current) = (0, None);
    let mut grouped = Vec::with_capacity(log.len());
    for diagnostic in log.drain(..) {
        let gateway = gateway(&diagnostic.path).map(str::to_owned);
        let is_same = current.is_some() && (diagnostic.path.is_empty() || gateway == current);
        if !is_same {
            (group, current) = (group + 1, gateway);
        }
        grouped.push((group, diagnostic));
    }
    grouped.sort_by_key(|(group, diagnostic)| (*group, diagnostic.severity));
    log.extend(grouped.into_iter().map(|(_, diagnostic)| diagnostic));
}

/// The name of the gateway that `path` leads into.
fn gateway(path: &str) -> Option<&str> {
    path.strip_prefix("gateways.")?.split('.').next()
}

/// A value, its path, and where to point when it is wrong.
#[derive(Clone)]
pub(crate) struct Place<'a> {
    pub(crate) reading: &'a Reading<'a>,
    pub(crate) node: &'a Node,
    path: String,
    /// Where the value starts.
    at: Position,
    /// Where its key starts.
    key_at: Position,
}

impl<'a> Place<'a> {
    /// The whole document.
    pub(crate) fn root(reading: &'a Reading<'a>, node: &'a Node) -> Self {
        Self { reading, node, path: String::new(), at: node.at, key_at: node.at }
    }

    /// The value of `entry`.
    pub(crate) fn entry(&self, entry: &'a Entry) -> Self {
        Self {
            reading: self.reading,
            node: &entry.value,
            path: self.join(&entry.key),
            at: entry.value.at,
            key_at: entry.key_at,
        }
    }

    /// The item of a list.
    pub(crate) fn item(&self, index: usize, node: &'a Node) -> Self {
        let path = format!("{}[{index}]", self.path);
        Self { reading: self.reading, node, path, at: node.at, key_at: node.at }
    }

    /// The same value; messages point at its key.
    pub(crate) fn at_key(&self) -> Self {
        Self { at: self.key_at, ..self.clone() }
    }

    /// The entries of the map that stands here; none when it is something else.
    pub(crate) fn entries(&self) -> &'a [Entry] {
        match &self.node.kind {
            Kind::Map(entries) => entries,
            Kind::List(_) | Kind::Scalar(_) => &[],
        }
    }

    /// The text that stands here with its references resolved; otherwise the error is noted.
    pub(crate) fn resolve(&self, text: &str) -> Option<Resolved> {
        resolve(text, self.reading.env).map_err(|problem| self.error(problem)).ok()
    }

    /// Notes an error here.
    pub(crate) fn error(&self, problem: Problem) {
        self.reading.log(Severity::Error, self.at, &self.path, problem);
    }

    /// Notes a warning here.
    pub(crate) fn warn(&self, problem: Problem) {
        self.reading.log(Severity::Warning, self.at, &self.path, problem);
    }

    /// Notes an error about the key `name`, which is not written here.
    pub(crate) fn error_at_missing(&self, name: &str, problem: Problem) {
        self.reading.log(Severity::Error, self.key_at, &self.join(name), problem);
    }

    /// `name` comes from the file and is shown on a terminal.
    fn join(&self, name: &str) -> String {
        let name = printable(name);
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }
}
