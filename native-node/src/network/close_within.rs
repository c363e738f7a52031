//! Closing a connection takes as long as its peer likes: what is queued is written first. This puts an end to it, so
//! that a peer which has gone silent is gone for the node too.

use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, StreamMuxerExt, SubstreamBox};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// How long closing may take.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// A connection that is closed within [`CLOSE_WITHIN`].
pub(super) struct CloseWithin {
    muxer: StreamMuxerBox,
    end: Option<Pin<Box<Sleep>>>,
}

impl CloseWithin {
    pub(super) fn new<M>(muxer: M) -> Self
    where
        M: StreamMuxer + Send + 'static,
        M::Substream: Send + 'static,
        M::Error: Send + Sync + 'static,
    {
        CloseWithin { muxer: StreamMuxerBox::new(muxer), end: None }
    }
}

impl StreamMuxer for CloseWithin {
    type Substream = SubstreamBox;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<SubstreamBox>> {
        self.muxer.poll_inbound_unpin(cx)
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<SubstreamBox>> {
        self.muxer.poll_outbound_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(closed) = self.muxer.poll_close_unpin(cx) {
            return Poll::Ready(closed);
        }
        ready!(self.end.get_or_insert_with(|| Box::pin(sleep(CLOSE_WITHIN))).as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not take the connection's end")))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        self.muxer.poll_unpin(cx)
    }
}
