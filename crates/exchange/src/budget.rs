//! How many bytes of events are kept for clients that come back: of one session, of one principal, and in all; and whose give
//! way when there is no room.
//!
//! Whoever takes too much gives way first. A session is asked for its events when no lock is held, so that two that want
//! room at the same time do not wait for each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use identity::PrincipalKey;

use crate::window::Window;

#[cfg(test)]
mod tests;

/// Bounds on the events that are kept, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeBounds {
    /// Of one session.
    pub per_session: usize,
    /// Of all sessions of one principal.
    pub per_principal: usize,
    /// Of all sessions.
    pub total: usize,
}

/// What the sessions of one gateway keep. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Mutex<Ledger>>);

/// The kept events of one session. Its own part of the budget is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Shelf {
    window: Arc<Mutex<Window>>,
    budget: Budget,
    owner: Owner,
}

/// One event as it goes over the wire, in pieces.
pub(crate) type Pieces = Vec<Bytes>;

#[derive(Debug)]
struct Ledger {
    bounds: ResumeBounds,
    used: usize,
    accounts: HashMap<PrincipalKey, Account>,
    last: u64,
}

/// What one principal keeps.
#[derive(Debug, Default)]
struct Account {
    used: usize,
    sessions: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    used: usize,
    window: Weak<Mutex<Window>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    principal: PrincipalKey,
    session: u64,
}

/// What becomes of a wish for room.
enum Room {
    Given,
    /// Somebody has to let go of this many bytes first.
    Of(Owner, usize),
    /// There is none, whoever gives way.
    None,
}

impl Budget {
    pub(crate) fn new(bounds: ResumeBounds) -> Self {
        Self(Arc::new(Mutex::new(Ledger { bounds, used: 0, accounts: HashMap::new(), last: 0 })))
    }

    /// Other bounds from now on.
    pub(crate) fn rebind(&self, bounds: ResumeBounds) {
        self.ledger().bounds = bounds;
    }

    /// A shelf for a new session of `principal`.
    pub(crate) fn shelf(&self, principal: PrincipalKey) -> Shelf {
        let window = Arc::new(Mutex::new(Window::default()));
        let mut ledger = self.ledger();
        ledger.last += 1;
        let owner = Owner { principal, session: ledger.last };
        let entry = Entry { used: 0, window: Arc::downgrade(&window) };
        ledger.accounts.entry(principal).or_default().sessions.insert(owner.session, entry);
        drop(ledger);
        Shelf { window, budget: self.clone(), owner }
    }

    /// Makes room for `bytes` more of one session; `false` when there is none whoever gives way.
    fn make_room(&self, owner: Owner, bytes: usize) -> bool {
        loop {
            let (debtor, missing, window) = {
                let mut ledger = self.ledger();
                match ledger.charge(owner, bytes) {
                    Room::Given => return true,
                    Room::None => return false,
                    Room::Of(debtor, missing) => (debtor, missing, ledger.window(debtor)),
                }
            };
            let freed = window.map_or(0, |window| lock(&window).give_way(missing));
            if freed == 0 {
                return false;
            }
            self.ledger().refund(debtor, freed);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.0)
    }
}

impl Ledger {
    fn charge(&mut self, owner: Owner, bytes: usize) -> Room {
        let ResumeBounds { per_session, per_principal, total } = self.bounds;
        let Some(account) = self.accounts.get_mut(&owner.principal) else { return Room::None };
        let Some(entry) = account.sessions.get_mut(&owner.session) else { return Room::None };
        if bytes > per_session.min(per_principal).min(total) {
            return Room::None;
        }
        let over = |used: usize, most: usize| (used + bytes).saturating_sub(most);
        let (own, theirs, all) =
            (over(entry.used, per_session), over(account.used, per_principal), over(self.used, total));
        if own > 0 {
            return Room::Of(owner, own);
        }
        if theirs > 0 {
            return account.largest(owner.principal).map_or(Room::None, |debtor| Room::Of(debtor, theirs));
        }
        if all > 0 {
            return self.largest(owner.principal, bytes).map_or(Room::None, |debtor| Room::Of(debtor, all));
        }
        entry.used += bytes;
        account.used += bytes;
        self.used += bytes;
        Room::Given
    }

    fn refund(&mut self, owner: Owner, bytes: usize) {
        let Some(account) = self.accounts.get_mut(&owner.principal) else { return };
        let Some(entry) = account.sessions.get_mut(&owner.session) else { return };
        entry.used -= bytes;
        account.used -= bytes;
        self.used -= bytes;
    }

    fn close(&mut self, owner: Owner) {
        let Some(account) = self.accounts.get_mut(&owner.principal) else { return };
        let Some(entry) = account.sessions.remove(&owner.session) else { return };
        account.used -= entry.used;
        self.used -= entry.used;
        if account.sessions.is_empty() {
            self.accounts.remove(&owner.principal);
        }
    }

    /// The largest session of whoever would keep most if `who` kept `bytes` more.
    fn largest(&self, who: PrincipalKey, bytes: usize) -> Option<Owner> {
        let would_keep = |(principal, account): &(&PrincipalKey, &Account)| {
            account.used + if **principal == who { bytes } else { 0 }
        };
        let (principal, account) = self.accounts.iter().max_by_key(would_keep)?;
        account.largest(*principal)
    }

    fn window(&self, owner: Owner) -> Option<Arc<Mutex<Window>>> {
        self.accounts.get(&owner.principal)?.sessions.get(&owner.session)?.window.upgrade()
    }
}

impl Account {
    fn largest(&self, principal: PrincipalKey) -> Option<Owner> {
        let (session, _) = self.sessions.iter().max_by_key(|(_, entry)| entry.used)?;
        Some(Owner { principal, session: *session })
    }
}

impl Shelf {
    /// Starts a stream; its first event has the number 1.
    pub(crate) fn open(&self, stream: u32) {
        self.window().open(stream);
    }

    /// Adds an event, which `write` writes around its number, and keeps it as far as there is room. An event that cannot be
    /// kept takes those before it along: they could not be resumed from any more. To be called by one writer per stream.
    pub(crate) fn push(&self, stream: u32, write: impl FnOnce(u64) -> Pieces) -> Pieces {
        let number = self.window().next(stream);
        let pieces = write(number);
        let bytes = pieces.iter().map(Bytes::len).sum();
        if !self.budget.make_room(self.owner, bytes) {
            let freed = self.window().skip(stream);
            self.refund(freed);
            return pieces;
        }
        // Pieces of a server's message would keep the whole buffer in which it came.
        let event = match &pieces[..] {
            [whole] => whole.clone(),
            pieces => Bytes::from(pieces.concat()),
        };
        self.window().keep(stream, event.clone());
        vec![event]
    }

    /// Every event of a stream after number `after`; `None` when some of them are gone, or none of this number ever was.
    pub(crate) fn after(&self, stream: u32, after: u64) -> Option<Vec<Bytes>> {
        self.window().after(stream, after)
    }

    /// Nothing will be added to this stream.
    pub(crate) fn end(&self, stream: u32) {
        self.window().end(stream);
    }

    /// Lets go of streams that ended long ago.
    pub(crate) fn expire(&self) {
        let freed = self.window().expire();
        self.refund(freed);
    }

    fn refund(&self, bytes: usize) {
        if bytes > 0 {
            self.budget.ledger().refund(self.owner, bytes);
        }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        lock(&self.window)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.budget.ledger().close(self.owner);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
