//! The keys of one issuer, kept fresh.
//!
//! One fetch at a time, at most one in [`RETRY_AFTER`] whatever tokens ask for. Keys are renewed before they are
//! [`MAX_AGE`] old, so a key that its issuer withdrew is refused after that time at the latest. While the issuer
//! cannot be reached, the last keys go on working until they are [`MAX_STALE`] old; then nobody gets in.
//!
//! Ages are wall-clock differences. A clock that was set back makes keys count as due for renewal, not as fresh.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use net::Provenance;
use tokio::sync::watch;
use url::Url;

use crate::claims::LEEWAY;
use crate::discovery;
use crate::fetch::{FetchError, Fetcher};
use crate::jwk::KeySet;

/// Keys this old are renewed in the background.
const REFRESH_AHEAD: Duration = Duration::from_secs(8 * 60);
/// Keys this old are renewed before they are used again.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// Keys this old are not used any more, even if the issuer cannot be reached.
const MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between the starts of two fetches.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The keys of one issuer. Cheap to clone; clones share the keys and the fetch.
#[derive(Clone)]
pub(crate) struct KeySource(Arc<Source>);

/// What an issuer published, at one time.
#[derive(Debug)]
pub(crate) struct Published {
    /// The exact `iss`.
    pub(crate) issuer: String,
    pub(crate) keys: KeySet,
}

/// Where the keys come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// Handed in: an embedded issuer. Never fetched, never old.
    Local(Arc<Published>),
    /// A discovery document the operator named.
    Discovery {
        url: Url,
        /// The issuer the URL asks about, without a trailing slash.
        asked: String,
    },
    /// A key set the operator named.
    Jwks { issuer: String, uri: Url },
}

struct Source {
    origin: Origin,
    fetcher: Fetcher,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<(Arc<Published>, SystemTime)>,
    tried_at: Option<SystemTime>,
    /// Why the latest fetch failed; `None` after a good one.
    failure: Option<String>,
    /// Closed when the fetch has ended, in whatever way.
    fetch: Option<watch::Receiver<()>>,
}

enum Look {
    Use(Arc<Published>),
    Wait(watch::Receiver<()>),
    Unavailable,
}

impl KeySource {
    pub(crate) fn new(origin: Origin, fetcher: Fetcher) -> Self {
        Self(Arc::new(Source { origin, fetcher, state: Mutex::default() }))
    }

    /// Whether a token with this `iss` is this issuer's. Before a discovery document was read, it may or may not
    /// have a trailing slash; afterwards it is exact.
    pub(crate) fn is_issuer(&self, iss: &str) -> bool {
        self.known_issuer().map_or_else(
            || match &self.0.origin {
                Origin::Discovery { asked, .. } => iss.strip_suffix('/').unwrap_or(iss) == asked,
                Origin::Local(_) | Origin::Jwks { .. } => false,
            },
            |known| known == iss,
        )
    }

    /// The issuer, as exactly as it is known.
    pub(crate) fn issuer(&self) -> String {
        self.known_issuer().unwrap_or_else(|| match &self.0.origin {
            Origin::Discovery { asked, .. } => asked.clone(),
            Origin::Local(published) => published.issuer.clone(),
            Origin::Jwks { issuer, .. } => issuer.clone(),
        })
    }

    /// The keys, if they can be used without waiting. Renews them in the background when that is due.
    pub(crate) fn at_hand(&self, now: SystemTime) -> Option<Arc<Published>> {
        match self.look(now) {
            Look::Use(published) => Some(published),
            Look::Wait(_) | Look::Unavailable => None,
        }
    }

    /// The keys, fetched if need be.
    pub(crate) async fn keys(&self, now: SystemTime) -> Option<Arc<Published>> {
        match self.look(now) {
            Look::Use(published) => return Some(published),
            Look::Unavailable => return None,
            Look::Wait(fetch) => ended(fetch).await,
        }
        self.at_hand(now)
    }

    /// The keys after a fetch that a token with an unknown `kid` asked for; `None` when it is too early for one.
    pub(crate) async fn newer_keys(&self, now: SystemTime) -> Option<Arc<Published>> {
        let fetch = self.start(&mut self.lock(), now)?;
        ended(fetch).await;
        self.at_hand(now)
    }

    /// Whether tokens of this issuer can be verified now, and why the latest fetch failed.
    pub(crate) fn status(&self, now: SystemTime) -> (bool, Option<String>) {
        let usable = self.at_hand(now).is_some();
        (usable, self.lock().failure.clone())
    }

