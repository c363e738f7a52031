//! A data channel or a socket of the browser's as a stream of bytes.

use crate::outside;
use core::cell::{Cell, RefCell};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use futures::{AsyncRead, AsyncWrite};
use js_sys::{ArrayBuffer, Function, Uint8Array};
use send_wrapper::SendWrapper;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{BinaryType, Event, MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType, WebSocket};

/// Bytes of the longest message: the native side of WebRTC takes no longer ones, and sockets lose nothing by it.
const MESSAGE_MAX: usize = 8192;
/// With so much waiting in the browser nothing more is written; from so little on again.
const WAITING: (u32, u32) = (256 * 1024, 64 * 1024);
/// Milliseconds after which a socket is looked at again, which does not say when less is waiting.
const LOOK_AGAIN: u32 = 5;
/// Yamux's windows bound what an honest peer sends before it is read; a pipe that brings more is closed.
const UNREAD_MAX: usize = 4 << 20;

/// What the browser carries bytes with.
enum Carrier {
    Channel(RtcDataChannel),
    Socket(WebSocket),
}

/// Whether bytes can go through.
#[derive(PartialEq)]
enum State {
    Opening,
    Open,
    Over,
}

impl Carrier {
    fn state(&self) -> State {
        match self {
            Carrier::Channel(channel) => match channel.ready_state() {
                RtcDataChannelState::Connecting => State::Opening,
                RtcDataChannelState::Open => State::Open,
                _ => State::Over,
            },
            Carrier::Socket(socket) => match socket.ready_state() {
                WebSocket::CONNECTING => State::Opening,
                WebSocket::OPEN => State::Open,
                _ => State::Over,
            },
        }
    }

    /// Bytes that wait in the browser.
    fn waiting(&self) -> u32 {
        match self {
            Carrier::Channel(channel) => channel.buffered_amount(),
            Carrier::Socket(socket) => socket.buffered_amount(),
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), JsValue> {
        match self {
            Carrier::Channel(channel) => channel.send_with_u8_array(bytes),
            Carrier::Socket(socket) => socket.send_with_u8_array(bytes),
        }
    }

    fn close(&self) {
        match self {
            Carrier::Channel(channel) => channel.close(),
            // One that is closed already stays so.
            Carrier::Socket(socket) => drop(socket.close()),
        }
    }

    /// What the browser calls with a message, and when something else changes.
    fn on(&self, message: Option<&Function>, change: Option<&Function>) {
        match self {
            Carrier::Channel(channel) => {
                channel.set_onmessage(message);
                channel.set_onopen(change);
                channel.set_onbufferedamountlow(change);
                channel.set_onclose(change);
                channel.set_onerror(change);
            }
            Carrier::Socket(socket) => {
                socket.set_onmessage(message);
                socket.set_onopen(change);
                socket.set_onclose(change);
                socket.set_onerror(change);
            }
        }
    }
}

/// A stream of bytes. Clones are the same one. A channel is open as long as its connection (closing the handshake's would
/// reset a stream that the native side still knows), a socket as long as somebody has it.
#[derive(Clone)]
pub struct Pipe(SendWrapper<Rc<Inner>>);

struct Inner {
    carrier: Carrier,
    unread: RefCell<VecDeque<u8>>,
    ended: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
    /// Somebody will look whether less is waiting.
    looked_for: Cell<bool>,
    handlers: RefCell<Option<Handlers>>,
}

/// What the browser calls. They are taken off the carrier before they are dropped: a late event would call into nothing.
struct Handlers {
    message: Closure<dyn FnMut(MessageEvent)>,
    change: Closure<dyn FnMut(Event)>,
}

impl Pipe {
    /// Takes a channel of the browser's.
    pub fn over_channel(channel: RtcDataChannel) -> Self {
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_buffered_amount_low_threshold(WAITING.1);
        Self::over(Carrier::Channel(channel))
    }

    /// Takes a socket of the browser's.
    pub fn over_socket(socket: WebSocket) -> Self {
        socket.set_binary_type(BinaryType::Arraybuffer);
        Self::over(Carrier::Socket(socket))
    }

    fn over(carrier: Carrier) -> Self {
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
            carrier.on(Some(message.as_ref().unchecked_ref()), Some(change.as_ref().unchecked_ref()));
            Inner {
                carrier,
                unread: RefCell::default(),
                ended: Cell::new(false),
                reader: RefCell::default(),
                writer: RefCell::default(),
                looked_for: Cell::new(false),
                handlers: RefCell::new(Some(Handlers { message, change })),
            }
        });
        Pipe(SendWrapper::new(inner))
    }
}

impl Inner {
    fn received(&self, event: &MessageEvent) {
        let Ok(data) = event.data().dyn_into::<ArrayBuffer>() else { return self.end() };
        let bytes = Uint8Array::new(&data);
        let mut unread = self.unread.borrow_mut();
        if unread.len() + bytes.length() as usize > UNREAD_MAX {
            drop(unread);
            return self.end();
        }
        unread.extend(bytes.to_vec());
        drop(unread);
        self.wake();
    }

    fn end(&self) {
        self.ended.set(true);
        self.carrier.close();
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
        self.ended.get() || self.carrier.state() == State::Over
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.carrier.on(None, None);
        if let Some(Handlers { message, change }) = self.handlers.take() {
            drop((message, change));
        }
        if let Carrier::Socket(_) = self.carrier {
            self.carrier.close();
        }
    }
}

/// What the browser threw.
pub fn thrown(error: JsValue) -> io::Error {
    let text = error.dyn_ref::<js_sys::Error>().map(|e| String::from(e.message()));
    io::Error::other(text.unwrap_or_else(|| format!("{error:?}")))
}

impl AsyncRead for Pipe {
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

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let inner = &self.0;
        if inner.is_over() {
            return Poll::Ready(Err(io::Error::other("the browser closed the connection, or could not open it")));
        }
        let full = inner.carrier.waiting() >= WAITING.0;
        if full || inner.carrier.state() == State::Opening {
            *inner.writer.borrow_mut() = Some(cx.waker().clone());
            if let (true, Carrier::Socket(_)) = (full, &inner.carrier)
                && !inner.looked_for.replace(true)
            {
                let inner = Rc::downgrade(inner);
                spawn_local(async move {
                    outside::sleep(LOOK_AGAIN).await;
                    if let Some(inner) = inner.upgrade() {
                        inner.looked_for.set(false);
                        inner.wake();
                    }
                });
            }
            return Poll::Pending;
        }
        let bytes = &bytes[..bytes.len().min(MESSAGE_MAX)];
        Poll::Ready(inner.carrier.send(bytes).map(|()| bytes.len()).map_err(thrown))
    }

    /// What was written is the browser's to send: nothing is gathered here.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.carrier.close();
        Poll::Ready(Ok(()))
    }
}
