//! Addresses of nodes as text. libp2p reads and writes every kind of address that there is, in every base that there is for
//! its bytes, which is much code; here are the kinds that browsers dial.

use base64ct::{Base64UrlUnpadded, Encoding};
use core::str::FromStr;
use libp2p::core::multihash::Multihash;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::borrow::Cow;

/// Why text is no address.
pub enum AddressError<'a> {
    /// It does not begin with "/".
    NoSlash,
    /// A part that browsers have no use for.
    Unknown(&'a str),
    /// A part without the value that belongs to it, or with a wrong one.
    Value(&'a str),
}

impl core::fmt::Display for AddressError<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            AddressError::NoSlash => f.write_str("it does not begin with /"),
            AddressError::Unknown(part) => write!(f, "/{part} is nothing that a browser dials"),
            AddressError::Value(part) => write!(f, "/{part} has no value, or a wrong one"),
        }
    }
}

/// Bytes in the base of certificates' hashes: "u", then base64 for URLs without padding.
fn hash(text: &str) -> Option<Multihash<64>> {
    let bytes = Base64UrlUnpadded::decode_vec(text.strip_prefix('u')?).ok()?;
    Multihash::from_bytes(&bytes).ok()
}

fn value<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A name in the domain name system.
fn name(text: &str) -> Option<Cow<'_, str>> {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)).then(|| text.into())
}

/// Reads an address.
pub fn read(text: &str) -> Result<Multiaddr, AddressError<'_>> {
    let mut parts = text.split('/');
    if parts.next() != Some("") {
        return Err(AddressError::NoSlash);
    }
    let mut address = Multiaddr::empty();
    while let Some(part) = parts.next() {
        let alone = match part {
            "tls" => Some(Protocol::Tls),
            "webrtc-direct" => Some(Protocol::WebRTCDirect),
            "ws" => Some(Protocol::Ws("/".into())),
            "wss" => Some(Protocol::Wss("/".into())),
            _ => None,
        };
        if let Some(alone) = alone {
            address.push(alone);
            continue;
        }
        let text = parts.next().unwrap_or_default();
        let read = match part {
            "ip4" => value(text).map(Protocol::Ip4),
            "ip6" => value(text).map(Protocol::Ip6),
            "dns" => name(text).map(Protocol::Dns),
            "dns4" => name(text).map(Protocol::Dns4),
            "dns6" => name(text).map(Protocol::Dns6),
            "tcp" => value(text).map(Protocol::Tcp),
            "udp" => value(text).map(Protocol::Udp),
            "sni" => name(text).map(Protocol::Sni),
            "certhash" => hash(text).map(Protocol::Certhash),
            // "ipfs" is its name of old.
            "p2p" | "ipfs" => value::<PeerId>(text).map(Protocol::P2p),
            _ => return Err(AddressError::Unknown(part)),
        };
        address.push(read.filter(|_| !text.is_empty()).ok_or(AddressError::Value(part))?);
    }
    Ok(address)
}

/// Writes an address as [`read`] reads it; parts of other kinds are left out.
pub fn write(address: &Multiaddr) -> String {
    let part = |part: Protocol<'_>| match part {
        Protocol::Tls => "/tls".into(),
        Protocol::WebRTCDirect => "/webrtc-direct".into(),
        Protocol::Ws(_) => "/ws".into(),
        Protocol::Wss(_) => "/wss".into(),
        Protocol::Ip4(ip) => format!("/ip4/{ip}"),
        Protocol::Ip6(ip) => format!("/ip6/{ip}"),
        Protocol::Dns(name) => format!("/dns/{name}"),
        Protocol::Dns4(name) => format!("/dns4/{name}"),
        Protocol::Dns6(name) => format!("/dns6/{name}"),
        Protocol::Tcp(port) => format!("/tcp/{port}"),
        Protocol::Udp(port) => format!("/udp/{port}"),
        Protocol::Sni(name) => format!("/sni/{name}"),
        Protocol::Certhash(hash) => format!("/certhash/u{}", Base64UrlUnpadded::encode_string(&hash.to_bytes())),
        Protocol::P2p(peer) => format!("/p2p/{peer}"),
        _ => String::new(),
    };
    address.iter().map(part).collect()
}
