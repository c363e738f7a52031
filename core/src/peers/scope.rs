//! From where an IP address can be dialled, and which addresses are likely one owner's.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From where an address can be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// From the same machine.
    Loopback,
    /// From the same local network.
    Private,
    /// From anywhere.
    Global,
}

impl Scope {
    /// The scope of an address; `None` where nobody listens: unspecified, multicast, broadcast, reserved, documentation.
    pub fn of(ip: IpAddr) -> Option<Scope> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => scope4(ip),
            IpAddr::V6(ip) => scope6(ip),
        }
    }
}

fn scope4(ip: Ipv4Addr) -> Option<Scope> {
    let [a, b, ..] = ip.octets();
    if a == 0 || a >= 224 || ip.is_documentation() {
        None
    } else if ip.is_loopback() {
        Some(Scope::Loopback)
    // 100.64/10 is a provider's own network; 169.254/16 a cable without anybody who gives addresses.
    } else if ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64) {
        Some(Scope::Private)
    } else {
        Some(Scope::Global)
    }
}

fn scope6(ip: Ipv6Addr) -> Option<Scope> {
    let [first, second, ..] = ip.segments();
    if ip.is_unspecified() || ip.is_multicast() || (first == 0x2001 && second == 0xdb8) {
        None
    } else if ip.is_loopback() {
        Some(Scope::Loopback)
    } else if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 {
        Some(Scope::Private)
    // The rest of what was ever given out: 2000::/3.
    } else if first & 0xe000 == 0x2000 {
        Some(Scope::Global)
    } else {
        None
    }
}

/// Whether an address of this scope is of use between two peers, where one sees the other at `seen`. "A loopback address
/// counts between peers of one machine, a private one between peers of one machine or local network."
pub fn may_tell(address: Scope, seen: IpAddr) -> bool {
    match (address, Scope::of(seen)) {
        (Scope::Global, _) => true,
        (Scope::Private, Some(seen)) => seen <= Scope::Private,
        (Scope::Loopback, Some(seen)) => seen == Scope::Loopback,
        (_, None) => false,
    }
}

/// Addresses that are likely one owner's: one who rents a network has all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub(super) Vec<u8>);

impl Group {
    /// The most bytes of a group.
    pub(super) const MAX_BYTES: usize = 19;

    /// The network of a public address: /16 for IPv4, /32 for IPv6. Another address is a group of its own.
    pub fn of(ip: IpAddr) -> Group {
        let (ip, global) = (ip.to_canonical(), Scope::of(ip) == Some(Scope::Global));
        Group(match ip {
            IpAddr::V4(ip) => ip.octets()[..if global { 2 } else { 4 }].to_vec(),
            IpAddr::V6(ip) => {
                let mut bytes = alloc::vec![6];
                bytes.extend(&ip.octets()[..if global { 4 } else { 16 }]);
                bytes
            }
        })
    }

    /// The same, where the machines of a local network, and the programs of one machine, count as so many owners: a
    /// development network runs on one machine.
    pub fn of_port(ip: IpAddr, port: u16) -> Group {
        let mut group = Group::of(ip);
        if Scope::of(ip) != Some(Scope::Global) {
            group.0.extend(port.to_be_bytes());
        }
        group
    }
}
