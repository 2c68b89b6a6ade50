//! From a discovery URL to an issuer and the place of its keys (OpenID Connect Discovery 1.0 §4, RFC 8414 §3).

use net::Provenance;
use serde::Deserialize;
use url::Url;

const WELL_KNOWN: [&str; 2] =
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

/// What is read of a discovery document.
pub(crate) struct Discovered {
    pub(crate) issuer: String,
    pub(crate) jwks_uri: Url,
    /// How far the `jwks_uri` may reach.
    pub(crate) provenance: Provenance,
}

/// A discovery document that does not speak for the issuer it was asked about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("it is not a discovery document with `issuer` and `jwks_uri`")]
    NotADocument,
    #[error(
        "it is the document of `{found}` and was asked for that of `{asked}`: \
         where that is right, write `issuer` and `jwks_uri` out instead of `discovery_url`"
    )]
    Issuer { found: String, asked: String },
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// The issuer a discovery URL asks about, without a trailing slash: the URL without its well-known part, which is
/// appended (OpenID Connect) or inserted after the host (RFC 8414). `None` for any other URL.
pub(crate) fn issuer_of(url: &Url) -> Option<String> {
    if url.query().is_some() || url.fragment().is_some() {
        return None;
    }
    WELL_KNOWN.iter().find_map(|part| {
        let (before, after) = url.as_str().split_once(part)?;
        let whole = after.is_empty() || after.starts_with('/');
        whole.then(|| format!("{before}{after}").trim_end_matches('/').to_owned())
    })
}

/// Reads the document found at `url`, which was derived from `asked` or the other way round.
///
/// The issuer must be the one that was asked for; whether it ends in a slash is for the document to say. Keys on
/// the origin the operator named may be as private as that origin. Keys anywhere else were learned.
pub(crate) fn read(document: &[u8], url: &Url, asked: &str) -> Result<Discovered, DiscoveryError> {
    let Document { issuer, jwks_uri } =
        serde_json::from_slice(document).map_err(|_| DiscoveryError::NotADocument)?;
    let jwks_uri: Url = jwks_uri.parse().map_err(|_| DiscoveryError::NotADocument)?;
    if issuer.strip_suffix('/').unwrap_or(&issuer) != asked {
        return Err(DiscoveryError::Issuer { found: issuer, asked: asked.to_owned() });
    }
    let same_origin = jwks_uri.origin() == url.origin();
    let provenance = if same_origin { Provenance::Operator } else { Provenance::Learned };
    Ok(Discovered { issuer, jwks_uri, provenance })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_the_url_without_its_well_known_part() {
        for (url, issuer) in [
            ("https://idp.example/.well-known/openid-configuration", "https://idp.example"),
            (
                "https://idp.example/realms/corp/.well-known/openid-configuration",
                "https://idp.example/realms/corp",
            ),
            ("https://idp.example/.well-known/oauth-authorization-server/corp", "https://idp.example/corp"),
            ("http://127.0.0.1:8080/.well-known/oauth-authorization-server", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(issuer_of(&url.parse().unwrap()).as_deref(), Some(issuer));
        }
        for url in [
            "https://idp.example/",
            "https://idp.example/.well-known/openid-configurations",
            "https://idp.example/.well-known/openid-configuration?tenant=1",
        ] {
            assert_eq!(issuer_of(&url.parse().unwrap()), None);
        }
    }

    #[test]
    fn only_the_document_of_the_issuer_asked_for_is_believed() {
        let url = "https://idp.example/.well-known/openid-configuration".parse().unwrap();
        let read = |issuer: &str, jwks_uri: &str| {
            let document = serde_json::json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
            read(document.as_bytes(), &url, "https://idp.example")
        };
        let own = read("https://idp.example/", "https://idp.example/keys").unwrap();
        assert_eq!((own.issuer.as_str(), own.provenance), ("https://idp.example/", Provenance::Operator));
        let elsewhere = read("https://idp.example", "https://keys.example/keys").unwrap();
        assert_eq!(elsewhere.provenance, Provenance::Learned);
        for other in [
            "https://evil.example",
            "https://idp.example//",
            "https://idp.example.evil",
            "http://idp.example",
        ] {
            assert!(
                matches!(read(other, "https://idp.example/keys"), Err(DiscoveryError::Issuer { .. })),
                "{other}"
            );
        }
        assert!(matches!(read("https://idp.example", "no url"), Err(DiscoveryError::NotADocument)));
    }
}
