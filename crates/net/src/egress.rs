//! The egress guard: which addresses the gateway may open a connection to.
//!
//! It judges addresses, not names: the check happens on each resolved address, and the connection goes to the address
//! that was checked. A URL the operator wrote may lead into the private network; one learned from a server, a token or
//! a document may not, unless `egress.allow` names it. Link-local addresses and cloud metadata services are refused
//! to both, always, because a request there hands out the machine's own credentials.

mod cidr;
mod class;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use url::{Host, Url};

pub use cidr::{Cidr, InvalidCidr};
pub use class::AddressClass;

/// Where a URL came from, which decides how far it may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// The operator wrote it into the configuration.
    Operator,
    /// It was learned from a server, a token or a document.
    Learned,
}

/// Why a connection was not attempted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The address is of a class this kind of URL may not reach.
    #[error("{address} is {class}; {}", way_on(*class, *provenance))]
    Address {
        /// The address after resolution.
        address: IpAddr,
        /// What kind of address it is.
        class: AddressClass,
        /// Where the URL came from.
        provenance: Provenance,
    },
    /// A learned URL that is not https.
    #[error(
        "`{host}` was learned and is not https; only https is followed unless `egress.allow` names the host"
    )]
    NotHttps {
        /// The host of the URL.
        host: String,
    },
    /// A scheme other than http and https, no host, or credentials inside the URL.
    #[error("the URL must be http or https, name a host and carry no user or password")]
    Url,
}

impl Denied {
    /// The class of the refused address, when an address was what was refused.
    #[must_use]
    pub fn class(&self) -> Option<AddressClass> {
        match self {
            Self::Address { class, .. } => Some(*class),
            Self::NotHttps { .. } | Self::Url => None,
        }
    }
}

/// One entry of `egress.allow` that is neither a host name nor a CIDR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a host name (`idp.corp.example`) nor an address range (`10.0.0.0/8`)")]
pub struct InvalidAllow(pub String);

/// The guard. Cheap to clone.
#[derive(Clone, Default)]
pub struct Guard(Arc<Allowed>);

#[derive(Debug, Default)]
struct Allowed {
    hosts: Vec<String>,
    ranges: Vec<Cidr>,
}

impl Guard {
    /// A guard that lets learned URLs reach what `allow` names: host names (exact, without regard to case), addresses and
    /// CIDRs.
    ///
    /// # Errors
    /// [`InvalidAllow`] for the first entry that is neither.
    pub fn new<I, S>(allow: I) -> Result<Self, InvalidAllow>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let mut allowed = Allowed::default();
        for entry in allow {
            let entry = entry.as_ref().trim();
            if let Ok(range) = entry.parse() {
                allowed.ranges.push(range);
            } else {
                match Host::parse(entry) {
                    Ok(Host::Domain(name)) => allowed.hosts.push(normal(&name)),
                    _ => return Err(InvalidAllow(entry.to_owned())),
                }
            }
        }
        Ok(Self(Arc::new(allowed)))
    }

    /// Judges one resolved address.
    ///
    /// # Errors
    /// [`Denied::Address`] with the class of the address.
    pub fn check(&self, address: IpAddr, provenance: Provenance) -> Result<(), Denied> {
        let class = AddressClass::of(address);
        if class.open_to(provenance) || (!class.never() && self.0.ranges.iter().any(|r| r.contains(address)))
        {
            return Ok(());
        }
        Err(Denied::Address { address, class, provenance })
    }

    /// Judges one address that `host` resolved to; a host named in `egress.allow` may reach what the operator may.
    ///
    /// # Errors
    /// [`Denied::Address`] with the class of the address.
    pub fn check_resolved(&self, host: &str, address: IpAddr, provenance: Provenance) -> Result<(), Denied> {
        let provenance = if self.allows_host(host) { Provenance::Operator } else { provenance };
        self.check(address, provenance)
    }

    /// Judges what can be judged of a URL before it is resolved: scheme, credentials, and a literal address in any of
    /// the spellings a URL parser takes (`127.1`, `0x7f.1`, `[::ffff:a9fe:a9fe]`).
    ///
    /// # Errors
    /// Each variant of [`Denied`].
    pub fn check_url(&self, url: &Url, provenance: Provenance) -> Result<(), Denied> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Denied::Url);
        }
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(Denied::Url),
        };
        let host = url.host().ok_or(Denied::Url)?;
        let address = match &host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        };
        let host = url.host_str().unwrap_or_default();
        self.check_scheme(https, host, provenance)?;
        address.map_or(Ok(()), |address| self.check(address, provenance))
    }

    /// Refuses cleartext to a learned host that `egress.allow` does not name.
    pub(crate) fn check_scheme(&self, https: bool, host: &str, provenance: Provenance) -> Result<(), Denied> {
        if https || provenance == Provenance::Operator || self.allows_host(host) || self.allows_literal(host)
        {
            Ok(())
        } else {
            Err(Denied::NotHttps { host: host.to_owned() })
        }
    }

    fn allows_host(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.0.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    fn allows_literal(&self, host: &str) -> bool {
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        literal.parse().is_ok_and(|address: IpAddr| self.0.ranges.iter().any(|range| range.contains(address)))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn way_on(class: AddressClass, provenance: Provenance) -> &'static str {
    match (class.never(), provenance) {
        (true, _) => "the gateway never connects there",
        (false, Provenance::Learned) => {
            "a URL that was learned may reach public addresses only; name the host or the range in `egress.allow` to permit it"
        }
        (false, Provenance::Operator) => "write the address of a single host",
    }
}
