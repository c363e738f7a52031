//! The network: one task owns the libp2p swarm (over every [`TransportKind`]), everybody else talks to it through a
//! [`NetworkHandle`] and one bounded queue of [`NetworkEvent`]s.
//!
//! What it guarantees to the node behind it:
//!
//! - A peer is announced ([`NetworkEvent::PeerConnected`]) before anything of it arrives, and only when it speaks this
//!   network; its end ([`NetworkEvent::PeerDisconnected`]) is always told.
//! - A node that is slow to take its events costs memory up to a limit ([`Limits::event_queue`] events of
//!   [`QUEUED_BYTES`] in all). Past it, gossip and requests are dropped, counted and logged; announcements are not.
//! - Whoever breaks the protocol is dropped with one line in the log; [`BAN_AT`] points ban a peer, and the machine that
//!   it came from, for a while, restarts of the node included.
//! - It stays connected to the configured peers, and to enough others of the address book.

mod address;
mod bans;
mod book;
mod by_name;
mod close_within;
mod dialer;
mod failure;
mod files;
mod gate;
mod handle;
mod identity;
mod learn;
mod limits;
pub(crate) mod netaddr;
mod outbound;
#[cfg(test)]
mod peer_tests;
mod probe;
mod requests;
mod seeds;
mod standing;
mod task;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
#[cfg(test)]
mod transport_tests;
mod webrtc;

pub use address::{AddressError, TransportKind, multiaddr, parse_address, parse_listen_address, socket_address};
pub use bans::{Ban, Banned, BannedError};
pub use book::BookSize;
pub use camelid_core::p2p::{GOSSIP_MAX, REQUEST_MAX, RESPONSE_MAX, Topic};
pub use handle::{
    Counters, DialFailed, Direction, NetworkHandle, Payload, PeerInfo, PublishError, QUEUED_BYTES, RequestError,
    Responder, Verdict,
};
pub(crate) use identity::write_private;
pub use libp2p::gossipsub::MessageId;
pub use libp2p::identity::Keypair;
pub use libp2p::{Multiaddr, PeerId};
pub use limits::{Limits, Local};
pub use seeds::seeds;
pub use standing::BAN_AT;
pub(crate) use standing::{Quota, Rate};

use camelid_core::units::Network;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// The program and version that peers are told.
pub const AGENT: &str = concat!("camelid/", env!("CARGO_PKG_VERSION"));

/// How to take part.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Where the network key is kept; made when it is not there.
    pub identity_file: PathBuf,
    /// Where to listen; port 0 picks a free one. Empty: nowhere.
    pub listen: Vec<Multiaddr>,
    /// Peers to stay connected to.
    pub peers: Vec<Multiaddr>,
    /// Peers to ask for others while nobody else is known, beside the network's own [`seeds`].
    pub seeds: Vec<Multiaddr>,
    /// Where the address book is kept; `None` for memory alone.
    pub book_file: Option<PathBuf>,
    /// Where the bans are kept; `None` for memory alone.
    pub bans_file: Option<PathBuf>,
    /// Which network.
    pub network: Network,
    /// What peers may ask of us.
    pub limits: Limits,
    /// The keys and certificates of transports that need them.
    pub transports: TransportFiles,
}

/// The keys and certificates of transports that need them.
#[derive(Clone, Debug)]
pub struct TransportFiles {
    /// The certificate of WebRTC connections, with its key; made when it is not there.
    pub webrtc_certificate: PathBuf,
    /// The certificate for listening on WebSocket in TLS.
    pub tls: Option<TlsFiles>,
    /// Files of certificates (PEM) to trust beside the public ones, where a peer is dialled by WebSocket in TLS.
    pub tls_trust: Vec<PathBuf>,
}

impl TransportFiles {
    /// Those of a node whose files are in a folder, without TLS.
    pub fn in_folder(folder: &Path) -> Self {
        TransportFiles { webrtc_certificate: folder.join("webrtc.pem"), tls: None, tls_trust: Vec::new() }
    }
}

/// A certificate for TLS, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain of certificates (PEM), the node's own first.
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// Why the network could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The key could not be read or written.
    #[error("network key {}: {reason}", .file.display())]
    Identity {
        /// The key's file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or its key cannot be used.
    #[error("certificate {}: {reason}", .file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another program has the port.
    #[error(
        "cannot listen on {address}: the port is in use; stop the program that has it, or choose another with --listen"
    )]
    PortInUse {
        /// The address.
        address: String,
    },
    /// Listening failed otherwise.
    #[error("cannot listen on {address}: {reason}; choose another address with --listen")]
    Listen {
        /// The address.
        address: String,
        /// The system's reason.
        reason: String,
    },
    /// libp2p could not be set up.
    #[error("cannot set up the network: {0}")]
    Setup(String),
}

/// What happens on the network. Must be taken promptly; see the module's guarantees.
#[derive(Debug)]
#[non_exhaustive]
pub enum NetworkEvent {
    /// A peer of this network is connected.
    PeerConnected(PeerInfo),
    /// The last connection to an announced peer is gone.
    PeerDisconnected {
        /// The peer.
        peer: PeerId,
    },
    /// A message came in by gossip. It goes no further until [`NetworkHandle::validate`] says so.
    Gossip {
        /// What it is about.
        topic: Topic,
        /// Its id: a hash of topic and data.
        id: MessageId,
        /// Who passed it to us, not who wrote it.
        from: PeerId,
        /// The bytes.
        data: Payload,
    },
    /// A peer asks something.
    Request {
        /// Who asks.
        peer: PeerId,
        /// What.
        data: Payload,
        /// Where the answer goes; dropping it refuses.
        respond: Responder,
    },
    /// A peer speaks another network; it has been dropped. Told once a peer.
    WrongNetwork {
        /// The peer.
        peer: PeerId,
        /// Where it is.
        address: Multiaddr,
        /// What it says it speaks.
        speaks: String,
    },
}

/// Starts the network: returns when every address is being listened on.
pub async fn start(config: NetworkConfig) -> Result<(NetworkHandle, mpsc::Receiver<NetworkEvent>), NetworkError> {
    task::start(config).await
}
