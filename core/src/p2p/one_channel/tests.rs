//! The adapter over real muxers: libp2p's Yamux on libp2p's memory transport stands where a WebRTC connection is.

use super::*;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use libp2p::core::Transport;
use libp2p::core::transport::memory::Channel;
use libp2p::core::transport::{DialOpts, ListenerId, MemoryTransport, PortUse, TransportEvent};
use libp2p::futures::executor::block_on;
use libp2p::futures::future::{Either, join, join_all, select};
use libp2p::futures::stream::FuturesUnordered;
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use std::io;

/// What webrtc-rs takes: one message of 8,192 bytes with what libp2p puts around the data.
const TAKEN_AT_MOST: usize = 8_192 - 16;

/// A channel that ends as a data channel does: on a long message, and on two that were not flushed apart.
struct DataChannel<S> {
    inner: S,
    unflushed: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for DataChannel<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for DataChannel<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.len() > TAKEN_AT_MOST || self.unflushed {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let taken = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.unflushed = true;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// A muxer that counts its substreams.
struct Below {
    inner: yamux::Muxer<Channel<Vec<u8>>>,
    channels: Arc<AtomicUsize>,
}

impl Below {
    fn counted(&self, stream: yamux::Stream) -> DataChannel<yamux::Stream> {
        self.channels.fetch_add(1, Ordering::Relaxed);
        DataChannel { inner: stream, unflushed: false }
    }
}

impl StreamMuxer for Below {
    type Substream = DataChannel<yamux::Stream>;
    type Error = yamux::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        self.inner.poll_inbound_unpin(cx).map_ok(|stream| self.counted(stream))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        self.inner.poll_outbound_unpin(cx).map_ok(|stream| self.counted(stream))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_close_unpin(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        self.inner.poll_unpin(cx)
    }
}

/// The two ends of a connection, the dialer's first.
async fn connection() -> (Below, Below) {
    let (mut here, mut there) = (MemoryTransport::new(), MemoryTransport::new());
    there.listen_on(ListenerId::next(), "/memory/0".parse().unwrap()).unwrap();
    let TransportEvent::NewAddress { listen_addr, .. } = there.next_event().await else { panic!("it listens") };
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
    let dial = here.dial(listen_addr, options).unwrap();
    let accept = async {
        match there.next_event().await {
            TransportEvent::Incoming { upgrade, .. } => upgrade.await,
            other => panic!("a connection comes, not {other:?}"),
        }
    };
    let (dialed, accepted) = join(dial, accept).await;
    let config = yamux::Config::default;
    let below = |inner| Below { inner, channels: Arc::default() };
    (
        below(config().upgrade_outbound(dialed.unwrap(), "").await.unwrap()),
        below(config().upgrade_inbound(accepted.unwrap(), "").await.unwrap()),
    )
}

trait NextEvent: Transport + Unpin {
    /// The transport's next event.
    fn next_event(&mut self) -> impl Future<Output = TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        poll_fn(move |cx| Pin::new(&mut *self).poll(cx))
    }
}

impl NextEvent for MemoryTransport {}

/// Runs a muxer until it fails, and gives back what its streams say.
async fn echo<M: StreamMuxer + Unpin>(mut muxer: M) -> M::Error
where
    M::Substream: Unpin + Send + 'static,
{
    let mut streams = FuturesUnordered::new();
    poll_fn(|cx| {
        while let Poll::Ready(event) = muxer.poll_unpin(cx) {
            if let Err(error) = event {
                return Poll::Ready(error);
            }
        }
        while let Poll::Ready(stream) = muxer.poll_inbound_unpin(cx) {
            let mut stream = match stream {
                Ok(stream) => stream,
                Err(error) => return Poll::Ready(error),
            };
            streams.push(Box::pin(async move {
                let mut said = Vec::new();
                stream.read_to_end(&mut said).await.unwrap();
                stream.write_all(&said).await.unwrap();
                stream.close().await.unwrap();
            }));
        }
        while let Poll::Ready(Some(())) = streams.poll_next_unpin(cx) {}
        Poll::Pending
    })
    .await
}

async fn ask(mut stream: yamux::Stream, say: Vec<u8>) {
    // Both ways at once: what comes back does not wait for the end.
    stream.write_all(&say).await.unwrap();
    stream.close().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, say);
}

