//! How many requests may be in progress, and how many streams may stand open: in all, and of one principal.
//!
//! A place is taken before a caller is known, and held until the call has ended, also when its client has gone away, and
//! until the client has taken the answer.

use std::sync::Arc;

use exchange::{Counted, Quota};
use identity::PrincipalKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// All places. Clones share them.
#[derive(Clone, Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    held: Quota,
    per_principal: usize,
    what: What,
}

/// What the places are for.
#[derive(Clone, Copy, Debug)]
enum What {
    Requests,
    Streams,
}

/// A place for one request in progress, or one stream.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    counted: Option<Counted>,
}

impl Places {
    /// `total` places for requests, of which one principal may hold `per_principal`.
    #[must_use]
    pub fn for_requests(total: usize, per_principal: usize) -> Self {
        Self::new(total, per_principal, What::Requests)
    }

    /// The same for streams.
    #[must_use]
    pub fn for_streams(total: usize, per_principal: usize) -> Self {
        Self::new(total, per_principal, What::Streams)
    }

    fn new(total: usize, per_principal: usize, what: What) -> Self {
        let all = Arc::new(Semaphore::new(total.min(Semaphore::MAX_PERMITS)));
        Self { all, held: Quota::default(), per_principal, what }
    }

    /// A place for somebody who is not known yet.
    ///
    /// # Errors
    /// All are taken.
    pub fn take(&self) -> Result<Place, Refusal> {
        let permit = self.all.clone().try_acquire_owned().map_err(|_| self.what.full())?;
        Ok(Place { _permit: permit, counted: None })
    }

    /// A place for a caller who is known.
    ///
    /// # Errors
    /// All are taken, or as many of the caller's as one may hold.
    pub fn take_for(&self, whose: Option<PrincipalKey>) -> Result<Place, Refusal> {
        self.claim(self.take()?, whose)
    }

    /// Counts `place` among those of a principal; of nobody's, where everyone is the same nobody: the bound on one would be
    /// the bound on all.
    ///
    /// # Errors
    /// The principal holds as many as one may.
    pub fn claim(&self, mut place: Place, whose: Option<PrincipalKey>) -> Result<Place, Refusal> {
        let Some(principal) = whose else { return Ok(place) };
        let counted = self.held.take(principal, self.per_principal);
        place.counted = Some(counted.ok_or_else(|| self.what.too_many_of_one(self.per_principal))?);
        Ok(place)
    }
}

impl What {
    fn full(self) -> Refusal {
        match self {
            Self::Requests => Refusal::Overloaded,
            Self::Streams => Refusal::Quota(
                "The gateway has as many open streams as `limits.streams` allows; close one of yours, or try again later."
                    .to_owned(),
            ),
        }
    }

    fn too_many_of_one(self, held: usize) -> Refusal {
        let (what, bound, way_on) = match self {
            Self::Requests => {
                ("requests in progress", "limits.in_flight_per_principal", "wait for one to end")
            }
            Self::Streams => ("open streams", "limits.streams_per_principal", "close one"),
        };
        Refusal::Quota(format!("You have {held} {what}, the most that `{bound}` allows; {way_on}."))
    }
}
