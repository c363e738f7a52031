//! WebSocket: the browser's socket, and over it Noise and Yamux as libp2p lays them.

use crate::pipe::{Pipe, thrown};
use camelid_core::p2p::{Bytes, yamux_config};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::upgrade::{OutboundConnectionUpgrade, UpgradeInfo};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, noise};
use multistream_select::{Version, dialer_select_proto};
use std::io;
use web_sys::WebSocket;

/// Connects to a node, and learns who it is.
pub async fn dial(address: &Multiaddr, keypair: Keypair) -> io::Result<(PeerId, StreamMuxerBox)> {
    let url = url(address).ok_or_else(|| io::Error::other("no address that can be dialled"))?;
    let socket: Bytes = Box::pin(Pipe::over_socket(WebSocket::new(&url).map_err(thrown)?));
    let noise = noise::Config::new(&keypair).map_err(handshake)?;
    let (name, socket) =
        dialer_select_proto(socket, noise.protocol_info(), Version::V1Lazy).await.map_err(io::Error::other)?;
    let socket: Bytes = Box::pin(socket);
    let (peer, socket) = noise.upgrade_outbound(socket, name).await.map_err(handshake)?;
    let (socket, yamux): (Bytes, _) = (Box::pin(socket), yamux_config());
    let (name, socket) =
        dialer_select_proto(socket, yamux.protocol_info(), Version::V1Lazy).await.map_err(io::Error::other)?;
    let socket: Bytes = Box::pin(socket);
    Ok((peer, StreamMuxerBox::new(yamux.upgrade_outbound(socket, name).await?)))
}

/// Why a Noise handshake failed. Not libp2p's own words: they can name what is nowhere here, in all 24 bases of multibase.
pub fn handshake(error: noise::Error) -> io::Error {
    match error {
        noise::Error::Io(error) => error,
        _ => io::Error::other("the node does not prove who it is"),
    }
}

/// Where a browser finds what an address says.
fn url(address: &Multiaddr) -> Option<String> {
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(ip) => ip.to_string(),
        Protocol::Ip6(ip) => format!("[{ip}]"),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => name.into_owned(),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else { return None };
    let (scheme, path) = match (parts.next()?, parts.next(), parts.next()) {
        (Protocol::Tls, Some(Protocol::Ws(path)), _) | (Protocol::Wss(path), _, _) => ("wss", path),
        // A browser tells a server the name that it has looked up, and no other.
        (Protocol::Tls, Some(Protocol::Sni(name)), Some(Protocol::Ws(path))) if name == host => ("wss", path),
        (Protocol::Ws(path), _, _) => ("ws", path),
        _ => return None,
    };
    Some(format!("{scheme}://{host}:{port}{path}"))
}
