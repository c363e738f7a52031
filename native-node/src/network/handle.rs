//! What the rest of the node holds of the network.

use super::bans::{Ban, Banned};
use super::book::{self, AddressBook, BookSize};
use super::learn::Told;
use super::netaddr::{ip_of, peer_address};
use super::task::Command;
use super::{BAN_AT, Multiaddr, PeerId, REQUEST_MAX, RESPONSE_MAX, Topic};
use camelid_core::message::{KnownPeer, NetAddress, ReachResult, Services, SignedPeerRecord};
use camelid_core::units::Network;
use libp2p::gossipsub::{MessageAcceptance, MessageId};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::ResponseChannel;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Bytes of gossip and requests that may wait for the node.
pub const QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// We.
    Outbound,
}

/// A connected peer.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Its id.
    pub peer: PeerId,
    /// Its address as we see it.
    pub address: Multiaddr,
    /// Who opened the connection.
    pub direction: Direction,
    /// Its program and version, as it says; shortened.
    pub agent: String,
    /// What it does for others, as it says; nothing until it has.
    pub services: Services,
    /// How long it last took to answer a ping.
    pub ping: Option<Duration>,
    /// Its points for what it did wrong.
    pub score: u32,
    /// Since when.
    pub connected_since: SystemTime,
}

/// What happened so far, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Gossip messages dropped because the node was slow.
    pub dropped_gossip: u64,
    /// Requests dropped because the node was slow or the peer asked too often.
    pub dropped_requests: u64,
    /// Connections that ended before they had said who they are.
    pub failed_handshakes: u64,
    /// Peers banned.
    pub banned: u64,
    /// Data channels that WebRTC connections have had, the handshakes' aside: one each.
    pub data_channels: u64,
}

/// What the task shares for reading.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) listen: Vec<Multiaddr>,
    pub(super) peers: BTreeMap<PeerId, PeerInfo>,
    pub(super) counters: Counters,
    pub(super) bans: Vec<Ban>,
    /// Counted by the WebRTC transport itself.
    pub(super) data_channels: Arc<AtomicU64>,
}

/// Received bytes. They count against [`QUEUED_BYTES`] until dropped or taken.
#[derive(Debug)]
pub struct Payload {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl Payload {
    /// The bytes, if there is room for them.
    pub(super) fn new(bytes: Vec<u8>, room: &Arc<Semaphore>) -> Option<Self> {
        let size = u32::try_from(bytes.len()).ok()?;
        let _room = room.clone().try_acquire_many_owned(size).ok()?;
        Some(Payload { bytes, _room })
    }

    /// The bytes themselves; they count no longer.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What the node makes of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good: pass it on.
    Accept,
    /// Invalid in any chain: do not pass it on; whoever passed it to us gets points ([`NetworkHandle::penalise`]).
    Reject,
    /// Of no use here and now: do not pass it on.
    Ignore,
}

impl From<Verdict> for MessageAcceptance {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Reject => MessageAcceptance::Reject,
            Verdict::Ignore => MessageAcceptance::Ignore,
        }
    }
}

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Over [`GOSSIP_MAX`](super::GOSSIP_MAX).
    #[error("message of {len} bytes, at most {max} allowed")]
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Every peer's queue is full.
    #[error("every peer is too slow to take the message")]
    PeersBusy,
    /// The network has been shut down.
    #[error("the network is shut down")]
    Stopped,
    /// libp2p refused.
    #[error("the message could not be published: {0}")]
    Other(String),
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Over [`REQUEST_MAX`].
    #[error("request of {len} bytes, at most {max} allowed")]
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// No connection to the peer.
    #[error("not connected to the peer")]
    NotConnected,
    /// Too many requests are under way.
    #[error("too many requests under way")]
    Busy,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The peer closed the stream or the connection without an answer.
    #[error("the peer refused or went away: {0}")]
    Refused(String),
    /// The answer was no response, or too long; the peer has been dropped.
    #[error("the peer broke the protocol: {0}")]
    Garbage(String),
    /// The network has been shut down.
    #[error("the network is shut down")]
    Stopped,
}

/// A peer could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot reach {address}: {reason}")]
pub struct DialFailed {
    /// The address.
    pub address: String,
    /// Why.
    pub reason: String,
}

/// Where the answer to a request goes. Dropped without an answer, it tells the peer that there is none.
#[derive(Debug)]
pub struct Responder {
    pub(super) channel: ResponseChannel<Vec<u8>>,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Responder {
    /// Sends the answer. One over [`RESPONSE_MAX`] is refused here and the peer gets none.
    pub async fn send(self, response: Vec<u8>) -> Result<(), RequestError> {
        if response.len() > RESPONSE_MAX {
            return Err(RequestError::TooLong { len: response.len(), max: RESPONSE_MAX });
        }
        let command = Command::Respond { channel: self.channel, response };
        self.commands.send(command).await.map_err(|_| RequestError::Stopped)
    }
}

/// The network, for everybody but the task that runs it. Cheap to clone; the network stops with the last one.
#[derive(Clone, Debug)]
pub struct NetworkHandle {
    pub(super) network: Network,
    pub(super) book: AddressBook,
    pub(super) keypair: Keypair,
    pub(super) peer: PeerId,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) shared: Arc<Mutex<Snapshot>>,
}

