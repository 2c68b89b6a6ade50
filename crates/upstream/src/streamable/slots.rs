//! The places of the sessions with one server: who holds one, and who gives way when there are too many.
//!
//! Bounded in all and per principal, so that nobody can take the places of everybody. Opens and ends nothing itself.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use identity::PrincipalKey;
use tokio::time::Instant;

use super::handshake::OpenError;
use super::session::Session;
use super::turn::Turn;
use crate::{Affinity, Mark, SessionKey};

/// A session that belongs to no client session and that nobody used for this long is ended.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// A client session's own session that nobody used for this long is ended: no client session lives longer
/// (`sessions.timeout`), so this one was left behind.
const ABANDONED: Duration = Duration::from_secs(8 * 60 * 60);

/// The places with one server.
#[derive(Default)]
pub(super) struct Slots {
    by_affinity: HashMap<Affinity, Arc<Slot>>,
    /// The places of each client session that has any: one, unless some of its calls can be asked less than others.
    of_client: HashMap<SessionKey, Vec<Affinity>>,
    /// How many places each principal holds; none is zero.
    held: HashMap<PrincipalKey, usize>,
}

/// How many places callers may hold. The gateway's own does not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// All of them together.
    pub(super) total: usize,
    /// One of them.
    pub(super) per_principal: usize,
}

/// Nobody can give way; which bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// That of all callers together.
    Total,
    /// That of the caller.
    Principal,
}

/// The place of one affinity's session.
#[derive(Default)]
pub(super) struct Slot {
    held: Mutex<Held>,
    /// Whose turn it is to open the session.
    pub(super) opening: Turn<OpenError>,
}

#[derive(Default)]
pub(super) struct Held {
    pub(super) session: Option<Arc<Session>>,
    /// The client session is over; nothing may be put here any more.
    pub(super) ended: Option<Ended>,
}

pub(super) struct Ended;

/// When the session in a place was last used.
enum Use {
    /// It is in use, or about to be.
    Current,
    /// There is no session in it.
    Vacant,
    /// Not since then.
    Past(Instant),
}

impl Slots {
    /// The place of this affinity, if there is one.
    pub(super) fn get(&self, affinity: &Affinity) -> Option<&Arc<Slot>> {
        self.by_affinity.get(affinity)
    }

    /// The session of this mark, if it is one of `principal`'s.
    pub(super) fn marked(&self, principal: PrincipalKey, mark: Mark) -> Option<Arc<Session>> {
        let own = self.by_affinity.iter().filter(|(affinity, _)| holder(affinity) == Some(principal));
        let mut sessions = own.filter_map(|(_, slot)| slot.lock().session.clone());
        sessions.find(|session| session.mark() == Some(mark))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.by_affinity.is_empty()
    }

    /// The place of this affinity; a new one, if there is none.
    pub(super) fn place(&mut self, affinity: Affinity) -> Arc<Slot> {
        if let Some(slot) = self.by_affinity.get(&affinity) {
            return slot.clone();
        }
        if let Some(principal) = holder(&affinity) {
            *self.held.entry(principal).or_default() += 1;
        }
        if let Affinity::Session(_, client, _) = affinity {
            self.of_client.entry(client).or_default().push(affinity);
        }
        self.by_affinity.entry(affinity).or_default().clone()
    }

    /// Makes room for a new place, if there is none: a place without a session gives way, or else one that is not in use,
    /// of whoever holds most, the longest unused first. A client session's own gives way only to its own principal, or
    /// to one that holds fewer. Answers the session to be ended.
    ///
    /// # Errors
    /// Everything that could give way is in use.
    pub(super) fn make_room(
        &mut self,
        newcomer: &Affinity,
        bounds: Bounds,
    ) -> Result<Option<Arc<Session>>, Full> {
        let Some(principal) = holder(newcomer) else { return Ok(None) };
        let own = self.held_by(principal);
        let gives_way = if own >= bounds.per_principal {
            let place = self.least_missed(|affinity, _| holder(affinity) == Some(principal));
            place.ok_or(Full::Principal)?
        } else if self.of_callers() >= bounds.total {
            let place = self.least_missed(|affinity, used| match affinity {
                Affinity::Session(other, ..) => {
                    matches!(used, Use::Vacant) || *other == principal || self.held_by(*other) > own + 1
                }
                Affinity::Principal(..) => true,
                Affinity::Gateway => false,
            });
            place.ok_or(Full::Total)?
        } else {
            return Ok(None);
        };
        Ok(self.remove(&gives_way).and_then(|slot| slot.lock().session.take()))
    }

