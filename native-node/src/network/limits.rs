//! What peers may ask of us, and how many of them there may be.

use camelid_core::peers::{Group, Scope};
use camelid_core::units::Network;
use std::net::IpAddr;
use std::time::Duration;

/// Which addresses the limits by address and subnet leave alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// Loopback and private ones: a development network runs on one machine or in one room.
    Free,
    /// Loopback ones: a proxy on this machine may stand before many.
    LoopbackFree,
    /// None.
    Limited,
}

impl Local {
    /// Whether an address is left alone.
    pub fn is_free(self, ip: IpAddr) -> bool {
        match (self, Scope::of(ip)) {
            (Local::Free, scope) => matches!(scope, Some(Scope::Loopback | Scope::Private)),
            (Local::LoopbackFree, scope) => scope == Some(Scope::Loopback),
            (Local::Limited, _) => false,
        }
    }

    /// The network in which a peer counts as one of the same owner.
    pub(super) fn group(self, ip: IpAddr, port: u16) -> Group {
        if self.is_free(ip) { Group::of_port(ip, port) } else { Group::of(ip) }
    }
}

/// What a peer may ask of us, what happens when it misbehaves, and how many peers there are.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, in both directions.
    pub max_peers: usize,
    /// Peers to dial and to stay connected to, the configured ones counted; 0 for those alone.
    pub outbound: usize,
    /// Peers in one network (/16 for IPv4, /32 for IPv6) that we dial.
    pub outbound_per_subnet: usize,
    /// Connections from one address (for IPv6: from one /64).
    pub per_address: usize,
    /// Connections from one network.
    pub per_subnet: usize,
    /// Whom the last three do not concern.
    pub local: Local,
    /// How often a peer that was only heard of is dialled, to see whether it is there.
    pub feeler: Duration,
    /// Requests a second that a peer may make over time.
    pub requests_per_second: u32,
    /// Requests that a peer may make at once.
    pub request_burst: u32,
    /// How long a banned peer stays banned.
    pub ban: Duration,
    /// Events that may wait for the node before newer ones are dropped.
    pub event_queue: usize,
}

impl Limits {
    /// The usual limits of a network.
    pub fn of(network: Network) -> Self {
        let local = match network {
            Network::Main | Network::Test => Local::LoopbackFree,
            Network::Dev => Local::Free,
        };
        Limits {
            max_peers: 64,
            outbound: 8,
            outbound_per_subnet: 1,
            // Several browsers of one house.
            per_address: 6,
            per_subnet: 16,
            local,
            feeler: Duration::from_secs(120),
            requests_per_second: 100,
            request_burst: 400,
            // A day; on the development network one tries again soon.
            ban: Duration::from_secs(if network == Network::Dev { 600 } else { 24 * 3600 }),
            event_queue: 1024,
        }
    }

    /// Connections that others may open: a quarter of the places is kept for peers that we chose.
    pub(super) fn inbound(&self) -> usize {
        self.max_peers - self.max_peers / 4
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::of(Network::Dev)
    }
}
