//! Where a server may send a person (MCP 2025-11-25, URL mode elicitation).
//!
//! Looks at the text only: nothing is resolved and nothing is fetched. What is refused is what a browser would run, what
//! hides where it leads, and what leads into the person's own network, unless the operator allows that.

use config::Rule;
use net::egress::AddressClass;
use url::{Host, Url};

#[cfg(test)]
mod tests;

const BYTES_MAX: usize = 8 * 1024;
/// Under which clouds serve a machine's own credentials.
const METADATA_NAMES: [&str; 5] =
    ["metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal"];
/// Top-level names that the public DNS does not know, which lead to whatever the person's own network says (RFC 6761, RFC 6762,
/// RFC 8375, and what ICANN set aside).
const LOCAL_NAMES: [&str; 10] =
    ["local", "localdomain", "internal", "intranet", "private", "lan", "home", "corp", "home.arpa", "test"];

/// Whether `text` is an address that a person may be sent to.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(text: &str, private: Rule) -> Result<(), &'static str> {
    if text.len() > BYTES_MAX {
        return Err("it is too long");
    }
    // RFC 3986: an address is ASCII. What looks like it, or like nothing, would be read away, or read as something else.
    if !text.bytes().all(|letter| letter.is_ascii_graphic() && letter != b'\\') {
        return Err("it has characters that no address has");
    }
    let url = Url::parse(text).map_err(|_| "it is not an address")?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("it leads to something else than a page");
    }
    // A browser takes any number of slashes for two; a person, and other programs, do not.
    let (_, rest) = text.split_once("://").ok_or("it is not an address")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err("it is not an address");
    }
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err("it names a user, which hides where it leads");
    }
    match (class(&url), url.scheme(), private) {
        (None, ..) => Err("it leads to no host"),
        (Some(class), ..) if class.never() => Err("it leads to no host"),
        (Some(AddressClass::Public), "http", _) => Err("it is not https"),
        (Some(AddressClass::Public), ..) | (_, _, Rule::Allow) => Ok(()),
        (_, _, Rule::Refuse) => {
            Err("it leads to a loopback or private address (`private_urls: allow` lets it pass)")
        }
    }
}

/// What kind of address it leads to, as far as its text says; `None`: to none.
fn class(url: &Url) -> Option<AddressClass> {
    Some(match url.host()? {
        Host::Ipv4(address) => AddressClass::of(address.into()),
        Host::Ipv6(address) => AddressClass::of(address.into()),
        Host::Domain(name) => named(name.trim_end_matches('.')),
    })
}

fn named(name: &str) -> AddressClass {
    let below = |top: &str| name.strip_suffix(top).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if METADATA_NAMES.contains(&name) {
        AddressClass::Metadata
    } else if below("localhost") {
        AddressClass::Loopback
    } else if !name.contains('.') || LOCAL_NAMES.into_iter().any(below) {
        AddressClass::Private
    } else {
        AddressClass::Public
    }
}
