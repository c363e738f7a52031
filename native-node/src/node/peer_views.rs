//! Peers, the address book and reachability as the API shows them.

use super::reach::{Reach, Reachable, ports};
use crate::api::ApiError;
use crate::api::types::{BanView, BookView, PeerView, ReachView, ReachedView};
use crate::network::netaddr::multiaddr_of;
use crate::network::{Banned, BannedError, Multiaddr, NetworkHandle, PeerInfo};
use camelid_core::units::Height;
use std::time::UNIX_EPOCH;

/// A connected peer, and the height it last told.
pub(super) fn peer(info: &PeerInfo, height: Option<Height>) -> PeerView {
    PeerView {
        peer: info.peer.to_string(),
        address: info.address.to_string(),
        direction: format!("{:?}", info.direction).to_lowercase(),
        agent: info.agent.clone(),
        services: info.services.names().map(Into::into).collect(),
        ping_ms: info.ping.map(|ping| u32::try_from(ping.as_millis()).unwrap_or(u32::MAX)),
        score: info.score,
        connected_since: info.connected_since.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        height: height.map(|h| h.0),
    }
}

/// The address book and the bans.
pub(super) fn book(network: &NetworkHandle) -> BookView {
    let size = network.book_size();
    let ban =
        |ban: crate::network::Ban| BanView { who: ban.who.to_string(), until: ban.until.as_secs(), reason: ban.reason };
    BookView { met: size.met as u32, heard: size.heard as u32, bans: network.bans().into_iter().map(ban).collect() }
}

/// Who is to be banned, by the text that the caller gave.
pub(super) fn banned(who: &str) -> Result<Banned, ApiError> {
    who.parse().map_err(|e: BannedError| ApiError::bad_request(e.to_string()))
}

/// Whether others can dial this node.
pub(super) fn reach(reach: &Reach, listen: &[Multiaddr]) -> ReachView {
    let reachable = match reach.verdict() {
        _ if listen.is_empty() => "does not listen",
        Reachable::Unknown => "unknown",
        Reachable::No => "no",
        Reachable::Yes => "yes",
    };
    let dialled = reach.tallies().filter_map(|(address, tally)| {
        Some(ReachedView {
            address: multiaddr_of(address)?.to_string(),
            transport: address.endpoint()?.transport.name().into(),
            reached: tally.yes,
            not_reached: tally.no,
        })
    });
    ReachView { reachable: reachable.into(), addresses: dialled.collect(), ports: ports(listen) }
}
