//! OAuth 2.0 protected-resource metadata (RFC 9728): where it is, and what it says.

use bytes::Bytes;
use serde::Serialize;
use url::Url;

/// The path of the metadata, before the resource's own path is appended (RFC 9728 §3.1). The document of a
/// server with one resource may be asked for here as well.
pub const METADATA_ROOT: &str = "/.well-known/oauth-protected-resource";

/// One URL under which a gateway is reached, and where its metadata is.
///
/// A gateway reached under two URLs is two resources to OAuth clients: they refuse a document whose `resource`
/// is not the URL they use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    url: String,
    metadata_url: String,
    metadata_path: String,
}

/// The document.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    pub(crate) resource: &'a str,
    pub(crate) authorization_servers: Vec<String>,
    pub(crate) bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) scopes_supported: &'a [String],
    pub(crate) resource_name: &'a str,
}

impl Resource {
    /// The resource at this URL, which is its identifier (`aud`) as it stands, but for a trailing slash.
    #[must_use]
    pub fn new(url: &Url) -> Self {
        let metadata_path = format!("{METADATA_ROOT}{}", url.path().trim_end_matches('/'));
        let mut metadata_url = url.clone();
        metadata_url.set_path(&metadata_path);
        metadata_url.set_query(None);
        metadata_url.set_fragment(None);
        Self {
            url: url.as_str().trim_end_matches('/').to_owned(),
            metadata_url: metadata_url.into(),
            metadata_path,
        }
    }

    /// The resource identifier.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The absolute URL of the metadata, for `WWW-Authenticate`.
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// The path the metadata is served at: [`METADATA_ROOT`] followed by the resource's path.
    #[must_use]
    pub fn metadata_path(&self) -> &str {
        &self.metadata_path
    }
}

impl Document<'_> {
    pub(crate) fn to_bytes(&self) -> Bytes {
        // Strings and lists of strings always serialize.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_goes_between_host_and_path() {
        for (url, resource, path) in [
            ("https://h/corp/mcp", "https://h/corp/mcp", "/.well-known/oauth-protected-resource/corp/mcp"),
            (
                "http://127.0.0.1:8642/mcp",
                "http://127.0.0.1:8642/mcp",
                "/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "https://h/base/corp/mcp/",
                "https://h/base/corp/mcp",
                "/.well-known/oauth-protected-resource/base/corp/mcp",
            ),
            ("https://h", "https://h", "/.well-known/oauth-protected-resource"),
        ] {
            let found = Resource::new(&url.parse().unwrap());
            assert_eq!(found.url(), resource);
            assert_eq!(found.metadata_path(), path);
            assert!(found.metadata_url().ends_with(path), "{found:?}");
        }
    }
}
