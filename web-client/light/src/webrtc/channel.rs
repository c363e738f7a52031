//! A data channel as a stream of bytes.

use core::cell::{Cell, RefCell};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use futures::{AsyncRead, AsyncWrite};
use js_sys::{ArrayBuffer, Uint8Array};
use send_wrapper::SendWrapper;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

/// Bytes of the longest message: the native side takes no longer ones.
const MESSAGE_MAX: usize = 8192;
/// With so much waiting in the browser nothing more is written; from so little on again.
const WAITING: (u32, u32) = (256 * 1024, 64 * 1024);
/// Yamux's windows bound what an honest peer sends before it is read; a channel that brings more is closed.
const UNREAD_MAX: usize = 4 << 20;

/// A data channel. Clones are the same channel; it is open as long as its connection. (Closing the handshake's would reset a
/// stream that the native side still knows.)
#[derive(Clone)]
pub struct Channel(SendWrapper<Rc<Inner>>);

struct Inner {
    channel: RtcDataChannel,
    unread: RefCell<VecDeque<u8>>,
    ended: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
    handlers: RefCell<Option<Handlers>>,
}

/// What the browser calls. They are taken off the channel before they are dropped: a late event would call into nothing.
struct Handlers {
    message: Closure<dyn FnMut(MessageEvent)>,
    change: Closure<dyn FnMut(Event)>,
}

impl Channel {
    /// Takes a channel of the browser's.
    pub fn new(channel: RtcDataChannel) -> Self {
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_buffered_amount_low_threshold(WAITING.1);
        let inner = Rc::new_cyclic(|this: &Weak<Inner>| {
            let (on_message, on_change) = (this.clone(), this.clone());
            let message = Closure::new(move |event: MessageEvent| {
                if let Some(inner) = on_message.upgrade() {
                    inner.received(&event);
                }
            });
            let change = Closure::new(move |_: Event| {
                if let Some(inner) = on_change.upgrade() {
                    inner.wake();
                }
            });
            channel.set_onmessage(Some(message.as_ref().unchecked_ref()));
            let on_change = Some(change.as_ref().unchecked_ref());
            channel.set_onopen(on_change);
            channel.set_onbufferedamountlow(on_change);
            channel.set_onclose(on_change);
            channel.set_onerror(on_change);
            Inner {
                channel,
                unread: RefCell::default(),
                ended: Cell::new(false),
                reader: RefCell::default(),
                writer: RefCell::default(),
                handlers: RefCell::new(Some(Handlers { message, change })),
            }
        });
        Channel(SendWrapper::new(inner))
    }
}

impl Inner {
    fn received(&self, event: &MessageEvent) {
        let Ok(data) = event.data().dyn_into::<ArrayBuffer>() else { return self.end() };
        let bytes = Uint8Array::new(&data).to_vec();
        let mut unread = self.unread.borrow_mut();
        if unread.len() + bytes.len() > UNREAD_MAX {
            drop(unread);
            return self.end();
        }
        unread.extend(bytes);
        drop(unread);
        self.wake();
    }

    fn end(&self) {
        self.ended.set(true);
        self.channel.close();
        self.wake();
    }

    fn wake(&self) {
        for waker in [&self.reader, &self.writer] {
            if let Some(waker) = waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ended.get()
            || matches!(self.channel.ready_state(), RtcDataChannelState::Closing | RtcDataChannelState::Closed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.set_onopen(None);
        self.channel.set_onbufferedamountlow(None);
        self.channel.set_onclose(None);
        self.channel.set_onerror(None);
        if let Some(Handlers { message, change }) = self.handlers.take() {
            drop((message, change));
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut unread = self.0.unread.borrow_mut();
        if !unread.is_empty() {
            return Poll::Ready(unread.read(buffer));
        }
        if self.0.is_over() {
            return Poll::Ready(Ok(0));
        }
        *self.0.reader.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.0.is_over() {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let open = self.0.channel.ready_state() == RtcDataChannelState::Open;
        if !open || self.0.channel.buffered_amount() >= WAITING.0 {
            *self.0.writer.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes = &bytes[..bytes.len().min(MESSAGE_MAX)];
        match self.0.channel.send_with_u8_array(bytes) {
            Ok(()) => Poll::Ready(Ok(bytes.len())),
            Err(error) => Poll::Ready(Err(super::thrown(error))),
        }
    }

    /// What was written is the browser's to send: nothing is gathered here.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.channel.close();
        Poll::Ready(Ok(()))
    }
}
