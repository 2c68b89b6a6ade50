//! A credential on its way to a server: HTTP headers that no log prints.

use std::collections::BTreeMap;

use config::Secret;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::BrokerError;

/// The headers to add to a request. Their values are marked sensitive: `Debug` does not show them and HTTP/2 does
/// not index them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential(Vec<(HeaderName, HeaderValue)>);

impl Credential {
    /// Puts the credential on a request, in the place of whatever had its names.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Whether the server gets no credential.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers, for a transport that cannot take a [`HeaderMap`].
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    pub(crate) fn fixed(headers: &BTreeMap<String, Secret>) -> Result<Self, BrokerError> {
        headers.iter().map(|(name, value)| header(name, value)).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn bearer(value: HeaderValue) -> Self {
        Self(vec![(http::header::AUTHORIZATION, value)])
    }
}

fn header(name: &str, Secret(value): &Secret) -> Result<(HeaderName, HeaderValue), BrokerError> {
    let refused = || BrokerError::Header { name: name.to_owned() };
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
    let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| refused())?;
    value.set_sensitive(true);
    Ok((parsed, value))
}
