//! All issuers that gateways accept tokens of, so that gateways and configuration revisions share keys and fetches.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use config::Issuer;
use net::Client;

use crate::discovery;
use crate::error::IdentityError;
use crate::fetch::Fetcher;
use crate::jwk::KeySet;
use crate::key_source::{KeySource, Origin, Published};

/// The key sources of a process. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct KeySources(Arc<Sources>);

#[derive(Debug)]
struct Sources {
    fetcher: Fetcher,
    dev: Option<KeySource>,
    remote: Mutex<Vec<(Issuer, KeySource)>>,
}

/// An issuer inside this process, whose keys are handed over instead of fetched.
#[derive(Clone, Debug)]
pub struct LocalIssuer {
    published: Arc<Published>,
}

/// Whether the tokens of one issuer can be verified, for `/readyz` and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// The issuer, as exactly as it is known.
    pub issuer: String,
    /// Whether its tokens can be verified now.
    pub usable: bool,
    /// Why the latest fetch of its keys failed.
    pub failure: Option<String>,
}

impl LocalIssuer {
    /// The issuer with this exact `iss` and this JWK set.
    ///
    /// # Errors
    /// The set has no usable key.
    pub fn new(issuer: impl Into<String>, jwk_set: &serde_json::Value) -> Result<Self, IdentityError> {
        let issuer = issuer.into();
        match KeySet::parse(jwk_set.to_string().as_bytes()) {
            Ok(keys) => Ok(Self { published: Arc::new(Published { issuer, keys }) }),
            Err(_) => Err(IdentityError::LocalKeys { issuer }),
        }
    }
}

impl KeySources {
    /// No sources yet. `operator` and `learned` are the clients for the URLs of the configuration and for those
    /// found in discovery documents; `dev` is the embedded development issuer where it runs.
    #[must_use]
    pub fn new(operator: Client, learned: Client, dev: Option<LocalIssuer>) -> Self {
        let fetcher = Fetcher::new(operator, learned);
        let dev = dev.map(|dev| KeySource::new(Origin::Local(dev.published), fetcher.clone()));
        Self(Arc::new(Sources { fetcher, dev, remote: Mutex::default() }))
    }

    /// Forgets the issuers that are not among `issuers`: after a reload, what nobody names any more.
    pub fn retain(&self, issuers: &[&Issuer]) {
        self.lock().retain(|(known, _)| issuers.contains(&known));
    }

    /// Starts to fetch the keys that are not there yet, so that the first request does not wait for them.
    /// Returns at once; has to be called inside a tokio runtime.
    pub fn warm_up(&self, now: SystemTime) {
        for (_, source) in self.lock().iter() {
            // Looking is enough: what is missing is fetched by a task of its own.
            let _at_hand = source.at_hand(now);
        }
    }

    /// Each issuer in the order of first use.
    #[must_use]
    pub fn status(&self, now: SystemTime) -> Vec<KeyStatus> {
        let sources: Vec<KeySource> = self.lock().iter().map(|(_, source)| source.clone()).collect();
        let status = |source: KeySource| {
            let (usable, failure) = source.status(now);
            KeyStatus { issuer: source.issuer(), usable, failure }
        };
        sources.into_iter().map(status).collect()
    }

    /// The source for a configured issuer, the same one each time.
    pub(crate) fn source(&self, issuer: &Issuer) -> Result<KeySource, IdentityError> {
        let origin = match issuer {
            Issuer::Dev => return self.0.dev.clone().ok_or(IdentityError::NoDevIssuer),
            Issuer::Discovery(url) => {
                let asked = discovery::issuer_of(url);
                let asked = asked.ok_or_else(|| IdentityError::DiscoveryUrl { url: url.clone() })?;
                Origin::Discovery { url: url.clone(), asked }
            }
            Issuer::Jwks { issuer, jwks_uri } => {
                Origin::Jwks { issuer: issuer.clone(), uri: jwks_uri.clone() }
            }
        };
        let mut remote = self.lock();
        if let Some((_, source)) = remote.iter().find(|(known, _)| known == issuer) {
            return Ok(source.clone());
        }
        let source = KeySource::new(origin, self.0.fetcher.clone());
        remote.push((issuer.clone(), source.clone()));
        Ok(source)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Issuer, KeySource)>> {
        self.0.remote.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
