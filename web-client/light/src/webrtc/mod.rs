//! WebRTC-direct from a browser: libp2p's transport over the browser's own peer connection, one data channel a connection
//! with Yamux inside it (`docs/decisions/one-data-channel.md`, `docs/decisions/browser-webrtc.md`).

mod connection;
mod sdp;

use camelid_core::p2p::{OneChannel, yamux_config};
use libp2p::core::Endpoint;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use std::io;

/// Connects to a node, and learns who it is.
pub async fn dial(address: &Multiaddr, keypair: Keypair) -> io::Result<(PeerId, StreamMuxerBox)> {
    let target = libp2p_webrtc_utils::parse_webrtc_dial_addr(address);
    let target = target.filter(|(target, _)| target.port() != 0 && !target.ip().is_unspecified());
    let (target, fingerprint) = target.ok_or_else(|| io::Error::other("no address that can be dialled"))?;
    let (peer, connection) = connection::connect(target, fingerprint, keypair).await?;
    let connection = OneChannel::establish(connection, Endpoint::Dialer, yamux_config()).await;
    Ok((peer, StreamMuxerBox::new(connection.map_err(io::Error::other)?)))
}