/// The lock, also after a panic elsewhere: the snapshot is replaced piece by piece and never half made.
pub(super) fn lock(shared: &Mutex<Snapshot>) -> MutexGuard<'_, Snapshot> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NetworkHandle {
    /// Our own id.
    pub fn local_peer_id(&self) -> PeerId {
        self.peer
    }

    /// The network key; messages are signed with it.
    pub fn keypair(&self) -> &Keypair {
        &self.keypair
    }

    /// Where we listen.
    pub fn listen_addresses(&self) -> Vec<Multiaddr> {
        lock(&self.shared).listen.clone()
    }

    /// Where we listen, each address with our id: what another node or a browser is given to dial.
    pub fn full_addresses(&self) -> Vec<Multiaddr> {
        self.listen_addresses().into_iter().map(|address| address.with(Protocol::P2p(self.peer))).collect()
    }

    /// The announced peers.
    pub fn peers(&self) -> Vec<PeerInfo> {
        lock(&self.shared).peers.values().cloned().collect()
    }

    /// The IP address of an announced peer, as we see it.
    pub fn peer_ip(&self, peer: &PeerId) -> Option<IpAddr> {
        lock(&self.shared).peers.get(peer).and_then(|info| ip_of(&info.address))
    }

    /// How many peers the address book holds.
    pub fn book_size(&self) -> BookSize {
        self.book.size()
    }

    /// The bans.
    pub fn bans(&self) -> Vec<Ban> {
        lock(&self.shared).bans.clone()
    }

    /// Bans a peer or a machine; a peer that is connected is dropped.
    pub async fn ban(&self, who: Banned, length: Duration) {
        let _ = self.commands.send(Command::Ban { who, length }).await;
    }

    /// Ends a ban; false when there was none.
    pub async fn unban(&self, who: Banned) -> bool {
        let (done, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Unban { who, done }).await;
        sent.is_ok() && answer.await.unwrap_or(false)
    }

    /// What to tell a peer about others.
    pub fn known_peers(&self, asker: &PeerId) -> Vec<KnownPeer> {
        let (Some(ip), Some(own)) = (self.peer_ip(asker), peer_address(asker)) else { return Vec::new() };
        self.book.read().sample(&own, ip, book::now())
    }

    /// Takes what a neighbour told of itself and of others, into the address book. One that tells what nobody may is
    /// banned.
    pub async fn learn(&self, from: PeerId, own: Option<SignedPeerRecord>, known: Vec<KnownPeer>) {
        let Some(ip) = self.peer_ip(&from) else { return };
        let services = own.as_ref().map(|own| own.body.services);
        let (network, book) = (self.network, self.book.clone());
        let told = Told { network, from, ip, own, known };
        let learned = tokio::task::spawn_blocking(move || {
            let records = told.check(book::now())?;
            let new = book.add(&records);
            tracing::debug!(peer = %from, told = records.len(), new, "peers learned");
            Ok::<_, String>(())
        });
        match learned.await {
            Ok(Ok(())) => {
                if let (Some(services), Some(info)) = (services, lock(&self.shared).peers.get_mut(&from)) {
                    info.services = services;
                }
            }
            Ok(Err(reason)) => self.penalise(from, BAN_AT, format!("records refused: {reason}")).await,
            Err(_) => {}
        }
    }

    /// Dials a connected peer at its own IP address, at the ports of these addresses. `None` when it asks too often.
    pub async fn probe(&self, peer: PeerId, addresses: Vec<NetAddress>) -> Option<Vec<ReachResult>> {
        let (done, answer) = oneshot::channel();
        self.commands.send(Command::Probe { peer, addresses, done }).await.ok()?;
        answer.await.ok()?
    }

    /// What happened so far, most of it bad.
    pub fn counters(&self) -> Counters {
        let shared = lock(&self.shared);
        Counters { data_channels: shared.data_channels.load(Ordering::Relaxed), ..shared.counters }
    }

    /// Publishes a message. With nobody to tell, and when it was published before, that is no error.
    pub async fn publish(&self, topic: Topic, data: Vec<u8>) -> Result<(), PublishError> {
        let (done, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Publish { topic, data, done }).await;
        sent.map_err(|_| PublishError::Stopped)?;
        answer.await.map_err(|_| PublishError::Stopped)?
    }

    /// Asks a connected peer, and waits for its answer up to `timeout` (and never longer than
    /// [`REQUEST_TIMEOUT`](camelid_core::p2p::REQUEST_TIMEOUT)).
    pub async fn request(&self, peer: PeerId, data: Vec<u8>, timeout: Duration) -> Result<Vec<u8>, RequestError> {
        if data.len() > REQUEST_MAX {
            return Err(RequestError::TooLong { len: data.len(), max: REQUEST_MAX });
        }
        let (done, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Request { peer, data, done }).await;
        sent.map_err(|_| RequestError::Stopped)?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(RequestError::Stopped),
            Err(_) => Err(RequestError::Timeout),
        }
    }

    /// Says what to do with a gossip message. Late verdicts are harmless.
    pub async fn validate(&self, id: MessageId, from: PeerId, verdict: Verdict) {
        let _ = self.commands.send(Command::Validate { id, from, verdict }).await;
    }

    /// Adds to a peer's points. At [`BAN_AT`](super::BAN_AT) it is dropped, and banned for a while; the reason goes
    /// into the log.
    pub async fn penalise(&self, peer: PeerId, points: u32, reason: impl Into<String>) {
        let _ = self.commands.send(Command::Penalise { peer, points, reason: reason.into() }).await;
    }

    /// Connects to an address, once.
    pub async fn dial(&self, address: Multiaddr) -> Result<PeerId, DialFailed> {
        let stopped = || DialFailed { address: address.to_string(), reason: "the network is shut down".into() };
        let (done, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Dial { address: address.clone(), done }).await;
        sent.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Closes every connection and listener; returns when the ports are free.
    pub async fn shutdown(&self) {
        let (done, answer) = oneshot::channel();
        if self.commands.send(Command::Shutdown { done }).await.is_ok() {
            let _ = answer.await;
        }
    }
}
