//! One target's lists, judged and renamed: the part of a catalogue that comes from one server.

use std::collections::HashSet;
use std::sync::Arc;

use config::{Gateway, Target};
use mcp::Kind;

use upstream::ServerFacts;

use crate::capture::Capture;
use crate::item::Item;
use crate::pull::BYTES_MAX;
use crate::report::{Reason, Report};

/// One target's part of a catalogue. Immutable.
#[derive(Clone, Debug)]
pub struct Shelf {
    target: Arc<str>,
    facts: Option<ServerFacts>,
    lists: [Vec<Arc<Item>>; 4],
    reports: Vec<Report>,
}

impl Shelf {
    /// Reads a capture. Entries that must not be offered, and those beyond `items_max` of a kind, are left out and reported.
    #[must_use]
    pub fn read(gateway: &Gateway, target: &Target, capture: &Capture, items_max: usize) -> Self {
        let mut shelf = Self {
            target: Arc::from(target.name.as_str()),
            facts: capture.facts.clone(),
            lists: Default::default(),
            reports: Vec::new(),
        };
        for kind in Kind::ALL {
            shelf.fill(gateway, target, kind, capture, items_max);
        }
        shelf
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Arc<str> {
        &self.target
    }

    /// What the server said about itself.
    #[must_use]
    pub fn facts(&self) -> Option<&ServerFacts> {
        self.facts.as_ref()
    }

    /// The entries of one kind, in the server's order.
    #[must_use]
    pub fn items(&self, kind: Kind) -> &[Arc<Item>] {
        &self.lists[position(kind)]
    }

    /// What was left out.
    #[must_use]
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    fn fill(&mut self, gateway: &Gateway, target: &Target, kind: Kind, capture: &Capture, items_max: usize) {
        let listed = capture.items(kind);
        let mut items: Vec<Arc<Item>> = Vec::with_capacity(listed.len().min(items_max));
        let mut seen: HashSet<Arc<str>> = HashSet::new();
        for original in listed.iter().take(items_max) {
            match Item::read(gateway, target, kind, original) {
                Ok(item) if seen.insert(Arc::clone(&item.exposed)) => items.push(Arc::new(item)),
                Ok(item) => self.report(kind, &item.upstream, Reason::Duplicate),
                Err((subject, reason)) => self.report(kind, &subject, reason),
            }
        }
        if listed.len() > items_max {
            self.report(kind, "", Reason::TooMany { listed: listed.len(), limit: items_max });
        }
        if capture.cut.contains(&kind) {
            self.report(kind, "", Reason::TooLarge { limit: BYTES_MAX });
        }
        self.lists[position(kind)] = items;
    }

    fn report(&mut self, kind: Kind, subject: &str, reason: Reason) {
        self.reports.push(Report::new(&self.target, kind, subject, reason));
    }
}

/// A kind's place in an array of four.
pub(crate) const fn position(kind: Kind) -> usize {
    match kind {
        Kind::Tool => 0,
        Kind::Prompt => 1,
        Kind::Resource => 2,
        Kind::Template => 3,
    }
}
