//! WebRTC-direct: libp2p's transport, with one data channel a connection, and bounds where it has none.

mod certificate;
mod connection;
mod room;

#[cfg(test)]
pub(super) use certificate::certificate_hash;
pub(super) use certificate::load_or_create;
pub(super) use connection::Connection;

use super::{Multiaddr, NetworkError, PeerId, TransportKind, socket_address};
use camelid_core::p2p::{OneChannel, yamux_config};
use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::core::{Endpoint, Transport};
use libp2p::identity::Keypair;
use libp2p_webrtc::tokio as webrtc;
use room::Room;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, ready};
use tokio::sync::Semaphore;
use tracing::debug;

/// Handshakes of WebRTC connections from outside, at once: half of all that may be under way, since one packet from an
/// invented address begins one.
const HANDSHAKES_AT_ONCE: usize = 32;

/// The transport.
pub(super) struct WebRtc {
    keypair: Keypair,
    certificate: webrtc::Certificate,
    /// It listens, and never dials.
    listening: webrtc::Transport,
    handshakes: Arc<Semaphore>,
    data_channels: Arc<AtomicU64>,
}

impl WebRtc {
    /// The transport of a node with this key, whose certificate is in `file`.
    pub(super) fn new(keypair: &Keypair, file: &Path, data_channels: Arc<AtomicU64>) -> Result<Self, NetworkError> {
        let certificate = load_or_create(file)?;
        let listening = webrtc::Transport::new(keypair.clone(), certificate.clone());
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE));
        Ok(WebRtc { keypair: keypair.clone(), certificate, listening, handshakes, data_channels })
    }
}

/// Our address on the way to another.
fn source(target: SocketAddr) -> io::Result<IpAddr> {
    let anywhere: IpAddr = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((anywhere, 0))?;
    // For UDP that sends nothing.
    socket.connect(target)?;
    Ok(socket.local_addr()?.ip())
}

fn other(error: TransportError<webrtc::Error>) -> io::Error {
    match error {
        TransportError::Other(error) => io::Error::other(error),
        TransportError::MultiaddrNotSupported(_) => io::ErrorKind::AddrNotAvailable.into(),
    }
}

/// Dials from a port of its own. The library would dial from the port that it listens at, whatever address that one is
/// bound to; and a peer that still holds an earlier connection from there would take this one for it.
async fn connect(
    mut transport: webrtc::Transport,
    target: SocketAddr,
    address: Multiaddr,
    options: DialOpts,
) -> io::Result<(PeerId, webrtc::Connection)> {
    let from = TransportKind::WebRtc.on(SocketAddr::new(source(target)?, 0));
    transport.listen_on(ListenerId::next(), from).map_err(other)?;
    let dial = transport.dial(address, options).map_err(other)?;
    tokio::spawn(async move {
        // It ends with its room. Who comes to this port is not let in.
        loop {
            drop(poll_fn(|cx| Pin::new(&mut transport).poll(cx)).await);
        }
    });
    dial.await.map_err(io::Error::other)
}

/// Makes a connection in a room of its own.
async fn establish(
    room: Room,
    connected: impl Future<Output = io::Result<(PeerId, webrtc::Connection)>>,
    role: Endpoint,
    data_channels: Arc<AtomicU64>,
) -> io::Result<(PeerId, OneChannel<Connection>)> {
    let (peer, connection) = room.within(connected).await?;
    let connection = Connection::new(connection, room, data_channels);
    let connection = OneChannel::establish(connection, role, yamux_config()).await.map_err(io::Error::other)?;
    Ok((peer, connection))
}

impl Transport for WebRtc {
    type Output = (PeerId, OneChannel<Connection>);
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.listening.listen_on(id, address).map_err(|e| e.map(io::Error::other))
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listening.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let target = match (TransportKind::of(&address), socket_address(&address)) {
            (Some(TransportKind::WebRtc), Some(target)) => target,
            _ => return Err(TransportError::MultiaddrNotSupported(address)),
        };
        let transport = webrtc::Transport::new(self.keypair.clone(), self.certificate.clone());
        let data_channels = self.data_channels.clone();
        let dial = async move {
            let connected = connect(transport, target, address, options);
            establish(Room::new()?, connected, Endpoint::Dialer, data_channels).await
        };
        Ok(dial.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        loop {
            let event = ready!(Pin::new(&mut self.listening).poll(cx));
            let place = match &event {
                TransportEvent::Incoming { send_back_addr, .. } => match self.handshakes.clone().try_acquire_owned() {
                    Ok(place) => Some(place),
                    Err(_) => {
                        debug!(address = %send_back_addr, "too many WebRTC handshakes at once: one dropped");
                        continue;
                    }
                },
                _ => None,
            };
            let data_channels = self.data_channels.clone();
            let accept = |upgrade: <webrtc::Transport as Transport>::ListenerUpgrade| {
                let accept = async move {
                    let connected = upgrade.map(|connected| connected.map_err(io::Error::other));
                    let accepted = establish(Room::new()?, connected, Endpoint::Listener, data_channels).await;
                    drop(place);
                    accepted
                };
                accept.boxed()
            };
            return Poll::Ready(event.map_err(io::Error::other).map_upgrade(accept));
        }
    }
}
