//! Between libp2p's addresses and ids, and the bounded ones of core's messages.

use super::{Multiaddr, PeerId};
use camelid_core::job::PeerAddress;
use camelid_core::message::NetAddress;
use libp2p::multiaddr::Protocol;
use std::net::IpAddr;

/// The IP address at the start of a multiaddress.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(IpAddr::from(ip).to_canonical()),
        _ => None,
    }
}

/// An address as records have it: without the peer's id at its end.
pub(crate) fn net_address(address: &Multiaddr) -> Option<NetAddress> {
    let mut address = address.clone();
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    NetAddress::new(&address.to_vec())
}

/// The multiaddress of an address from a record.
pub(crate) fn multiaddr_of(address: &NetAddress) -> Option<Multiaddr> {
    Multiaddr::try_from(address.as_bytes().to_vec()).ok()
}

/// A peer's id in messages.
pub(crate) fn peer_address(peer: &PeerId) -> Option<PeerAddress> {
    PeerAddress::new(&peer.to_bytes())
}

/// libp2p's form of it.
pub(crate) fn peer_id(address: &PeerAddress) -> Option<PeerId> {
    PeerId::from_bytes(address.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use camelid_core::message::Transport;

    #[test]
    fn core_reads_what_libp2p_writes() {
        let hash = "uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g";
        let cases = [
            ("/ip4/1.2.3.4/tcp/5", Some(Transport::Tcp)),
            ("/ip6/2a00::1/tcp/5", Some(Transport::Tcp)),
            ("/ip4/1.2.3.4/udp/5/quic-v1", Some(Transport::Quic)),
            ("/ip4/1.2.3.4/tcp/5/ws", Some(Transport::WebSocket)),
            ("/ip4/1.2.3.4/tcp/5/tls/ws", Some(Transport::SecureWebSocket)),
            ("/dns4/a.example/tcp/5/wss", Some(Transport::SecureWebSocket)),
            ("/dns/a.example/tcp/5/tls/sni/a.example/ws", Some(Transport::SecureWebSocket)),
            (&format!("/ip4/1.2.3.4/udp/5/webrtc-direct/certhash/{hash}"), Some(Transport::WebRtcDirect)),
            ("/ip4/1.2.3.4/udp/5", None),
            ("/ip4/1.2.3.4/tcp/5/http", None),
            ("/memory/5", None),
        ];
        for (text, transport) in cases {
            let multiaddr: Multiaddr = text.parse().unwrap();
            let address = net_address(&multiaddr).unwrap();
            let endpoint = address.endpoint();
            assert_eq!(endpoint.as_ref().map(|e| e.transport), transport, "{text}");
            assert_eq!(endpoint.and_then(|e| e.ip()), transport.and_then(|_| ip_of(&multiaddr)), "{text}");
            assert_eq!(multiaddr_of(&address), Some(multiaddr));
        }
        let peer = PeerId::random();
        let with_id: Multiaddr = format!("/ip4/1.2.3.4/tcp/5/p2p/{peer}").parse().unwrap();
        assert_eq!(net_address(&with_id), net_address(&"/ip4/1.2.3.4/tcp/5".parse().unwrap()));
        assert_eq!(ip_of(&"/ip6/::ffff:1.2.3.4/tcp/5".parse().unwrap()), Some("1.2.3.4".parse().unwrap()));
        assert_eq!(peer_id(&peer_address(&peer).unwrap()), Some(peer));
    }
}
