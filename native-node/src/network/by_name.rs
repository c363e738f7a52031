//! TCP to an IP address or to a name. A name is looked up each time it is dialled.

use super::{Multiaddr, TransportKind, multiaddr};
use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::core::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::tcp;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

type Tcp = tcp::tokio::Transport;

/// Addresses of one name that are tried.
const TRIED: usize = 4;

/// The TCP transport, with names.
pub(super) struct ByName(Arc<Mutex<Tcp>>);

fn lock(tcp: &Mutex<Tcp>) -> MutexGuard<'_, Tcp> {
    tcp.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a name's address is meant.
type IsMeant = fn(&SocketAddr) -> bool;

/// The name and port that an address begins with, and which of the name's addresses are meant.
fn name(address: &Multiaddr) -> Option<(String, u16, IsMeant)> {
    // What is over TCP is another transport's, which asks for the TCP part alone.
    if TransportKind::of(address) != Some(TransportKind::Tcp) {
        return None;
    }
    let mut parts = address.iter();
    let (name, wanted): (_, IsMeant) = match parts.next()? {
        Protocol::Dns(name) => (name, |_| true),
        Protocol::Dns4(name) => (name, SocketAddr::is_ipv4),
        Protocol::Dns6(name) => (name, SocketAddr::is_ipv6),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some((name.into_owned(), port, wanted)),
        _ => None,
    }
}

impl ByName {
    pub(super) fn new(config: tcp::Config) -> Self {
        ByName(Arc::new(Mutex::new(Tcp::new(config))))
    }
}

impl Transport for ByName {
    type Output = <Tcp as Transport>::Output;
    type Error = io::Error;
    type ListenerUpgrade = <Tcp as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        lock(&self.0).listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        lock(&self.0).remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some((name, port, wanted)) = name(&address) else {
            return lock(&self.0).dial(address, options).map(FutureExt::boxed);
        };
        let tcp = self.0.clone();
        let dial = async move {
            let found = tokio::net::lookup_host((name.as_str(), port)).await?;
            let mut failed = io::Error::new(io::ErrorKind::NotFound, format!("the name {name} has no such address"));
            for socket in found.filter(wanted).take(TRIED) {
                let dial = lock(&tcp).dial(multiaddr(socket), options);
                let dial = dial.map_err(|e| match e {
                    TransportError::Other(e) => e,
                    TransportError::MultiaddrNotSupported(_) => io::ErrorKind::AddrNotAvailable.into(),
                })?;
                match dial.await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => failed = error,
                }
            }
            Err(failed)
        };
        Ok(dial.boxed())
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut *lock(&self.0)).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_families() {
        let at = |text: &str| name(&text.parse().unwrap());
        assert!(at("/ip4/127.0.0.1/tcp/5").is_none());
        assert!(at("/dns4/example.org/udp/5").is_none());
        assert!(at("/dns4/example.org/tcp/5/ws").is_none());
        let (four, six) = ("1.2.3.4:5".parse().unwrap(), "[::1]:5".parse().unwrap());
        for (text, takes) in [("/dns", [true, true]), ("/dns4", [true, false]), ("/dns6", [false, true])] {
            let (host, port, wanted) = at(&format!("{text}/example.org/tcp/5")).unwrap();
            assert_eq!((host.as_str(), port, [wanted(&four), wanted(&six)]), ("example.org", 5, takes));
        }
    }
}
