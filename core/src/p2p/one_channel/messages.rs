//! Writing to a data channel in messages that the other end can take.

use alloc::vec::Vec;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use libp2p::futures::{AsyncRead, AsyncWrite};
use std::io::{Error, ErrorKind, Result};

/// Bytes of data in the longest message on a data channel.
///
/// The native transport (webrtc-rs under libp2p-webrtc) ends a stream on a message over 8,192 bytes; what libp2p puts
/// around the data is at most 16 bytes.
pub const MESSAGE_MAX: usize = 8_176;

/// A data channel whose messages are short enough, and each flushed before the next.
///
/// Bytes are gathered until a message is full or somebody flushes: Yamux writes the headers of its frames alone.
#[derive(Debug)]
pub(super) struct Messages<S> {
    channel: S,
    /// What is not written yet lies after the first `written` bytes; at most [`MESSAGE_MAX`] bytes.
    gathered: Vec<u8>,
    written: usize,
    /// Whether a message was written since the last flush.
    unflushed: bool,
}

impl<S> Messages<S> {
    pub(super) fn new(channel: S) -> Self {
        Messages { channel, gathered: Vec::with_capacity(MESSAGE_MAX), written: 0, unflushed: false }
    }
}

impl<S: AsyncWrite + Unpin> Messages<S> {
    /// Flushes the last message, if it was not yet.
    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.channel).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what was gathered.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.written < self.gathered.len() {
            // "A message holds at most 8,176 bytes of data, and is flushed before the next."
            ready!(self.poll_flushed(cx))?;
            match ready!(Pin::new(&mut self.channel).poll_write(cx, &self.gathered[self.written..]))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                taken => self.written += taken,
            }
            if self.written > self.gathered.len() {
                return Poll::Ready(Err(Error::other("the data channel took more than it was given")));
            }
            self.unflushed = true;
        }
        self.gathered.clear();
        self.written = 0;
        self.poll_flushed(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Messages<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.channel).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Messages<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        if self.gathered.len() == MESSAGE_MAX {
            ready!(self.poll_send(cx))?;
        }
        let taken = buf.len().min(MESSAGE_MAX - self.gathered.len());
        self.gathered.extend_from_slice(&buf[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.channel).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.channel).poll_close(cx)
    }
}
