//! What kind of address an address is (the IANA special-purpose registries, RFC 6890, and the metadata services of
//! the clouds). An address that carries an IPv4 address inside is judged by the one inside.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Provenance;

/// The kind of an address, as far as the guard cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Reachable from the whole internet.
    Public,
    /// This machine.
    Loopback,
    /// RFC 1918 or unique local IPv6.
    Private,
    /// Carrier-grade NAT, RFC 6598.
    Shared,
    /// Set aside for documentation or benchmarks, or not assigned.
    Reserved,
    /// No single host: multicast or broadcast.
    Multicast,
    /// `0.0.0.0` or `::`, which means this machine to many systems.
    Unspecified,
    /// This network segment only.
    LinkLocal,
    /// A service that hands out the machine's own credentials.
    Metadata,
}

impl AddressClass {
    /// Judges an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Whether URLs of this provenance may reach it without being named in `egress.allow`.
    #[must_use]
    pub fn open_to(self, provenance: Provenance) -> bool {
        match provenance {
            Provenance::Learned => self == Self::Public,
            Provenance::Operator => !self.never(),
        }
    }

    /// Whether nothing, not even `egress.allow`, opens it.
    #[must_use]
    pub fn never(self) -> bool {
        matches!(self, Self::Multicast | Self::Unspecified | Self::LinkLocal | Self::Metadata)
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Shared => "a carrier-grade NAT address",
            Self::Reserved => "a reserved address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Unspecified => "the unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a cloud metadata service",
        })
    }
}

fn of_v4(address: Ipv4Addr) -> AddressClass {
    match address.octets() {
        // EC2, Azure, GCP and others; Alibaba; the wire server of Azure; Oracle.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => {
            AddressClass::Metadata
        }
        [0, ..] => AddressClass::Unspecified,
        [127, ..] => AddressClass::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressClass::Private,
        [169, 254, ..] => AddressClass::LinkLocal,
        [100, 64..=127, ..] => AddressClass::Shared,
        [224..=239, ..] | [255, 255, 255, 255] => AddressClass::Multicast,
        // Protocol assignments, documentation, the old 6to4 relay, benchmarks, the former class E.
        [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [240..=255, ..] => AddressClass::Reserved,
        _ => AddressClass::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressClass {
    if let Some(inner) = embedded_v4(address) {
        return of_v4(inner);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // EC2 and its pod identity agent; GCP.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254] => {
            AddressClass::Metadata
        }
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        // Unique local, the old site-local, and the local-use NAT64 prefix (RFC 8215).
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => AddressClass::Private,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        // Inside 2000::/3: protocol assignments (RFC 2928) and the two documentation ranges.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressClass::Reserved,
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

/// The IPv4 address inside a transition address, which is where the packet ends up.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        // IPv4-compatible (RFC 4291), mapped, translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => (high, low),
        // Teredo (RFC 4380) stores the client's address inverted.
        [0x2001, 0, _, _, _, _, high, low] => (!high, !low),
        _ => return None,
    };
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Some(Ipv4Addr::new(a, b, c, d))
}
