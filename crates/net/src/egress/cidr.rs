//! An address range in CIDR notation (RFC 4632, RFC 4291 2.3).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses, or a single one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix_bits: u8,
}

/// The text is not `address/prefix-length` nor an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address range; write `10.0.0.0/8` or `fd00::/8`")]
pub struct InvalidCidr(pub String);

impl Cidr {
    /// Whether `address` lies in the range. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_prefix(u32::from(network).into(), u32::from(address).into(), 32 - self.prefix_bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(u128::from(network), u128::from(address), 128 - self.prefix_bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidCidr(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| invalid())?
            }
            Some(_) => return Err(invalid()),
            None => bits_max,
        };
        if prefix_bits > bits_max {
            return Err(invalid());
        }
        Ok(canonical(address, prefix_bits))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix_bits)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`: addresses are compared in their canonical form, so ranges must be too.
fn canonical(network: IpAddr, prefix_bits: u8) -> Cidr {
    match (network, prefix_bits.checked_sub(96)) {
        (IpAddr::V6(v6), Some(bits)) => match Ipv6Addr::to_ipv4_mapped(&v6) {
            Some(v4) => Cidr { network: IpAddr::V4(v4), prefix_bits: bits },
            None => Cidr { network, prefix_bits },
        },
        _ => Cidr { network, prefix_bits },
    }
}

fn same_prefix(a: u128, b: u128, host_bits: u8) -> bool {
    // A shift by the full width is not a shift; a prefix of 0 bits holds every address.
    (a ^ b).checked_shr(u32::from(host_bits)).unwrap_or(0) == 0
}
