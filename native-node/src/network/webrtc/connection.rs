//! One WebRTC connection.

use super::room::Room;
use crate::network::close_within::CLOSE_WITHIN;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent, StreamMuxerExt};
use libp2p_webrtc::tokio as webrtc;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

/// A connection as libp2p makes it, in a room of its own. It counts its data channels, and is closed when it is
/// dropped: the peer would hear of it no other way.
pub(in crate::network) struct Connection {
    /// There until it is closed.
    inner: Option<webrtc::Connection>,
    room: Room,
    data_channels: Arc<AtomicU64>,
}

impl Connection {
    pub(super) fn new(inner: webrtc::Connection, room: Room, data_channels: Arc<AtomicU64>) -> Self {
        Connection { inner: Some(inner), room, data_channels }
    }

    /// Does something with the connection, inside its room.
    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut webrtc::Connection) -> Poll<Result<T, webrtc::Error>>,
    ) -> Poll<Result<T, webrtc::Error>> {
        let _inside = self.room.enter();
        match &mut self.inner {
            Some(inner) => act(inner),
            None => Poll::Ready(Err(webrtc::Error::Io(ErrorKind::NotConnected.into()))),
        }
    }

    fn channel<S>(
        &mut self,
        act: impl FnOnce(&mut webrtc::Connection) -> Poll<Result<S, webrtc::Error>>,
    ) -> Poll<Result<S, webrtc::Error>> {
        let channel = ready!(self.with(act));
        if channel.is_ok() {
            self.data_channels.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(channel)
    }
}

impl StreamMuxer for Connection {
    type Substream = <webrtc::Connection as StreamMuxer>::Substream;
    type Error = webrtc::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        self.channel(|inner| inner.poll_inbound_unpin(cx))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        self.channel(|inner| inner.poll_outbound_unpin(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.inner.is_none() {
            return Poll::Ready(Ok(()));
        }
        let closed = ready!(self.with(|inner| inner.poll_close_unpin(cx)));
        self.inner = None;
        Poll::Ready(closed)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        self.with(|inner| inner.poll_unpin(cx))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let (Some(inner), Ok(runtime)) = (self.inner.take(), tokio::runtime::Handle::try_current()) {
            let close = self.room.within(inner.close());
            runtime.spawn(async move {
                let _ = tokio::time::timeout(CLOSE_WITHIN, close).await;
            });
        }
    }
}
