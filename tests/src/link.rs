//! A link to a node on loopback that can be slow, and cut: then its sockets stay open and nothing passes, as between two
//! parts of the internet that have lost each other. What was under way arrives when it is mended.

use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bytes that are passed on at once.
const PART: usize = 4096;
/// Between two looks whether the link is mended.
const LOOK: Duration = Duration::from_millis(50);

/// The link; it ends when it is dropped.
pub struct Link {
    /// Where the node at its other end is dialled: the node's address, at the link's port.
    pub address: String,
    cut: Arc<AtomicBool>,
    _task: JoinSet<()>,
}

impl Link {
    /// A link to the node at an address over TCP, such as `/ip4/127.0.0.1/tcp/7460/p2p/…`. `rate`: bytes a second each way.
    pub async fn to(address: &str, rate: Option<u32>) -> Result<Link> {
        let mut parts: Vec<String> = address.split('/').map(Into::into).collect();
        let place = parts.iter().position(|part| part == "tcp").context("no address over TCP")? + 1;
        let port = parts.get_mut(place).context("no port")?;
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        *port = listener.local_addr()?.port().to_string();
        let cut = Arc::new(AtomicBool::new(false));
        let (mut task, seen) = (JoinSet::new(), cut.clone());
        task.spawn(async move {
            let mut ways = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                // Nobody there: the dialler is told by the end of its socket.
                let Ok(far) = TcpStream::connect(target).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                ways.spawn(pass(near_in, far_out, rate, seen.clone()));
                ways.spawn(pass(far_in, near_out, rate, seen.clone()));
            }
        });
        Ok(Link { address: parts.join("/"), cut, _task: task })
    }

    /// Lets nothing pass, or everything again.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, rate: Option<u32>, cut: Arc<AtomicBool>) {
    let mut bytes = vec![0; PART];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        while cut.load(Ordering::Relaxed) {
            tokio::time::sleep(LOOK).await;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
        if let Some(rate) = rate {
            tokio::time::sleep(Duration::from_secs_f64(length as f64 / f64::from(rate))).await;
        }
    }
}
