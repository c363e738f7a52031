//! Where a peer can be dialled: libp2p multiaddresses in their binary form, bounded, and read here without libp2p.

use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest address in bytes: a WebRTC-direct one with its certificate's hash has about fifty.
pub const MAX_ADDRESS_BYTES: usize = 100;

/// How a connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP, Noise, Yamux.
    Tcp,
    /// QUIC.
    Quic,
    /// WebSocket.
    WebSocket,
    /// WebSocket over TLS.
    SecureWebSocket,
    /// WebRTC-direct.
    WebRtcDirect,
}

impl Transport {
    /// All transports.
    pub const ALL: [Transport; 5] =
        [Transport::Tcp, Transport::Quic, Transport::WebSocket, Transport::SecureWebSocket, Transport::WebRtcDirect];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP",
            Transport::Quic => "QUIC",
            Transport::WebSocket => "WebSocket",
            Transport::SecureWebSocket => "secure WebSocket",
            Transport::WebRtcDirect => "WebRTC",
        }
    }

    /// The kind of port to open for it in a firewall: `TCP` or `UDP`.
    pub const fn port_kind(self) -> &'static str {
        match self {
            Transport::Tcp | Transport::WebSocket | Transport::SecureWebSocket => "TCP",
            Transport::Quic | Transport::WebRtcDirect => "UDP",
        }
    }
}

/// A set of transports: those that somebody can dial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transports(u8);

impl Transports {
    /// These transports.
    pub fn of(list: &[Transport]) -> Self {
        Transports(list.iter().fold(0, |set, t| set | 1 << *t as u8))
    }

    /// Whether the set has this one.
    pub fn has(self, transport: Transport) -> bool {
        self.0 & 1 << transport as u8 != 0
    }
}

/// The machine that an address names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// By its IP address.
    Ip(IpAddr),
    /// By a name, which somebody has to look up.
    Name(String),
}

/// What an address says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The machine.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// How to connect.
    pub transport: Transport,
}

impl Endpoint {
    /// The machine's IP address, if it is named by one. An IPv4 address in IPv6's clothes is given as itself.
    pub fn ip(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Ip(ip) => Some(ip.to_canonical()),
            Host::Name(_) => None,
        }
    }
}

/// A network address as it is sent: a libp2p multiaddress in binary, of 1 to [`MAX_ADDRESS_BYTES`] bytes, without
/// `/p2p/..` at its end. What it says is [`NetAddress::endpoint`]'s to find out: newer nodes may know transports that
/// this one does not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetAddress(Vec<u8>);

/// Codes of a multiaddress's parts.
mod code {
    pub const IP4: u64 = 4;
    pub const TCP: u64 = 6;
    pub const IP6: u64 = 41;
    pub const DNS: [u64; 3] = [53, 54, 55];
    pub const UDP: u64 = 273;
    pub const WEBRTC_DIRECT: u64 = 280;
    pub const TLS: u64 = 448;
    pub const SNI: u64 = 449;
    pub const QUIC_V1: u64 = 461;
    pub const CERTHASH: u64 = 466;
    pub const WS: u64 = 477;
    pub const WSS: u64 = 478;
}

impl NetAddress {
    /// From a multiaddress's bytes; `None` when there are none or too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (!bytes.is_empty() && bytes.len() <= MAX_ADDRESS_BYTES).then(|| NetAddress(bytes.to_vec()))
    }

    /// The address of a TCP port.
    pub fn tcp(ip: IpAddr, port: u16) -> Self {
        let mut bytes = ip_part(ip);
        bytes.push(code::TCP as u8);
        bytes.extend(port.to_be_bytes());
        NetAddress(bytes)
    }

    /// The multiaddress's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it says; `None` where it is no address of a transport known here.
    pub fn endpoint(&self) -> Option<Endpoint> {
        let mut r = Reader::new(&self.0);
        let host = match number(&mut r)? {
            code::IP4 => Host::Ip(Ipv4Addr::from(r.array::<4>().ok()?).into()),
            code::IP6 => Host::Ip(Ipv6Addr::from(r.array::<16>().ok()?).into()),
            dns if code::DNS.contains(&dns) => Host::Name(core::str::from_utf8(counted(&mut r)?).ok()?.into()),
            _ => return None,
        };
        let over = number(&mut r)?;
        let port = u16::from_be_bytes(r.array().ok()?);
        let mut next = || if r.remaining() == 0 { Some(None) } else { number(&mut r).map(Some) };
        let transport = match (over, next()?) {
            (code::TCP, None) => Transport::Tcp,
            (code::TCP, Some(code::WS)) => Transport::WebSocket,
            (code::TCP, Some(code::WSS)) => Transport::SecureWebSocket,
            (code::TCP, Some(code::TLS)) => {
                match number(&mut r)? {
                    code::WS => {}
                    code::SNI => {
                        counted(&mut r)?;
                        (number(&mut r)? == code::WS).then_some(())?;
                    }
                    _ => return None,
                }
                Transport::SecureWebSocket
            }
            (code::UDP, Some(code::QUIC_V1)) => Transport::Quic,
            (code::UDP, Some(code::WEBRTC_DIRECT)) => {
                (number(&mut r)? == code::CERTHASH).then_some(())?;
                counted(&mut r)?;
                Transport::WebRtcDirect
            }
            _ => return None,
        };
        r.finish().ok()?;
        Some(Endpoint { host, port, transport })
    }

    /// The same port and transport at another IP address of the same kind; `None` where this one names no IP address,
    /// or one of the other kind.
    pub fn at(&self, ip: IpAddr) -> Option<NetAddress> {
        let own = match self.endpoint()?.host {
            Host::Ip(own) => own,
            Host::Name(_) => return None,
        };
        if own.is_ipv4() != ip.is_ipv4() {
            return None;
        }
        let rest = self.0.get(ip_part(own).len()..)?;
        Some(NetAddress([&ip_part(ip), rest].concat()))
    }
}

/// The part of a multiaddress that names an IP address.
fn ip_part(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => [&[code::IP4 as u8][..], &ip.octets()].concat(),
        IpAddr::V6(ip) => [&[code::IP6 as u8][..], &ip.octets()].concat(),
    }
}

/// A number as multiaddresses have it: seven bits a byte, the lowest first, in its shortest form.
fn number(r: &mut Reader<'_>) -> Option<u64> {
    let mut value = 0;
    // Five bytes hold every code and every length that fits.
    for shift in [0, 7, 14, 21, 28] {
        let [byte] = r.array().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

/// A length and that many bytes.
fn counted<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(number(r)?).ok()?;
    r.take(len).ok()
}

impl fmt::Debug for NetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.endpoint() {
            Some(e) => write!(f, "{:?}:{} {}", e.host, e.port, e.transport.name()),
            None => write!(f, "NetAddress({})", hex::encode(&self.0)),
        }
    }
}

impl Encode for NetAddress {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(&self.0, out);
    }
}

impl Decode for NetAddress {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        NetAddress::new(r.bytes("address", MAX_ADDRESS_BYTES)?).ok_or(DecodeError::Malformed("address"))
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
