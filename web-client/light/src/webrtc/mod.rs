//! WebRTC-direct from a browser: libp2p's transport over the browser's own peer connection, one data channel a connection
//! with Yamux inside it (`docs/decisions/one-data-channel.md`, `docs/decisions/browser-webrtc.md`).

mod channel;
mod connection;
mod sdp;

use camelid_core::p2p::{OneChannel, yamux_config};
use connection::Connection;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::core::{Endpoint, Transport};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use send_wrapper::SendWrapper;
use std::io;
use wasm_bindgen::{JsCast, JsValue};

/// The transport: it dials, and listens to nobody.
pub struct WebRtc {
    keypair: Keypair,
}

impl WebRtc {
    /// For the peer with this key.
    pub fn new(keypair: &Keypair) -> Self {
        WebRtc { keypair: keypair.clone() }
    }
}

/// What the browser threw.
fn thrown(error: JsValue) -> io::Error {
    let text = error.dyn_ref::<js_sys::Error>().map(|e| String::from(e.message()));
    io::Error::other(format!("WebRTC: {}", text.unwrap_or_else(|| format!("{error:?}"))))
}

impl Transport for WebRtc {
    type Output = (PeerId, OneChannel<Connection>);
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(&mut self, _: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let target = libp2p_webrtc_utils::parse_webrtc_dial_addr(&address);
        let target = target.filter(|(target, _)| target.port() != 0 && !target.ip().is_unspecified());
        let Some((target, fingerprint)) = target.filter(|_| !options.role.is_listener()) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let connected = SendWrapper::new(connection::connect(target, fingerprint, self.keypair.clone()));
        let dial = async move {
            let (peer, connection) = connected.await?;
            let connection = OneChannel::establish(connection, Endpoint::Dialer, yamux_config()).await;
            Ok((peer, connection.map_err(io::Error::other)?))
        };
        Ok(dial.boxed())
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}
