//! Network addresses as people write them.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use std::net::{SocketAddr, ToSocketAddrs};

/// An address that nobody can listen on or dial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no network address: {reason}; give one like 127.0.0.1:27460 or /ip4/127.0.0.1/tcp/27460")]
pub struct AddressError {
    text: String,
    reason: String,
}

/// Reads `IP:PORT`, `NAME:PORT` (looked up once, now) or a multiaddress over TCP, which may end in `/p2p/PEER`.
pub fn parse_address(text: &str) -> Result<Multiaddr, AddressError> {
    let error =
        |reason: &dyn ToString| AddressError { text: text.chars().take(100).collect(), reason: reason.to_string() };
    if text.starts_with('/') {
        let address: Multiaddr = text.parse().map_err(|e| error(&e))?;
        return match socket_address(&address) {
            Some(_) => Ok(address),
            None => Err(error(&"only /ip4/../tcp/.. and /ip6/../tcp/.. are supported")),
        };
    }
    let mut found = text.to_socket_addrs().map_err(|e| error(&e))?;
    Ok(multiaddr(found.next().ok_or_else(|| error(&"the name has no address"))?))
}

/// The multiaddress of a TCP port.
pub fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::empty().with(address.ip().into()).with(Protocol::Tcp(address.port()))
}

/// The TCP port that a multiaddress names, if it starts with one.
pub fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// An address for messages: `IP:PORT` where it is one.
pub(super) fn plain(address: &Multiaddr) -> String {
    socket_address(address).map_or_else(|| address.to_string(), |a| a.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        assert_eq!(parse_address("127.0.0.1:27460").unwrap().to_string(), "/ip4/127.0.0.1/tcp/27460");
        assert_eq!(parse_address("[::1]:5").unwrap().to_string(), "/ip6/::1/tcp/5");
        assert!(parse_address("localhost:5").is_ok());
        let peer = "/ip4/10.0.0.1/tcp/5/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";
        assert_eq!(parse_address(peer).unwrap().to_string(), peer);
        assert_eq!(plain(&peer.parse().unwrap()), "10.0.0.1:5");
    }

    #[test]
    fn what_is_no_address_says_so() {
        for bad in ["", "27460", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/5/quic-v1", "/nonsense", "127.0.0.1:99999"] {
            let error = parse_address(bad).unwrap_err().to_string();
            assert!(error.contains("127.0.0.1:27460") && !error.contains('\n'), "{error}");
        }
    }
}
