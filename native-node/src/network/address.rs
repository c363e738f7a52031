//! Network addresses as people write them, and which transport each one means.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// What may be written.
const FORMS: &str = "expected /ip4/.. or /ip6/.. and then /tcp/PORT, /tcp/PORT/ws, /tcp/PORT/tls/ws, \
                     /udp/PORT/quic-v1, or /udp/PORT/webrtc-direct/certhash/HASH";

/// An address that nobody can listen on or dial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no network address: {reason}; give one like 127.0.0.1:27460 or /ip4/127.0.0.1/tcp/27460")]
pub struct AddressError {
    text: String,
    reason: String,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// TCP.
    Tcp,
    /// QUIC, over UDP.
    Quic,
    /// WebSocket, over TCP.
    WebSocket,
    /// WebSocket in TLS, over TCP.
    SecureWebSocket,
    /// WebRTC-direct, over UDP.
    WebRtc,
}

impl TransportKind {
    /// All of them.
    pub const ALL: [TransportKind; 5] = [
        TransportKind::Tcp,
        TransportKind::Quic,
        TransportKind::WebSocket,
        TransportKind::SecureWebSocket,
        TransportKind::WebRtc,
    ];

    /// Of an address, with or without the peer's id and, for WebRTC, the hash of its certificate; `None` for an address
    /// that no transport here knows.
    pub fn of(address: &Multiaddr) -> Option<Self> {
        let parts: Vec<_> = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        let (host, parts) = parts.split_first()?;
        let ip = match host {
            Protocol::Ip4(_) | Protocol::Ip6(_) => true,
            // A name is looked up whenever it is dialled, by the transports over TCP.
            Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) => false,
            _ => return None,
        };
        match parts {
            [Protocol::Tcp(_)] => Some(TransportKind::Tcp),
            [Protocol::Tcp(_), Protocol::Ws(_)] => Some(TransportKind::WebSocket),
            [Protocol::Tcp(_), Protocol::Wss(_)] | [Protocol::Tcp(_), Protocol::Tls, Protocol::Ws(_)] => {
                Some(TransportKind::SecureWebSocket)
            }
            [Protocol::Udp(_), Protocol::QuicV1] if ip => Some(TransportKind::Quic),
            [Protocol::Udp(_), Protocol::WebRTCDirect] if ip => Some(TransportKind::WebRtc),
            [Protocol::Udp(_), Protocol::WebRTCDirect, Protocol::Certhash(_)] if ip => Some(TransportKind::WebRtc),
            _ => None,
        }
    }

    /// The multiaddress of a socket for this transport.
    pub fn on(self, socket: SocketAddr) -> Multiaddr {
        let (port, more): (_, &[Protocol<'_>]) = match self {
            TransportKind::Tcp => (Protocol::Tcp(socket.port()), &[]),
            TransportKind::Quic => (Protocol::Udp(socket.port()), &[Protocol::QuicV1]),
            TransportKind::WebSocket => {
                (Protocol::Tcp(socket.port()), &[Protocol::Ws(std::borrow::Cow::Borrowed("/"))])
            }
            TransportKind::SecureWebSocket => {
                (Protocol::Tcp(socket.port()), &[Protocol::Tls, Protocol::Ws(std::borrow::Cow::Borrowed("/"))])
            }
            TransportKind::WebRtc => (Protocol::Udp(socket.port()), &[Protocol::WebRTCDirect]),
        };
        let start = Multiaddr::empty().with(socket.ip().into()).with(port);
        more.iter().fold(start, |address, part| address.with(part.clone()))
    }
}

/// Reads where a peer is: `IP:PORT` and `NAME:PORT` (looked up once, now) over TCP, or a multiaddress, as
/// `camelid node status` shows them; it may end in `/p2p/PEER`.
pub fn parse_address(text: &str) -> Result<Multiaddr, AddressError> {
    let address = parse(text)?;
    let hash = |part: Protocol<'_>| matches!(part, Protocol::Certhash(_));
    if TransportKind::of(&address) == Some(TransportKind::WebRtc) && !address.iter().any(hash) {
        return Err(error(
            text,
            &"the hash of the peer's certificate is missing, /certhash/..: copy the whole address",
        ));
    }
    Ok(address)
}

/// Reads where to listen; port 0 picks a free one. What a listener adds to its address, the certificate's hash and the
/// peer id, may stand there and is left out, so that an address as shown can be listened on again.
pub fn parse_listen_address(text: &str) -> Result<Multiaddr, AddressError> {
    let address = parse(text)?;
    let own = |part: &Protocol<'_>| matches!(part, Protocol::P2p(_) | Protocol::Certhash(_));
    let address: Multiaddr = address.iter().filter(|part| !own(part)).collect();
    match socket_address(&address) {
        Some(_) => Ok(address),
        None => Err(error(text, &"only an IP address can be listened on, not a name")),
    }
}

