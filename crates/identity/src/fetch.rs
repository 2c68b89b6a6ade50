//! Fetches the documents that issuers publish, small and in time or not at all.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use net::{Client, Provenance};
use url::Url;

use crate::discovery::DiscoveryError;
use crate::jwk::KeySetError;

/// A discovery document or key set, in bytes.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// From the connection to the last byte.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why an issuer's keys are not there. Goes to the log and to `/readyz`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("cannot fetch {url}: {reason}")]
    Http { url: Url, reason: String },
    #[error("cannot use the document at {url}: {source}")]
    Discovery { url: Url, source: DiscoveryError },
    #[error("cannot use the document at {url}: {source}")]
    Keys { url: Url, source: KeySetError },
    #[error("the keys of the embedded issuer {issuer} are not fetched")]
    Local { issuer: String },
}

/// Fetches with the client that fits where a URL came from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fetcher {
    operator: Client,
    learned: Client,
}

impl Fetcher {
    pub(crate) fn new(operator: Client, learned: Client) -> Self {
        Self { operator, learned }
    }

    /// The body of a 200 answer to a GET. Redirects are not followed.
    pub(crate) async fn document(&self, url: &Url, provenance: Provenance) -> Result<Bytes, FetchError> {
        let client = match provenance {
            Provenance::Operator => &self.operator,
            Provenance::Learned => &self.learned,
        };
        client
            .get_bounded(url.as_str(), DOCUMENT_BYTES_MAX, FETCH_TIMEOUT)
            .await
            .map_err(|error| FetchError::Http { url: url.clone(), reason: with_causes(&error) })
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

/// The text is kept and shown later, so it has to hold the whole chain.
fn with_causes(error: &dyn Error) -> String {
    std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
