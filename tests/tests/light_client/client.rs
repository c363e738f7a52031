//! A client that holds headers alone.

use anyhow::{Context, Result, bail, ensure};
use camelid_core::block::{Block, Header};
use camelid_core::chain::TransactionProof;
use camelid_core::contract::WalletRules;
use camelid_core::deal::Facts;
use camelid_core::encode::{Decode, Encode};
use camelid_core::filter::{committed_header, key_after};
use camelid_core::hash::{BlockHash, FilterHeader, Txid};
use camelid_core::job::PeerAddress;
use camelid_core::message::{
    ClientRequest, ClientResponse, Envelope, FilterRange, HeaderRange, LightRequest, LightResponse, ModelRequest,
    ModelResponse, Payload, Request, Response,
};
use camelid_core::transaction::{OutPoint, Script};
use camelid_core::units::{Amount, Height, Timestamp};
use camelid_node::api::types::Status;
use camelid_node::network::PeerId;
use camelid_tests::NodeProcess;
use camelid_tests::peer::{Answers, TestChain, TestPeer, new_chain};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A light client: a chain of which it fetches headers alone, and one neighbour.
pub struct Light {
    pub peer: TestPeer,
    node: PeerId,
    pub chain: TestChain,
    pub headers: Vec<Header>,
}

impl Light {
    /// Connects to a node, with nothing but the first block.
    pub async fn connect(node: &NodeProcess, answers: Box<Answers>) -> Result<Light> {
        let id = node.get::<Status>("/v1/status").await?.peer_id.parse()?;
        let peer = TestPeer::connect(&node.address().await?, new_chain()?, answers).await?;
        Ok(Light { peer, node: id, chain: new_chain()?, headers: Vec::new() })
    }

    /// Asks until there is an answer.
    pub async fn ask(&self, request: Request) -> Result<Response> {
        let begun = Instant::now();
        loop {
            match self.peer.network.request(self.node, request.to_bytes(), ANSWER_WITHIN).await {
                Ok(bytes) => return Ok(Response::from_bytes(&bytes)?),
                Err(error) if begun.elapsed() > PATIENCE => return Err(error.into()),
                // Not connected yet.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    pub async fn ask_light(&self, request: LightRequest) -> Result<LightResponse> {
        match self.ask(Request::Light(request)).await? {
            Response::Light(response) => Ok(response),
            other => bail!("{other:?}"),
        }
    }

    pub async fn ask_model(&self, request: ModelRequest) -> Result<ModelResponse> {
        match self.ask(Request::Model(request)).await? {
            Response::Model(response) => Ok(response),
            other => bail!("{other:?}"),
        }
    }

    pub async fn ask_client(&self, request: ClientRequest) -> Result<ClientResponse> {
        match self.ask(Request::Client(request)).await? {
            Response::Client(response) => Ok(response),
            other => bail!("{other:?}"),
        }
    }

    /// Submits a message of its own; gives the reason where it is refused.
    pub async fn submit(&self, payload: &Payload) -> Result<Option<String>> {
        self.submit_envelope(self.peer.envelope(payload)?).await
    }

    pub async fn submit_envelope(&self, envelope: Envelope) -> Result<Option<String>> {
        match self.ask_client(ClientRequest::Submit(Box::new(envelope))).await? {
            ClientResponse::Accepted => Ok(None),
            ClientResponse::Refused(reason) => Ok(Some(reason.to_string())),
            other => bail!("{other:?}"),
        }
    }

    /// Has a message for one peer passed on.
    pub async fn forward(&self, to: PeerAddress, payload: &Payload) -> Result<()> {
        let envelope = self.peer.envelope_to(Some(to), payload)?;
        match self.ask(Request::Forward(Box::new(envelope))).await? {
            Response::Forwarded => Ok(()),
            other => bail!("{other:?}"),
        }
    }

    /// A transaction that is in a block of the chain that it follows; none as long as it is in no block.
    pub async fn proof(&mut self, txid: Txid) -> Result<Option<TransactionProof>> {
        match self.ask_light(LightRequest::Proof(txid)).await? {
            LightResponse::Proof(proof) => {
                proof.verify()?;
                self.follow().await?;
                ensure!(self.headers.get(proof.height.0 as usize) == Some(&proof.header), "another chain's block");
                ensure!(proof.transaction.txid() == txid, "another transaction");
                Ok(Some(*proof))
            }
            LightResponse::NotFound => Ok(None),
            other => bail!("{other:?}"),
        }
    }

    /// What it knows now.
    pub fn facts<'a>(&self, rules: &'a WalletRules) -> Result<Facts<'a>> {
        let now = Timestamp(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as u32);
        let tip = Height(self.headers.len() as u32 - 1);
        Ok(Facts { network: self.chain.params(), rules, tip, tip_hash: self.tip(), now })
    }

