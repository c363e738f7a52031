//! A peer connection of the browser's, from its first step to its end.

use super::sdp;
use crate::pipe::{Pipe, thrown};
use crate::websocket::handshake as why;
use camelid_core::p2p::Bytes;
use core::cell::{Cell, RefCell};
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use js_sys::{Array, Object, Reflect};
use libp2p::PeerId;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::identity::Keypair;
use libp2p_webrtc_utils::{Fingerprint, Stream, noise};
use send_wrapper::SendWrapper;
use std::io;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Event, RtcConfiguration, RtcDataChannelInit, RtcPeerConnection, RtcPeerConnectionState, RtcSdpType,
    RtcSessionDescriptionInit,
};

/// A connection: it gives the stream of its one data channel, once.
pub struct Connection {
    peer: SendWrapper<Peer>,
    stream: Option<Stream<Pipe>>,
}

/// The browser's side, closed when it is dropped.
struct Peer {
    connection: RtcPeerConnection,
    heard: Rc<Heard>,
    _change: Closure<dyn FnMut(Event)>,
    _second: Closure<dyn FnMut(Event)>,
}

/// What the browser said.
#[derive(Default)]
struct Heard {
    ended: Cell<bool>,
    second: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Heard {
    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Peer {
    /// A peer connection with a certificate of its own.
    async fn new() -> io::Result<Self> {
        let algorithm = Object::new();
        for (name, value) in [("name", "ECDSA"), ("namedCurve", "P-256"), ("hash", "SHA-256")] {
            Reflect::set(&algorithm, &name.into(), &value.into()).map_err(thrown)?;
        }
        let certificate = RtcPeerConnection::generate_certificate_with_object(&algorithm).map_err(thrown)?;
        let certificate = JsFuture::from(certificate).await.map_err(thrown)?;
        let configuration = RtcConfiguration::default();
        configuration.set_certificates(&Array::of1(&certificate));
        let connection = RtcPeerConnection::new_with_configuration(&configuration).map_err(thrown)?;
        let heard = Rc::new(Heard::default());
        let (changed, opened, seen) = (heard.clone(), heard.clone(), connection.clone());
        let change = Closure::new(move |_: Event| {
            let state = seen.connection_state();
            if matches!(state, RtcPeerConnectionState::Failed | RtcPeerConnectionState::Closed) {
                changed.ended.set(true);
                changed.wake();
            }
        });
        let second = Closure::new(move |_: Event| {
            opened.second.set(true);
            opened.wake();
        });
        connection.set_onconnectionstatechange(Some(change.as_ref().unchecked_ref()));
        connection.set_ondatachannel(Some(second.as_ref().unchecked_ref()));
        Ok(Peer { connection, heard, _change: change, _second: second })
    }

    /// Tells the browser where the other side is; it begins to connect.
    async fn begin(&self, target: SocketAddr, theirs: Fingerprint) -> io::Result<Fingerprint> {
        let offer = JsFuture::from(self.connection.create_offer()).await.map_err(thrown)?;
        let offer = Reflect::get(&offer, &"sdp".into()).map_err(thrown)?.as_string().unwrap_or_default();
        let ufrag = sdp::random_ufrag();
        let local = RtcSessionDescriptionInit::new(RtcSdpType::Offer);
        local.set_sdp(&sdp::with_ufrag(&offer, &ufrag));
        JsFuture::from(self.connection.set_local_description(&local)).await.map_err(thrown)?;
        let remote = RtcSessionDescriptionInit::new(RtcSdpType::Answer);
        remote.set_sdp(&sdp::answer(target, theirs, &ufrag));
        JsFuture::from(self.connection.set_remote_description(&remote)).await.map_err(thrown)?;
        let ours = self.connection.local_description().and_then(|local| sdp::fingerprint(&local.sdp()));
        ours.ok_or_else(|| io::Error::other("the browser's offer names no SHA-256 fingerprint"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.connection.set_onconnectionstatechange(None);
        self.connection.set_ondatachannel(None);
        self.connection.close();
    }
}

/// Connects to a node at a UDP address whose certificate has this fingerprint, and learns who it is.
pub async fn connect(target: SocketAddr, theirs: Fingerprint, keypair: Keypair) -> io::Result<(PeerId, Connection)> {
    let peer = Peer::new().await?;
    // The handshake's channel has number 0 at both ends, and must be there before the offer is.
    let handshake = RtcDataChannelInit::new();
    handshake.set_negotiated(true);
    handshake.set_id(0);
    let handshake = Pipe::over_channel(peer.connection.create_data_channel_with_data_channel_dict("", &handshake));
    let (stream, _) = Stream::new(handshake);
    let ours = peer.begin(target, theirs).await?;
    let id = noise::outbound::<Bytes>(keypair, Box::pin(stream), theirs, ours).await.map_err(why)?;
    let (stream, _) = Stream::new(Pipe::over_channel(peer.connection.create_data_channel("")));
    Ok((id, Connection { peer: SendWrapper::new(peer), stream: Some(stream) }))
}

impl StreamMuxer for Connection {
    type Substream = Stream<Pipe>;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        if self.peer.heard.second.get() {
            return Poll::Ready(Err(io::Error::other("the peer opened a data channel: it has none to open")));
        }
        *self.peer.heard.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_outbound(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        self.stream.take().map_or(Poll::Pending, |stream| Poll::Ready(Ok(stream)))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.peer.connection.close();
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        if self.peer.heard.ended.get() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        *self.peer.heard.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}
