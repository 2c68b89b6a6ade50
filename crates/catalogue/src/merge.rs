//! Merges the targets' lists into one view. Pure: the same shelves and claims give the same view.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use config::{Gateway, Target};
use mcp::Kind;

use crate::claims::Claims;
use crate::item::Item;
use crate::name;
use crate::report::{Reason, Report};
use crate::shelf::{Shelf, position};
use crate::view::{Server, View};

/// Merges `shelves` (at most one per target, in any order) into the view number `generation`.
///
/// Names (tools, prompts): the owner in `claims` has a name; where nobody owns it, the first target of the configuration.
/// URIs and templates: the lowest `resource_priority`, then the first of the configuration. Who loses is reported.
/// The gateway's own status resource comes last. A shelf whose target is not configured is left out.
#[must_use]
pub fn merge(gateway: &Gateway, shelves: &[Arc<Shelf>], claims: &Claims, generation: u64) -> View {
    let members: Vec<Member<'_>> = gateway
        .targets
        .iter()
        .filter_map(|target| {
            let shelf = shelves.iter().find(|shelf| **shelf.target() == *target.name)?;
            Some(Member { target, shelf })
        })
        .collect();
    let mut merge = Merge { gateway, members: &members, claims, reports: Vec::new() };
    let mut lists = [
        merge.named(Kind::Tool),
        merge.named(Kind::Prompt),
        merge.located(Kind::Resource),
        merge.located(Kind::Template),
    ];
    lists[position(Kind::Resource)].push(Arc::new(Item::status()));
    let mut reports = merge.reports;
    reports.extend(members.iter().flat_map(|member| member.shelf.reports()).cloned());
    let servers = members
        .iter()
        .map(|member| Server {
            target: Arc::clone(member.shelf.target()),
            facts: member.shelf.facts().cloned(),
        })
        .collect();
    View::new(generation, lists, servers, reports.into())
}

struct Member<'a> {
    target: &'a Target,
    shelf: &'a Shelf,
}

struct Merge<'a> {
    gateway: &'a Gateway,
    members: &'a [Member<'a>],
    claims: &'a Claims,
    reports: Vec<Report>,
}

impl Merge<'_> {
    fn named(&mut self, kind: Kind) -> Vec<Arc<Item>> {
        let mut taken: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        let mut items = Vec::new();
        for member in self.members {
            for item in member.shelf.items(kind) {
                match self.refusal(member, item, &taken) {
                    Some(reason) => {
                        self.reports.push(Report::new(member.shelf.target(), kind, &item.upstream, reason))
                    }
                    None => {
                        taken.insert(Arc::clone(&item.exposed), Arc::clone(member.shelf.target()));
                        items.push(Arc::clone(item));
                    }
                }
            }
        }
        items
    }

    fn refusal(
        &self,
        member: &Member<'_>,
        item: &Item,
        taken: &HashMap<Arc<str>, Arc<str>>,
    ) -> Option<Reason> {
        match self.claims.owner(item.kind, &item.exposed) {
            Some(owner) if owner == member.shelf.target() => return None,
            Some(owner) => return Some(Reason::NameTaken { by: Arc::clone(owner) }),
            None => {}
        }
        if let Some(by) = taken.get(&item.exposed) {
            return Some(Reason::NameTaken { by: Arc::clone(by) });
        }
        let foreign = name::foreign_prefix(self.gateway, member.target, &item.exposed)?;
        Some(Reason::ForeignPrefix { of: foreign.to_owned() })
    }

    fn located(&mut self, kind: Kind) -> Vec<Arc<Item>> {
        let winners = self.winners(kind);
        let mut items = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            for item in member.shelf.items(kind) {
                match winners.get(&item.exposed) {
                    Some(winner) if *winner != index => {
                        let by = Arc::clone(self.members[*winner].shelf.target());
                        let reason = Reason::UriTaken { by };
                        self.reports.push(Report::new(member.shelf.target(), kind, &item.upstream, reason));
                    }
                    _ => items.push(Arc::clone(item)),
                }
            }
        }
        items
    }

    /// Which member answers each URI.
    fn winners(&self, kind: Kind) -> HashMap<Arc<str>, usize> {
        let mut winners: HashMap<Arc<str>, usize> = HashMap::new();
        for (index, member) in self.members.iter().enumerate() {
            for item in member.shelf.items(kind) {
                match winners.entry(Arc::clone(&item.exposed)) {
                    Entry::Vacant(free) => drop(free.insert(index)),
                    Entry::Occupied(mut held) => {
                        let holder = self.members[*held.get()].target;
                        if member.target.resource_priority < holder.resource_priority {
                            held.insert(index);
                        }
                    }
                }
            }
        }
        winners
    }
}
