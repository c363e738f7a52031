//! WebSocket: the browser's socket, and over it Noise and Yamux as libp2p lays them.

use camelid_core::p2p::{Bytes, yamux_config};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{DialOpts, PortUse, Transport};
use libp2p::core::upgrade::{OutboundConnectionUpgrade, UpgradeInfo};
use libp2p::core::Endpoint;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId, noise, websocket_websys};
use multistream_select::{Version, dialer_select_proto};
use std::io;

/// Connects to a node, and learns who it is.
pub async fn dial(address: Multiaddr, keypair: Keypair) -> io::Result<(PeerId, StreamMuxerBox)> {
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let socket = websocket_websys::Transport::default().dial(address, options);
    let socket = socket.map_err(|_| io::Error::other("WebSocket: no address that can be dialled"))?;
    let socket: Bytes = Box::pin(socket.await.map_err(io::Error::other)?);
    let noise = noise::Config::new(&keypair).map_err(io::Error::other)?;
    let (name, socket) =
        dialer_select_proto(socket, noise.protocol_info(), Version::V1Lazy).await.map_err(io::Error::other)?;
    let socket: Bytes = Box::pin(socket);
    let (peer, socket) = noise.upgrade_outbound(socket, name).await.map_err(io::Error::other)?;
    let (socket, yamux): (Bytes, _) = (Box::pin(socket), yamux_config());
    let (name, socket) =
        dialer_select_proto(socket, yamux.protocol_info(), Version::V1Lazy).await.map_err(io::Error::other)?;
    let socket: Bytes = Box::pin(socket);
    Ok((peer, StreamMuxerBox::new(yamux.upgrade_outbound(socket, name).await?)))
}
