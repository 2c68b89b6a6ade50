//! One immutable catalogue: what a principal sees, in order, and where each name leads.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256};
use mcp::Kind;
use upstream::ServerFacts;

use crate::item::{Item, NameDigest};
use crate::page::FirstPage;
use crate::report::Report;
use crate::shelf::position;

/// The merged lists. The order is that of the configuration's targets, and within a target that of its server.
#[derive(Debug)]
pub struct View {
    generation: u64,
    lists: [List; 4],
    servers: Vec<Server>,
    reports: Arc<[Report]>,
    audience: Audience,
}

/// How many look at a view, which decides whether its pages are worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everyone: the first pages are rendered once and kept.
    Everyone,
    /// One principal of many: kept pages would cost more memory than they save time.
    One,
}

/// A target that has a part in a view.
#[derive(Clone, Debug)]
pub struct Server {
    /// The target.
    pub target: Arc<str>,
    /// What its server said about itself; `None` where that is not known yet.
    pub facts: Option<ServerFacts>,
}

/// The entries of one kind.
#[derive(Debug, Default)]
pub(crate) struct List {
    items: Vec<Arc<Item>>,
    by_name: HashMap<Arc<str>, usize>,
    /// For cursors of another view; most lists are never asked.
    by_digest: OnceLock<HashMap<NameDigest, usize>>,
    pub(crate) first_page: OnceLock<FirstPage>,
    digest: OnceLock<ListDigest>,
}

/// A digest of one list as clients see it.
pub type ListDigest = [u8; 16];

impl View {
    /// `generation` names this view among those of its gateway; a later view has a greater one.
    pub(crate) fn new(
        generation: u64,
        lists: [Vec<Arc<Item>>; 4],
        servers: Vec<Server>,
        reports: Arc<[Report]>,
    ) -> Self {
        Self { generation, lists: lists.map(List::new), servers, reports, audience: Audience::Everyone }
    }

    /// The same view, for one principal.
    pub(crate) fn for_one(self) -> Self {
        Self { audience: Audience::One, ..self }
    }

    pub(crate) fn audience(&self) -> Audience {
        self.audience
    }

    /// Names this view among those of its gateway.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// All entries of one kind, in order.
    #[must_use]
    pub fn items(&self, kind: Kind) -> &[Arc<Item>] {
        &self.list(kind).items
    }

    /// The entry with exactly this exposed name (tool, prompt), URI or URI template.
    #[must_use]
    pub fn get(&self, kind: Kind, exposed: &str) -> Option<&Arc<Item>> {
        let list = self.list(kind);
        list.by_name.get(exposed).and_then(|index| list.items.get(*index))
    }

    /// The tool clients call `exposed`.
    #[must_use]
    pub fn tool(&self, exposed: &str) -> Option<&Arc<Item>> {
        self.get(Kind::Tool, exposed)
    }

    /// The prompt clients call `exposed`.
    #[must_use]
    pub fn prompt(&self, exposed: &str) -> Option<&Arc<Item>> {
        self.get(Kind::Prompt, exposed)
    }

    /// A digest of the list of `kind` as clients see it: two views with the same digest show the same list.
    #[must_use]
    pub fn digest(&self, kind: Kind) -> ListDigest {
        let list = self.list(kind);
        *list.digest.get_or_init(|| list.digest())
    }

    /// The targets that have a part in this view, in the configuration's order.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// What was left out, and why. For the operator, not for clients.
    #[must_use]
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// The view without what `visible` refuses. The same function must be asked before a call.
    ///
    /// A target whose every entry is refused has no part in the result at all.
    #[must_use]
    pub fn filter(self: &Arc<Self>, mut visible: impl FnMut(&Item) -> bool) -> Arc<Self> {
        let mut all_visible = true;
        let lists = Kind::ALL.map(|kind| {
            let kept: Vec<Arc<Item>> =
                self.items(kind).iter().filter(|item| visible(item)).map(Arc::clone).collect();
            all_visible &= kept.len() == self.items(kind).len();
            kept
        });
        if all_visible {
            return Arc::clone(self);
        }
        let hidden = hidden_targets(&self.lists, &lists);
        let servers =
            self.servers.iter().filter(|server| !hidden.contains(&*server.target)).cloned().collect();
        Arc::new(Self::new(self.generation, lists, servers, Arc::clone(&self.reports)).for_one())
    }

    pub(crate) fn list(&self, kind: Kind) -> &List {
        &self.lists[position(kind)]
    }
}

/// The targets that list something, but nothing of what was kept.
fn hidden_targets<'a>(all: &'a [List; 4], kept: &[Vec<Arc<Item>>; 4]) -> HashSet<&'a str> {
    let shown: HashSet<&str> =
        kept.iter().flatten().filter_map(|item| item.target()).map(|target| &**target).collect();
    let listing = all.iter().flat_map(|list| &list.items).filter_map(|item| item.target());
    listing.map(|target| &**target).filter(|target| !shown.contains(target)).collect()
}

impl List {
    fn new(items: Vec<Arc<Item>>) -> Self {
        let by_name =
            items.iter().enumerate().map(|(index, item)| (Arc::clone(&item.exposed), index)).collect();
        Self {
            items,
            by_name,
            by_digest: OnceLock::new(),
            first_page: OnceLock::new(),
            digest: OnceLock::new(),
        }
    }

    /// Where to go on after the entry whose name has this digest, and which once was the last before `position`.
    pub(crate) fn after(&self, last: &NameDigest, position: usize) -> usize {
        let before = position.saturating_sub(1);
        if self.items.get(before).is_some_and(|item| item.name_digest() == *last) {
            return before + 1;
        }
        let by_digest = self.by_digest.get_or_init(|| {
            self.items.iter().enumerate().map(|(index, item)| (item.name_digest(), index)).collect()
        });
        // The entry has gone since: go on where it stood, which neither repeats nor skips more than changed.
        by_digest.get(last).map_or(before.min(self.items.len()), |index| index + 1)
    }

    pub(crate) fn items(&self) -> &[Arc<Item>] {
        &self.items
    }

    fn digest(&self) -> ListDigest {
        let mut context = Context::new(&SHA256);
        for item in &self.items {
            let text = item.text.as_bytes();
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&context.finish().as_ref()[..16]);
        digest
    }
}
