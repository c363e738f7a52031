//! Which of a node's addresses a browser can dial.

use crate::api::host::Host;
use crate::network::{Multiaddr, TransportKind, socket_address};
use libp2p::multiaddr::Protocol;
use std::net::IpAddr;

/// What browsers speak, the first to try first.
const TRANSPORTS: [TransportKind; 3] =
    [TransportKind::WebRtc, TransportKind::SecureWebSocket, TransportKind::WebSocket];

/// Of the addresses on which a node listens, those that a browser can dial which opened the page at `host`. For each
/// transport: the very address of the page where the node listens there, else all that lie in the same place, this
/// machine or the network. The node's own machine reaches the network's addresses too, where there are no others.
pub(super) fn for_browser(listen: &[Multiaddr], host: &Host) -> Vec<Multiaddr> {
    TRANSPORTS.into_iter().flat_map(|transport| of_transport(listen, host, transport)).collect()
}

fn of_transport(listen: &[Multiaddr], host: &Host, transport: TransportKind) -> Vec<Multiaddr> {
    let all = listen.iter().filter(|address| TransportKind::of(address) == Some(transport));
    if transport == TransportKind::SecureWebSocket {
        // Its certificate is for a name.
        let Host::Name(name) = host else { return Vec::new() };
        let mut named: Vec<_> = all.map(|address| with_name(address, name)).collect();
        named.dedup();
        return named;
    }
    let near: Vec<_> =
        all.filter_map(|address| Some((nearness(socket_address(address)?.ip(), host)?, address))).collect();
    let best = near.iter().map(|(near, _)| *near).max();
    near.into_iter().filter(|(near, _)| Some(*near) == best).map(|(_, address)| address.clone()).collect()
}

/// The greater the better; `None` for what cannot be reached.
fn nearness(ip: IpAddr, host: &Host) -> Option<u8> {
    match host {
        Host::Ip(asked) if *asked == ip => Some(2),
        _ if ip.is_loopback() == host.is_loopback() => Some(1),
        _ if host.is_loopback() => Some(0),
        _ => None,
    }
}

/// The address with a name in place of its IP address.
fn with_name(address: &Multiaddr, name: &str) -> Multiaddr {
    let host = Multiaddr::empty().with(Protocol::Dns(name.to_owned().into()));
    address.iter().skip(1).fold(host, |address, part| address.with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";
    const HASH: &str = "/certhash/uEiDikp5KVUgkLta1EjUN-IKbHk-dUBg8VzKgf5nXxLK46w";

    fn seeds(listen: &[&str], host: &str) -> Vec<String> {
        let address = |text: &&str| format!("{}{PEER}", text.replace("HASH", HASH)).parse().unwrap();
        let listen: Vec<Multiaddr> = listen.iter().map(address).collect();
        let short = |a: &Multiaddr| a.to_string().replace(PEER, "").replace(HASH, "HASH");
        for_browser(&listen, &Host::parse(host).unwrap()).iter().map(short).collect()
    }

    #[test]
    fn a_browser_gets_what_it_can_dial_webrtc_first() {
        let all = [
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/10.0.0.5/tcp/1",
            "/ip4/127.0.0.1/udp/1/quic-v1",
            "/ip4/127.0.0.1/tcp/2/ws",
            "/ip4/10.0.0.5/tcp/2/ws",
            "/ip4/172.17.0.1/tcp/2/ws",
            "/ip4/10.0.0.5/tcp/4/tls/ws",
            "/ip4/172.17.0.1/tcp/4/tls/ws",
            "/ip6/::1/tcp/3/ws",
            "/ip4/127.0.0.1/udp/2/webrtc-directHASH",
            "/ip4/10.0.0.5/udp/2/webrtc-directHASH",
        ];
        assert_eq!(seeds(&all, "127.0.0.1:80"), ["/ip4/127.0.0.1/udp/2/webrtc-directHASH", "/ip4/127.0.0.1/tcp/2/ws"]);
        let local = ["/ip4/127.0.0.1/udp/2/webrtc-directHASH", "/ip4/127.0.0.1/tcp/2/ws", "/ip6/::1/tcp/3/ws"];
        assert_eq!(seeds(&all, "localhost:80"), local);
        assert_eq!(seeds(&all, "10.0.0.5"), ["/ip4/10.0.0.5/udp/2/webrtc-directHASH", "/ip4/10.0.0.5/tcp/2/ws"]);
        assert_eq!(
            seeds(&all, "example.org"),
            [
                "/ip4/10.0.0.5/udp/2/webrtc-directHASH",
                "/dns/example.org/tcp/4/tls/ws",
                "/ip4/10.0.0.5/tcp/2/ws",
                "/ip4/172.17.0.1/tcp/2/ws"
            ]
        );
    }

    #[test]
    fn each_transport_has_its_own_nearest() {
        let mixed = ["/ip4/10.0.0.5/udp/2/webrtc-directHASH", "/ip4/127.0.0.1/tcp/2/ws"];
        assert_eq!(seeds(&mixed, "127.0.0.1:80"), mixed, "a machine reaches its own address in the network");
        assert_eq!(seeds(&mixed, "192.168.7.7"), mixed[..1], "another machine does not reach loopback");
        assert!(seeds(&["/ip4/127.0.0.1/tcp/1"], "127.0.0.1").is_empty());
    }
}
