//! Where a server may send a person (MCP 2025-11-25, URL mode elicitation).
//!
//! Looks at the text only: nothing is resolved and nothing is fetched. What is refused is what a browser would run, what
//! hides where it leads, and what leads into the person's own network, unless the operator allows that.

use std::net::{IpAddr, Ipv6Addr};

use config::Rule;
use url::{Host, Url};

#[cfg(test)]
mod tests;

const BYTES_MAX: usize = 8 * 1024;

/// Whether `text` is an address that a person may be sent to.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(text: &str, private: Rule) -> Result<(), &'static str> {
    if text.len() > BYTES_MAX {
        return Err("it is too long");
    }
    if text.chars().any(|letter| letter.is_control() || letter.is_whitespace() || letter == '\\') {
        return Err("it has characters that no address has");
    }
    let url = Url::parse(text).map_err(|_| "it is not an address")?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("it leads to something else than a page");
    }
    let authority = text.split_once("://").map(|(_, rest)| rest).ok_or("it is not an address")?;
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it names a user, which hides where it leads");
    }
    match (reach(&url), url.scheme(), private) {
        (Reach::Forbidden, ..) => Err("it leads to no host"),
        (Reach::Private, _, Rule::Refuse) => {
            Err("it leads to a loopback or private address (`private_urls: allow` lets it pass)")
        }
        (Reach::Public, "http", _) => Err("it is not https"),
        _ => Ok(()),
    }
}

enum Reach {
    Public,
    /// The person's own machine or network.
    Private,
    /// Link-local, where clouds keep their credentials, and what is no host at all.
    Forbidden,
}

fn reach(url: &Url) -> Reach {
    match url.host() {
        None => Reach::Forbidden,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name == "localhost" || name.ends_with(".localhost") { Reach::Private } else { Reach::Public }
        }
        Some(Host::Ipv4(address)) => reach_of(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => reach_of(embedded(address)),
    }
}

fn reach_of(address: IpAddr) -> Reach {
    let (private, link_local) = match address {
        IpAddr::V4(address) => (address.is_private(), address.is_link_local() || address.is_broadcast()),
        IpAddr::V6(address) => (address.is_unique_local(), address.is_unicast_link_local()),
    };
    if link_local || address.is_unspecified() || address.is_multicast() {
        Reach::Forbidden
    } else if private || address.is_loopback() {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// The IPv4 address that an IPv6 one stands for, where it does.
fn embedded(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}