    /// Takes out what hangs on a client session, and lets nothing be put there any more. Costs little for one that
    /// has nothing here.
    pub(super) fn end_client(&mut self, client: SessionKey) -> Vec<Arc<Session>> {
        let places = self.of_client.get(&client).cloned().unwrap_or_default();
        places.iter().filter_map(|affinity| self.remove(affinity)?.end()).collect()
    }

    /// Takes out everything, and lets nothing be put there any more.
    pub(super) fn end_all(&mut self) -> Vec<Arc<Session>> {
        let all = std::mem::take(self);
        all.by_affinity.into_values().filter_map(|slot| slot.end()).collect()
    }

    /// Takes out what nobody has used for too long.
    pub(super) fn take_idle(&mut self) -> Vec<Arc<Session>> {
        let idle = |(affinity, slot): (&Affinity, &Arc<Slot>)| {
            let longest = if matches!(affinity, Affinity::Session(..)) { ABANDONED } else { IDLE };
            match slot.last_use() {
                Use::Current => None,
                Use::Vacant => Some(*affinity),
                Use::Past(since) => (since.elapsed() >= longest).then_some(*affinity),
            }
        };
        let idle: Vec<Affinity> = self.by_affinity.iter().filter_map(idle).collect();
        idle.iter().filter_map(|affinity| self.remove(affinity)?.lock().session.take()).collect()
    }

    fn remove(&mut self, affinity: &Affinity) -> Option<Arc<Slot>> {
        let slot = self.by_affinity.remove(affinity)?;
        if let Some(Entry::Occupied(mut held)) = holder(affinity).map(|principal| self.held.entry(principal))
        {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
        if let Affinity::Session(_, client, _) = affinity
            && let Some(places) = self.of_client.get_mut(client)
        {
            places.retain(|place| place != affinity);
            if places.is_empty() {
                self.of_client.remove(client);
            }
        }
        Some(slot)
    }

    fn held_by(&self, principal: PrincipalKey) -> usize {
        self.held.get(&principal).copied().unwrap_or_default()
    }

    fn of_callers(&self) -> usize {
        self.by_affinity.len() - usize::from(self.by_affinity.contains_key(&Affinity::Gateway))
    }

    /// Which of the places that may give way, and are not in use, is missed least.
    fn least_missed(&self, may_give_way: impl Fn(&Affinity, &Use) -> bool) -> Option<Affinity> {
        let rank = |(affinity, slot): (&Affinity, &Arc<Slot>)| {
            let used = slot.last_use();
            let since = match used {
                Use::Current => return None,
                Use::Vacant => None,
                Use::Past(since) => Some(since),
            };
            let held = holder(affinity).map_or(0, |principal| self.held_by(principal));
            may_give_way(affinity, &used).then_some(((since.is_some(), Reverse(held), since), *affinity))
        };
        let ranked = self.by_affinity.iter().filter_map(rank);
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, affinity)| affinity)
    }
}

impl Slot {
    pub(super) fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nothing be put here any more; answers what is here.
    fn end(&self) -> Option<Arc<Session>> {
        let mut held = self.lock();
        held.ended = Some(Ended);
        held.session.take()
    }

    fn last_use(self: &Arc<Self>) -> Use {
        // The map has one reference; another is somebody's who is about to use the slot.
        if Arc::strong_count(self) > 1 {
            return Use::Current;
        }
        match &self.lock().session {
            None => Use::Vacant,
            Some(session) if Arc::strong_count(session) > 1 => Use::Current,
            Some(session) => Use::Past(session.used()),
        }
    }
}

/// Whose place it is; nobody's, if it is the gateway's own.
fn holder(affinity: &Affinity) -> Option<PrincipalKey> {
    match affinity {
        Affinity::Session(principal, ..) | Affinity::Principal(principal, _) => Some(*principal),
        Affinity::Gateway => None,
    }
}
