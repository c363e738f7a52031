//! Every transport of the node, as one. Which of them listen follows from the addresses; all of them can dial.

use super::by_name::ByName;
use super::close_within::CloseWithin;
use super::webrtc::WebRtc;
use super::{Multiaddr, NetworkConfig, NetworkError, TransportKind, tls};
use camelid_core::p2p::{STREAMS_AT_ONCE, yamux_config};
use libp2p::core::Transport;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, noise, quic, tcp};
use libp2p_websocket as websocket;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Handshakes, in both directions, must end in this time.
pub(super) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of the longest WebSocket message. Noise and Yamux make shorter ones; a stranger can declare any length.
const WEBSOCKET_MESSAGE_MAX: usize = 1024 * 1024;

type Connection = (PeerId, StreamMuxerBox);

/// The transports.
pub(super) struct Transports {
    /// All of them.
    pub(super) all: Boxed<Connection>,
    /// Data channels that WebRTC connections have had.
    pub(super) data_channels: Arc<AtomicU64>,
}

/// A transport whose handshakes and farewells end.
fn bounded<T, M>(transport: T) -> Boxed<Connection>
where
    T: Transport<Output = (PeerId, M)> + Send + Unpin + 'static,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
    T::Error: Send + Sync,
    M: libp2p::core::StreamMuxer + Send + 'static,
    M::Substream: Send + 'static,
    M::Error: Send + Sync + 'static,
{
    let transport = transport.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(CloseWithin::new(muxer))));
    TransportTimeout::new(transport.boxed(), HANDSHAKE_WITHIN).boxed()
}

/// The one that knows an address.
fn or(one: Boxed<Connection>, other: Boxed<Connection>) -> Boxed<Connection> {
    one.or_transport(other).map(|connection, _| connection.into_inner()).map_err(|error| error.into_inner()).boxed()
}

/// Makes the transports of a node with this key; fails when one that is to listen lacks what it needs.
pub(super) fn build(keypair: &Keypair, config: &NetworkConfig) -> Result<Transports, NetworkError> {
    // WebRTC takes the process's provider of cryptography, and finds none as long as two could be meant. The first call decides.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let files = &config.transports;
    let secure = |a: &&Multiaddr| TransportKind::of(a) == Some(TransportKind::SecureWebSocket);
    if let (Some(address), None) = (config.listen.iter().find(secure), &files.tls) {
        let reason = "it needs a certificate, tls_certificate and tls_key in the configuration".into();
        return Err(NetworkError::Listen { address: address.to_string(), reason });
    }
    let tcp = || ByName::new(tcp::Config::default().nodelay(true));
    let noise = noise::Config::new(keypair).map_err(|e| NetworkError::Setup(e.to_string()))?;

    let mut websocket = websocket::Config::new(tcp());
    websocket.set_max_data_size(WEBSOCKET_MESSAGE_MAX).set_tls_config(tls::config(files)?);
    let websocket = websocket.upgrade(Version::V1Lazy).authenticate(noise.clone()).multiplex(yamux_config());
    let tcp = tcp().upgrade(Version::V1Lazy).authenticate(noise).multiplex(yamux_config());
    let mut quic = quic::Config::new(keypair);
    quic.max_concurrent_stream_limit = STREAMS_AT_ONCE as u32;
    let quic = quic::tokio::Transport::new(quic);
    let data_channels = Arc::new(AtomicU64::new(0));
    let webrtc = WebRtc::new(keypair, &files.webrtc_certificate, data_channels.clone())?;

    let all = [bounded(quic), bounded(websocket), bounded(webrtc)].into_iter().fold(bounded(tcp), or);
    Ok(Transports { all, data_channels })
}