fn error(text: &str, reason: &dyn ToString) -> AddressError {
    AddressError { text: text.chars().take(100).collect(), reason: reason.to_string() }
}

fn parse(text: &str) -> Result<Multiaddr, AddressError> {
    if text.starts_with('/') {
        let address: Multiaddr = text.parse().map_err(|e| error(text, &e))?;
        return TransportKind::of(&address).map(|_| address).ok_or_else(|| error(text, &FORMS));
    }
    let mut found = text.to_socket_addrs().map_err(|e| error(text, &e))?;
    Ok(multiaddr(found.next().ok_or_else(|| error(text, &"the name has no address"))?))
}

/// The multiaddress of a TCP port.
pub fn multiaddr(address: SocketAddr) -> Multiaddr {
    TransportKind::Tcp.on(address)
}

/// The TCP or UDP port that a multiaddress names, if it starts with an IP address and one.
pub fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// An address for messages: `IP:PORT` where it is plain TCP.
pub(super) fn plain(address: &Multiaddr) -> String {
    match (TransportKind::of(address), socket_address(address)) {
        (Some(TransportKind::Tcp), Some(socket)) => socket.to_string(),
        _ => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";
    const HASH: &str = "/certhash/uEiDikp5KVUgkLta1EjUN-IKbHk-dUBg8VzKgf5nXxLK46w";

    #[test]
    fn addresses_as_people_write_them() {
        assert_eq!(parse_address("127.0.0.1:27460").unwrap().to_string(), "/ip4/127.0.0.1/tcp/27460");
        assert_eq!(parse_address("[::1]:5").unwrap().to_string(), "/ip6/::1/tcp/5");
        assert!(parse_address("localhost:5").is_ok());
        let peer = format!("/ip4/10.0.0.1/tcp/5{PEER}");
        assert_eq!(parse_address(&peer).unwrap().to_string(), peer);
        assert_eq!(plain(&peer.parse().unwrap()), "10.0.0.1:5");
    }

    #[test]
    fn every_transport_has_its_form() {
        use TransportKind::*;
        let webrtc = format!("/ip6/::1/udp/5/webrtc-direct{HASH}");
        for (form, kind) in [
            ("/dns4/example.org/tcp/5", Tcp),
            ("/ip4/1.2.3.4/udp/5/quic-v1", Quic),
            ("/ip4/1.2.3.4/tcp/5/ws", WebSocket),
            ("/ip4/1.2.3.4/tcp/5/wss", SecureWebSocket),
            ("/dns/example.org/tcp/443/tls/ws", SecureWebSocket),
            (&webrtc, WebRtc),
        ] {
            for text in [form.to_string(), format!("{form}{PEER}")] {
                let address = parse_address(&text).unwrap();
                assert_eq!((address.to_string(), TransportKind::of(&address)), (text.clone(), Some(kind)));
                assert_eq!(plain(&address) == text, kind != Tcp || form.contains("dns"), "only TCP is cut short");
            }
        }
        let socket = "1.2.3.4:5".parse().unwrap();
        for kind in TransportKind::ALL {
            let address = kind.on(socket);
            assert_eq!((TransportKind::of(&address), socket_address(&address)), (Some(kind), Some(socket)));
            assert_eq!(parse_listen_address(&address.to_string()).unwrap(), address);
        }
    }

    #[test]
    fn an_address_as_shown_can_be_listened_on_again() {
        let shown = format!("/ip4/1.2.3.4/udp/5/webrtc-direct{HASH}{PEER}");
        assert_eq!(parse_listen_address(&shown).unwrap().to_string(), "/ip4/1.2.3.4/udp/5/webrtc-direct");
        assert_eq!(
            parse_listen_address(&format!("/ip4/1.2.3.4/tcp/5{PEER}")).unwrap().to_string(),
            "/ip4/1.2.3.4/tcp/5"
        );
    }

    #[test]
    fn what_is_no_address_says_so() {
        let no_hash = "/ip4/127.0.0.1/udp/5/webrtc-direct";
        let no_port = "/ip4/127.0.0.1";
        let name_over_udp = "/dns4/example.org/udp/5/quic-v1";
        for bad in
            ["", "27460", no_port, no_hash, name_over_udp, "/ip4/127.0.0.1/udp/5", "/nonsense", "127.0.0.1:99999"]
        {
            let error = parse_address(bad).unwrap_err().to_string();
            assert!(error.contains("127.0.0.1:27460") && !error.contains('\n'), "{error}");
        }
        assert!(parse_address(no_hash).unwrap_err().to_string().contains("certhash"));
        for bad in ["/dns4/example.org/tcp/5", "/ip4/1.2.3.4/udp/5", "somewhere"] {
            assert!(parse_listen_address(bad).is_err(), "{bad}");
        }
    }
}
