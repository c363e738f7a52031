//! A link between two nodes on loopback that can be cut: its sockets stay open, and nothing passes any more.

use crate::network::{Multiaddr, TransportKind, socket_address};
use libp2p::multiaddr::Protocol;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// The link; it ends when it is dropped.
pub(super) struct Link {
    /// Where the other end of the link is dialled: the address of the node behind it, at the link's port.
    pub(super) address: Multiaddr,
    cut: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

/// Where nobody listens yet.
const ANYWHERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

impl Link {
    /// A link to the node at an address.
    pub(super) async fn to(address: &Multiaddr) -> Link {
        let (target, cut, mut tasks) = (socket_address(address).unwrap(), Arc::default(), JoinSet::new());
        let port = match TransportKind::of(address) {
            Some(TransportKind::Quic | TransportKind::WebRtc) => udp(target, &cut, &mut tasks).await,
            _ => tcp(target, &cut, &mut tasks).await,
        };
        let address = address.iter().map(|part| match part {
            Protocol::Tcp(_) => Protocol::Tcp(port),
            Protocol::Udp(_) => Protocol::Udp(port),
            other => other,
        });
        Link { address: address.collect(), cut, _tasks: tasks }
    }

    /// Lets nothing pass from now on.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }
}

async fn tcp(target: SocketAddr, cut: &Arc<AtomicBool>, tasks: &mut JoinSet<()>) -> u16 {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let (port, cut) = (listener.local_addr().unwrap().port(), cut.clone());
    tasks.spawn(async move {
        let mut ways = JoinSet::new();
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(target).await.unwrap();
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            for (mut from, mut to) in [(near_in, far_out), (far_in, near_out)] {
                let cut = cut.clone();
                ways.spawn(async move {
                    let mut bytes = vec![0; 16 * 1024];
                    loop {
                        match from.read(&mut bytes).await {
                            // What is not read any more fills the sender's buffers, as behind a dead link.
                            _ if cut.load(Ordering::Relaxed) => std::future::pending().await,
                            Ok(0) | Err(_) => break,
                            Ok(n) => {
                                if to.write_all(&bytes[..n]).await.is_err() {
                                    break;
                                }
                            }
                        }
                    }
                });
            }
        }
    });
    port
}

/// As a router does it: each dialer's socket has one of its own on the other side, so that a second attempt is not taken
/// for the first.
async fn udp(target: SocketAddr, cut: &Arc<AtomicBool>, tasks: &mut JoinSet<()>) -> u16 {
    let near = Arc::new(UdpSocket::bind(ANYWHERE).await.unwrap());
    let (port, cut) = (near.local_addr().unwrap().port(), cut.clone());
    tasks.spawn(async move {
        let (mut ways, mut back) = (HashMap::<SocketAddr, Arc<UdpSocket>>::new(), JoinSet::new());
        let mut bytes = vec![0; 65_536];
        while let Ok((n, dialer)) = near.recv_from(&mut bytes).await {
            let far = match ways.entry(dialer) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let far = Arc::new(UdpSocket::bind(ANYWHERE).await.unwrap());
                    far.connect(target).await.unwrap();
                    back.spawn(answers(far.clone(), near.clone(), dialer, cut.clone()));
                    new.insert(far)
                }
            };
            if !cut.load(Ordering::Relaxed) {
                let _ = far.send(&bytes[..n]).await;
            }
        }
    });
    port
}

/// Passes on what comes back to one dialer.
async fn answers(far: Arc<UdpSocket>, near: Arc<UdpSocket>, dialer: SocketAddr, cut: Arc<AtomicBool>) {
    let mut bytes = vec![0; 65_536];
    loop {
        // An error says that nobody listened to an earlier packet.
        if let (Ok(n), false) = (far.recv(&mut bytes).await, cut.load(Ordering::Relaxed)) {
            let _ = near.send_to(&bytes[..n], dialer).await;
        }
    }
}
