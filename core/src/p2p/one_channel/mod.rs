//! One data channel a connection, Yamux inside it: how a WebRTC connection carries streams here, natively and in a
//! browser (`docs/decisions/one-data-channel.md` says why).
//!
//! [`OneChannel`] is laid around the stream muxer of a WebRTC transport. The dialer opens one substream of it, the
//! listener accepts one, and both speak Yamux over that.

mod messages;
#[cfg(test)]
mod tests;

pub use messages::MESSAGE_MAX;

use alloc::boxed::Box;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent, StreamMuxerExt};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use libp2p::futures::future::poll_fn;
use libp2p::futures::{AsyncRead, AsyncWrite};
use libp2p::yamux;
use messages::Messages;

/// Why a connection over one data channel ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OneChannelError<E> {
    /// The connection below failed.
    #[error("data channel: {0}")]
    Channel(E),
    /// The peer broke Yamux, or the data channel ended.
    #[error("yamux in the data channel: {0}")]
    Yamux(yamux::Error),
    /// Yamux could not begin.
    #[error("yamux in the data channel could not begin: {0}")]
    Begin(std::io::Error),
    /// The peer opened another data channel.
    #[error("the peer opened a second data channel: one a connection is allowed")]
    SecondChannel,
}

/// Both directions of a stream.
pub trait Duplex: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> Duplex for T {}

/// A stream of whatever kind. Yamux and Noise over these are compiled once, and not again for every transport.
pub type Bytes = Pin<Box<dyn Duplex + Send>>;

/// A stream muxer that needs one substream of the muxer below it, whatever number of streams it carries.
pub struct OneChannel<M: StreamMuxer> {
    below: M,
    yamux: yamux::Muxer<Bytes>,
    yamux_closed: bool,
}

impl<M> OneChannel<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Send + Unpin + 'static,
{
    /// Opens the data channel as the dialer, waits for it as the listener. It takes as long as the peer likes: whoever
    /// calls puts a limit on it.
    pub async fn establish(
        mut below: M,
        role: Endpoint,
        config: yamux::Config,
    ) -> Result<Self, OneChannelError<M::Error>> {
        let channel = poll_fn(|cx| {
            // Events of a connection that nobody has seen yet concern nobody.
            while let Poll::Ready(event) = below.poll_unpin(cx) {
                event?;
            }
            // "The dialer opens one data channel, the listener accepts it."
            match role {
                Endpoint::Dialer => below.poll_outbound_unpin(cx),
                Endpoint::Listener => below.poll_inbound_unpin(cx),
            }
        });
        let channel: Bytes = Box::pin(Messages::new(channel.await.map_err(OneChannelError::Channel)?));
        // "Inside it is Yamux, the dialer as its client; nothing is negotiated."
        let name = config.protocol_info().next().unwrap_or_default();
        let yamux = match role {
            Endpoint::Dialer => config.upgrade_outbound(channel, name).await,
            Endpoint::Listener => config.upgrade_inbound(channel, name).await,
        };
        Ok(OneChannel { below, yamux: yamux.map_err(OneChannelError::Begin)?, yamux_closed: false })
    }
}

impl<M> StreamMuxer for OneChannel<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Send + Unpin + 'static,
{
    type Substream = yamux::Stream;
    type Error = OneChannelError<M::Error>;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        self.get_mut().yamux.poll_inbound_unpin(cx).map_err(OneChannelError::Yamux)
    }

    fn poll_outbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        self.get_mut().yamux.poll_outbound_unpin(cx).map_err(OneChannelError::Yamux)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        if !this.yamux_closed {
            // Whether the peer can be told of the end or not: the connection below is closed in any case.
            let broken = loop {
                match this.below.poll_unpin(cx) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => break true,
                    Poll::Pending => break false,
                }
            };
            if !broken {
                let _ = ready!(this.yamux.poll_close_unpin(cx));
            }
            this.yamux_closed = true;
        }
        this.below.poll_close_unpin(cx).map_err(OneChannelError::Channel)
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        let this = self.get_mut();
        if let Poll::Ready(event) = this.below.poll_unpin(cx) {
            return Poll::Ready(event.map_err(OneChannelError::Channel));
        }
        // "A second data channel ends the connection."
        if let Poll::Ready(second) = this.below.poll_inbound_unpin(cx) {
            let error = second.map_or_else(OneChannelError::Channel, |_| OneChannelError::SecondChannel);
            return Poll::Ready(Err(error));
        }
        this.yamux.poll_unpin(cx).map_err(OneChannelError::Yamux)
    }
}
