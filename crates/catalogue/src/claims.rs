//! Who owns which exposed name: the table of incumbents.
//!
//! A collision never re-routes a call: the target that had a name first keeps it as long as it lists it, and for a while
//! after, so that a server which restarts with half a list does not lose its names to another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mcp::Kind;
use store::StoredName;

use crate::shelf::Shelf;

/// How long a target with a default listing keeps a name that its newest capture does not show any more.
pub const KEPT_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// How long a target with a dynamic listing keeps a name that no caller was shown; each caller sees another part.
pub const KEPT_DYNAMIC: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The table of incumbents of one gateway. Names of tools and of prompts do not meet.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    by_name: HashMap<(Kind, Arc<str>), Claim>,
}

#[derive(Clone, Debug)]
struct Claim {
    target: Arc<str>,
    upstream: Arc<str>,
    first_seen: u64,
    last_seen: u64,
}

/// Whether a renewal changed who owns what, so that it must be persisted and merged anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// Names were added or released.
    Changed,
    /// Only times have moved.
    Same,
}

/// The kinds whose entries go by a name of the gateway's making.
const NAMED: [Kind; 2] = [Kind::Tool, Kind::Prompt];

impl Claims {
    /// The target that owns a name.
    #[must_use]
    pub fn owner(&self, kind: Kind, exposed: &Arc<str>) -> Option<&Arc<str>> {
        self.by_name.get(&(kind, Arc::clone(exposed))).map(|claim| &claim.target)
    }

    /// Takes over what was persisted about one target. A name that is owned already stays where it is.
    pub fn restore(&mut self, target: &Arc<str>, names: &[StoredName]) {
        for name in names {
            let claim = Claim {
                target: Arc::clone(target),
                upstream: Arc::from(name.upstream.as_str()),
                first_seen: name.first_seen,
                last_seen: name.last_seen,
            };
            self.by_name.entry((name.kind, Arc::from(name.exposed.as_str()))).or_insert(claim);
        }
    }

    /// Takes the names a target lists now: free ones become its own; its own that it has not listed for longer than
    /// `kept` are released, and of those not listed now at most `unlisted_max` are kept, the newest.
    ///
    /// `may_claim` is asked for each free name: a name that is refused stays free.
    pub fn renew(
        &mut self,
        shelf: &Shelf,
        now: u64,
        kept: Duration,
        unlisted_max: usize,
        mut may_claim: impl FnMut(&str) -> bool,
    ) -> Renewed {
        let mut renewed = Renewed::Same;
        for item in NAMED.into_iter().flat_map(|kind| shelf.items(kind)) {
            let key = (item.kind, Arc::clone(&item.exposed));
            match self.by_name.get_mut(&key) {
                Some(claim) if claim.target == *shelf.target() => {
                    claim.last_seen = now;
                    claim.upstream = Arc::clone(&item.upstream);
                }
                Some(_) => {}
                None if may_claim(&item.exposed) => {
                    let (target, upstream) = (Arc::clone(shelf.target()), Arc::clone(&item.upstream));
                    self.by_name.insert(key, Claim { target, upstream, first_seen: now, last_seen: now });
                    renewed = Renewed::Changed;
                }
                None => {}
            }
        }
        let before = self.by_name.len();
        self.release(shelf.target(), now, kept, unlisted_max);
        if self.by_name.len() < before { Renewed::Changed } else { renewed }
    }

    /// What to persist about one target, by kind and name.
    #[must_use]
    pub fn of_target(&self, target: &str) -> Vec<StoredName> {
        let owned = self.by_name.iter().filter(|(_, claim)| *claim.target == *target);
        let mut names: Vec<StoredName> = owned
            .map(|((kind, exposed), claim)| StoredName {
                kind: *kind,
                exposed: exposed.to_string(),
                upstream: claim.upstream.to_string(),
                first_seen: claim.first_seen,
                last_seen: claim.last_seen,
            })
            .collect();
        names.sort_by(|a, b| (a.kind, &a.exposed).cmp(&(b.kind, &b.exposed)));
        names
    }

    /// Frees the names of a target that is gone from the configuration.
    pub fn forget(&mut self, target: &str) {
        self.by_name.retain(|_, claim| *claim.target != *target);
    }

    fn release(&mut self, target: &Arc<str>, now: u64, kept: Duration, unlisted_max: usize) {
        let is_unlisted = |claim: &Claim| claim.target == *target && claim.last_seen < now;
        let oldest_kept = now.saturating_sub(kept.as_secs());
        self.by_name.retain(|_, claim| !is_unlisted(claim) || claim.last_seen >= oldest_kept);
        let mut unlisted: Vec<_> = self
            .by_name
            .iter()
            .filter(|(_, claim)| is_unlisted(claim))
            .map(|(key, claim)| (claim.last_seen, key.clone()))
            .collect();
        let excess = unlisted.len().saturating_sub(unlisted_max);
        if excess > 0 {
            unlisted.sort();
            unlisted.iter().take(excess).for_each(|(_, key)| drop(self.by_name.remove(key)));
        }
    }
}