/// Both ends of the adapter over a connection; what is said first opens the channel.
async fn established() -> (OneChannel<Below>, impl Future<Output = OneChannel<Below>>, [Arc<AtomicUsize>; 2]) {
    let (here, there) = connection().await;
    let counters = [here.channels.clone(), there.channels.clone()];
    let here = OneChannel::establish(here, Endpoint::Dialer, yamux::Config::default()).await.unwrap();
    let there = async { OneChannel::establish(there, Endpoint::Listener, yamux::Config::default()).await.unwrap() };
    (here, there, counters)
}

#[test]
fn a_hundred_streams_at_once_and_megabytes_need_one_channel() {
    block_on(async {
        let (mut here, there, channels) = established().await;
        let mut asked = Vec::new();
        for i in 1..=100_usize {
            let stream = poll_fn(|cx| here.poll_outbound_unpin(cx)).await.unwrap();
            // To 100 kB, past the limits of messages and frames on the way. A stream of nothing is not told of by Yamux.
            let say: Vec<u8> = (0..i * 1001).map(|at| (at * 31 + i) as u8).collect();
            asked.push(ask(stream, say));
        }
        let ends = join(echo(here), async { echo(there.await).await });
        match select(Box::pin(ends), join_all(asked)).await {
            Either::Left((ended, _)) => panic!("a connection ended: {ended:?}"),
            Either::Right(_) => {}
        }
        assert_eq!(channels.map(|c| c.load(Ordering::Relaxed)), [1, 1]);
    });
}

#[test]
fn a_second_channel_ends_the_connection() {
    block_on(async {
        let (mut here, there) = connection().await;
        let mut open = Vec::new();
        for _ in 0..2 {
            let mut channel = poll_fn(|cx| here.poll_outbound_unpin(cx)).await.unwrap();
            channel.write_all(&[0]).await.unwrap();
            open.push(channel);
        }
        let there = async {
            echo(OneChannel::establish(there, Endpoint::Listener, yamux::Config::default()).await.unwrap()).await
        };
        let error = match select(Box::pin(there), Box::pin(echo(here))).await {
            Either::Left((error, _)) => error,
            Either::Right((error, _)) => panic!("the dialer ended first: {error}"),
        };
        assert!(matches!(error, OneChannelError::SecondChannel), "{error}");
    });
}

#[test]
fn an_end_is_told_to_the_other_side() {
    block_on(async {
        let (mut here, there, _) = established().await;
        let stream = poll_fn(|cx| here.poll_outbound_unpin(cx)).await.unwrap();
        let close = async {
            // One answer proves that both sides are up.
            match select(Box::pin(ask(stream, vec![1; 10])), Box::pin(poll_fn(|cx| here.poll_unpin(cx)))).await {
                Either::Left(_) => {}
                Either::Right((event, _)) => panic!("an event: {event:?}"),
            }
            here.close().await.unwrap();
        };
        let (_, error) = join(close, async { echo(there.await).await }).await;
        assert!(matches!(error, OneChannelError::Yamux(_) | OneChannelError::Channel(_)), "{error}");
    });
}

#[test]
fn a_listener_waits_for_the_channel() {
    block_on(async {
        let (here, there) = connection().await;
        let wait = OneChannel::establish(there, Endpoint::Listener, yamux::Config::default());
        let error = match select(Box::pin(wait), Box::pin(here.close())).await {
            Either::Left((waited, _)) => waited.err().expect("nobody opened a channel"),
            Either::Right((closed, waiting)) => {
                closed.unwrap();
                waiting.await.err().expect("nobody opened a channel")
            }
        };
        assert!(matches!(error, OneChannelError::Channel(_)), "{error}");
    });
}
