//! What a node is told before it starts.

use crate::network::{Limits, Multiaddr, NetworkConfig};
use camelid_core::keys::{Address, Mnemonic};
use camelid_core::units::{Amount, Network};
use std::path::PathBuf;

/// A way to break the rules of a deal, for a development network: to see what the other side does about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Misbehaviour {
    /// None: honest.
    #[default]
    None,
    /// The node alters one token of its answer.
    AlterToken,
    /// The node computes and is paid for, and never hands over the key.
    SilentNode,
    /// The client pays and takes the answer, and never signs the close.
    SilentClient,
}

impl Misbehaviour {
    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Misbehaviour::None),
            "alter-token" => Some(Misbehaviour::AlterToken),
            "silent-node" => Some(Misbehaviour::SilentNode),
            "silent-client" => Some(Misbehaviour::SilentClient),
            _ => None,
        }
    }
}

/// What a node is told before it starts.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The network.
    pub network: Network,
    /// Where to listen for peers.
    pub listen: Vec<Multiaddr>,
    /// Peers to stay connected to.
    pub peers: Vec<Multiaddr>,
    /// Whether to mine.
    pub mine: bool,
    /// On how many cores; 0 for all.
    pub mine_threads: usize,
    /// Whether to take jobs.
    pub compute: bool,
    /// Packages to load beside those in the data directory.
    pub models: Vec<PathBuf>,
    /// The least reward for 1,000 tokens, as a computer.
    pub price: Amount,
    /// The most reward, summed up, for keys that were handed over before their settlements are buried.
    pub exposure_limit: Amount,
    /// Where blocks pay; a new address of the wallet without.
    pub mine_to: Option<Address>,
    /// The wallet's words; none without a wallet.
    pub mnemonic: Option<Mnemonic>,
    /// How to misbehave; on a development network only.
    pub misbehave: Misbehaviour,
    /// What peers may ask of us.
    pub limits: Limits,
}

impl NodeConfig {
    pub(super) fn network_config(&self) -> NetworkConfig {
        NetworkConfig {
            identity_file: self.data_dir.join("network.key"),
            listen: self.listen.clone(),
            peers: self.peers.clone(),
            network: self.network,
            limits: self.limits,
        }
    }
}