    fn known_issuer(&self) -> Option<String> {
        match &self.0.origin {
            Origin::Local(published) => Some(published.issuer.clone()),
            Origin::Jwks { issuer, .. } => Some(issuer.clone()),
            Origin::Discovery { .. } => {
                self.lock().last.as_ref().map(|(published, _)| published.issuer.clone())
            }
        }
    }

    fn look(&self, now: SystemTime) -> Look {
        if let Origin::Local(published) = &self.0.origin {
            return Look::Use(published.clone());
        }
        let mut state = self.lock();
        if let Some((published, at)) = state.last.clone() {
            let age = age(at, now);
            if age.is_some_and(|age| age < REFRESH_AHEAD) {
                return Look::Use(published);
            }
            let limit = if state.failure.is_some() { MAX_STALE } else { MAX_AGE };
            if age.is_some_and(|age| age < limit) {
                let _in_background = self.start(&mut state, now);
                return Look::Use(published);
            }
        }
        self.start(&mut state, now).map_or(Look::Unavailable, Look::Wait)
    }

    /// Joins the fetch under way or starts one; `None` when the last one started too short a time ago.
    fn start(&self, state: &mut State, now: SystemTime) -> Option<watch::Receiver<()>> {
        if matches!(self.0.origin, Origin::Local(_)) {
            return None;
        }
        if let Some(fetch) = state.fetch.as_ref().filter(|fetch| fetch.has_changed().is_ok()) {
            return Some(fetch.clone());
        }
        if state.tried_at.and_then(|at| age(at, now)).is_some_and(|age| age < RETRY_AFTER) {
            return None;
        }
        let (under_way, fetch) = watch::channel(());
        state.tried_at = Some(now);
        state.fetch = Some(fetch.clone());
        // A task of its own: a caller that hangs up must not end the fetch that others wait for.
        let source = self.clone();
        tokio::spawn(async move {
            source.renew(now).await;
            drop(under_way);
        });
        Some(fetch)
    }

    async fn renew(&self, now: SystemTime) {
        let result = self.fetch().await;
        let mut state = self.lock();
        match result {
            Ok(published) => {
                if state.failure.take().is_some() {
                    tracing::info!(issuer = published.issuer, "the issuer's keys can be fetched again");
                }
                state.last = Some((Arc::new(published), now));
            }
            Err(error) => {
                let error = error.to_string();
                if state.failure.as_ref() != Some(&error) {
                    tracing::warn!(source = %self.0.origin, error, "cannot fetch the keys of an issuer");
                }
                state.failure = Some(error);
            }
        }
    }

    async fn fetch(&self) -> Result<Published, FetchError> {
        let fetcher = &self.0.fetcher;
        let (issuer, uri, provenance) = match &self.0.origin {
            Origin::Local(published) => return Err(FetchError::Local { issuer: published.issuer.clone() }),
            Origin::Jwks { issuer, uri } => (issuer.clone(), uri.clone(), Provenance::Operator),
            Origin::Discovery { url, asked } => {
                let document = fetcher.document(url, Provenance::Operator).await?;
                let found = discovery::read(&document, url, asked)
                    .map_err(|source| FetchError::Discovery { url: url.clone(), source })?;
                (found.issuer, found.jwks_uri, found.provenance)
            }
        };
        let document = fetcher.document(&uri, provenance).await?;
        let keys = KeySet::parse(&document).map_err(|source| FetchError::Keys { url: uri, source })?;
        Ok(Published { issuer, keys })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeySource").field(&self.0.origin).finish()
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(published) => f.write_str(&published.issuer),
            Self::Discovery { url, .. } => url.fmt(f),
            Self::Jwks { uri, .. } => uri.fmt(f),
        }
    }
}

async fn ended(mut fetch: watch::Receiver<()>) {
    // Nothing is ever sent: the only change is that the sender is gone.
    while fetch.changed().await.is_ok() {}
}

/// How long ago `then` was. Requests that arrive together may have slightly different times, so a little later than
/// now counts as now; much later means that the clock was set back, and the age is not known.
fn age(then: SystemTime, now: SystemTime) -> Option<Duration> {
    match now.duration_since(then) {
        Ok(age) => Some(age),
        Err(ahead) if ahead.duration() <= LEEWAY => Some(Duration::ZERO),
        Err(_) => None,
    }
}