    /// Fetches the headers that it does not have, and checks them.
    pub async fn follow(&mut self) -> Result<()> {
        let start = Height(self.headers.len() as u32);
        let request = LightRequest::Headers(HeaderRange { start, count: 2000 });
        let LightResponse::Headers(new) = self.ask_light(request).await? else { bail!("no headers") };
        let own = if start == Height(0) { &new[1..] } else { &new[..] };
        ensure!(start > Height(0) || new[0].hash() == self.chain.params().genesis().hash());
        self.chain.accept_headers(own, Timestamp(u32::MAX)).context("headers")?;
        self.headers.extend(new);
        ensure!(self.chain.height() == Height(0), "it has no block");
        Ok(())
    }

    pub fn tip(&self) -> BlockHash {
        self.headers.last().map_or(BlockHash::ZERO, |h| h.hash())
    }

    /// All filter headers up to the tip; proved by the one that the tip's coinbase commits to.
    async fn filter_headers(&self) -> Result<Vec<FilterHeader>> {
        let range = FilterRange { start: Height(0), stop: self.tip() };
        let LightResponse::FilterHeaders(filters) = self.ask_light(LightRequest::FilterHeaders(range)).await? else {
            bail!("no filter headers")
        };
        ensure!(filters.previous == FilterHeader::ZERO && filters.hashes.len() == self.headers.len());
        let LightResponse::Proof(proof) = self.ask_light(LightRequest::CoinbaseProof(self.tip())).await? else {
            bail!("no proof")
        };
        proof.verify()?;
        ensure!(proof.header.hash() == self.tip() && proof.height.0 as usize == self.headers.len() - 1);
        let headers = filters.headers();
        ensure!(committed_header(&proof.transaction).as_ref() == headers.last(), "another commitment");
        Ok(headers)
    }

    /// The blocks that the filters say have to do with one of `scripts`.
    pub async fn matching_blocks(&self, scripts: &[Script]) -> Result<Vec<Block>> {
        let headers = self.filter_headers().await?;
        let range = FilterRange { start: Height(0), stop: self.tip() };
        let LightResponse::Filters(filters) = self.ask_light(LightRequest::Filters(range)).await? else {
            bail!("no filters")
        };
        ensure!(filters.len() == headers.len());
        let (mut previous, mut blocks) = (FilterHeader::ZERO, Vec::new());
        for ((filter, header), block) in filters.iter().zip(headers).zip(&self.headers) {
            ensure!(previous.next(&filter.hash()) == header, "a filter of somebody's own");
            previous = header;
            if filter.matches_any(&key_after(&block.previous), scripts.iter().map(Script::as_bytes))? {
                let Response::Blocks(mut found) = self.ask(Request::Blocks(vec![block.hash()])).await? else {
                    bail!("no block")
                };
                let found = found.pop().context("no block")?;
                ensure!(found.header == *block && found.merkle_root() == block.merkle_root);
                blocks.push(found);
            }
        }
        Ok(blocks)
    }
}

/// What pays to one of `scripts` in these blocks and is not spent in them.
pub fn coins(blocks: &[Block], scripts: &[Script]) -> Vec<(OutPoint, Amount)> {
    let mut coins: Vec<(OutPoint, Amount)> = Vec::new();
    for tx in blocks.iter().flat_map(|b| &b.transactions) {
        coins.retain(|(outpoint, _)| !tx.inputs.iter().any(|i| i.previous == *outpoint));
        let ours = (0..).zip(&tx.outputs).filter(|(_, o)| scripts.contains(&o.script_pubkey));
        coins.extend(ours.map(|(index, o)| (tx.outpoint(index), o.value)));
    }
    coins
}
