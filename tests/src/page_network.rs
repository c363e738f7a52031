//! A development network with a page: one node that mines, serves the page and its faucet, and compute nodes behind it.

use crate::peer::{TestPeer, honest, new_chain};
use crate::{NodeProcess, together};
use anyhow::{Context, Result};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::ModelRoot;
use camelid_core::message::{ClientRequest, ClientResponse, OfferQuery, Request, Response};
use camelid_core::units::Amount;
use camelid_node::api::types::{ModelView, Status};
use camelid_node::models::DEFAULT_MODEL;
use camelid_node::network::{PeerId, TransportKind};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// For nodes and for browsers.
const LISTEN: [&str; 6] = [
    "--listen",
    "127.0.0.1:0",
    "--listen",
    "/ip4/127.0.0.1/tcp/0/ws",
    "--listen",
    "/ip4/127.0.0.1/udp/0/webrtc-direct",
];
/// Coins that each compute node gets: as many jobs at once may be staked.
const STAKES: usize = 4;
/// What each of them holds, in coins.
const STAKE: u64 = 20;

/// Processes in a temporary folder, which goes with them.
pub struct PageNetwork {
    /// The node that mines, and serves the page and the faucet.
    pub front: NodeProcess,
    /// The compute nodes, which are connected to it.
    pub computes: Vec<NodeProcess>,
    /// The model's name.
    pub model: String,
    root: ModelRoot,
    dir: TempDir,
}

impl PageNetwork {
    /// Makes wallets and starts all; each compute node cheats as said, or not. Without a model, with the program's own.
    pub async fn start(model: Option<&Path>, cheats: &[Option<&str>]) -> Result<PageNetwork> {
        let dir = tempfile::Builder::new().prefix("camelid-").tempdir()?;
        let front = [&LISTEN[..], &["--mine", "--mining-threads", "1", "--faucet"]].concat();
        let mut front = NodeProcess::new("front", dir.path(), &front);
        let served = model.map_or(DEFAULT_MODEL, |_| "model");
        let bring = |node: &NodeProcess| {
            node.make_wallet()?;
            match model.map(|file| file.display().to_string()) {
                Some(file) => node.command(&["model", "import", &file, "--name", "model"]).map(|_| ()),
                None => Ok(()),
            }
        };
        // The node in front has the model too: the page fetches it there.
        bring(&front)?;
        front.spawn()?;
        front.ready().await?;
        let hub = front.address_over(TransportKind::Tcp).await?;
        let mut computes = Vec::new();
        for (n, cheat) in cheats.iter().enumerate() {
            let args = [&LISTEN[..], &["--peer", &hub, "--compute", served]].concat();
            let mut node = NodeProcess::new(&format!("compute-{}", n + 1), dir.path(), &args);
            if let Some(cheat) = cheat {
                node.add_args(&["--cheat", cheat]);
            }
            bring(&node)?;
            node.spawn()?;
            computes.push(node);
        }
        for node in &mut computes {
            node.ready().await?;
        }
        let models: Vec<ModelView> = computes.first().context("no compute node")?.get("/v1/models").await?;
        let model = models.into_iter().find(|m| m.computes).context("the compute node serves no model")?;
        let root = model.root.parse()?;
        Ok(PageNetwork { front, computes, model: model.name, root, dir })
    }

    /// Where the folders of its nodes are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// All of them.
    pub fn nodes(&self) -> Vec<&NodeProcess> {
        [&self.front].into_iter().chain(&self.computes).collect()
    }

    /// Gives the compute nodes coins to stake.
    pub async fn fund(&self) -> Result<()> {
        together::fund(&self.front, &self.computes.iter().collect::<Vec<_>>(), STAKES, STAKE).await
    }

    /// Waits until the node in front tells a light client of every compute node's offer: then it can take a prompt.
    pub async fn offered(&self) -> Result<()> {
        let front: PeerId = self.front.get::<Status>("/v1/status").await?.peer_id.parse()?;
        let hub = self.front.address_over(TransportKind::Tcp).await?;
        let client = TestPeer::connect(&hub, new_chain()?, Box::new(honest)).await?;
        let query = OfferQuery { model: self.root, least_stake: Amount::ZERO };
        let question = Request::Client(ClientRequest::Offers(query)).to_bytes();
        together::until("every compute node's offer", &self.nodes(), async || {
            let answer = client.network.request(front, question.clone(), Duration::from_secs(10)).await.ok()?;
            match Response::from_bytes(&answer).ok()? {
                Response::Client(ClientResponse::Offers(offers)) => (offers.len() >= self.computes.len()).then_some(()),
                _ => None,
            }
        })
        .await
    }

    /// The first of its processes that has ended, if any.
    pub fn ended(&mut self) -> Option<&NodeProcess> {
        [&mut self.front].into_iter().chain(&mut self.computes).find_map(|node| (!node.runs()).then_some(&*node))
    }

    /// Ends all as their users would.
    pub async fn stop(mut self) -> Result<()> {
        together::stop([&mut self.front].into_iter().chain(&mut self.computes)).await
    }
}
