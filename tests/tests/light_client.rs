//! A client that holds headers alone finds its own coin on a real node, and believes nothing that is not proved.

use anyhow::{Context, Result, bail, ensure};
use camelid_core::block::{Block, Header};
use camelid_core::encode::{Decode, Encode};
use camelid_core::filter::{committed_header, key_after};
use camelid_core::hash::{BlockHash, FilterHeader};
use camelid_core::keys::{Address, SecretKey};
use camelid_core::message::{FilterRange, HeaderRange, LightRequest, LightResponse, Request, Response};
use camelid_core::script::templates;
use camelid_core::transaction::{OutPoint, Script};
use camelid_core::units::{Amount, COIN, Height, Network, Timestamp};
use camelid_node::api::types::{SendRequest, SendResponse, Status, WalletBalance};
use camelid_node::network::PeerId;
use camelid_tests::NodeProcess;
use camelid_tests::peer::{TestChain, TestPeer, new_chain};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A light client: a chain of which it fetches headers alone, and one neighbour.
struct Light {
    peer: TestPeer,
    node: PeerId,
    chain: TestChain,
    headers: Vec<Header>,
}

impl Light {
    async fn ask(&self, request: Request) -> Result<Response> {
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

    async fn ask_light(&self, request: LightRequest) -> Result<LightResponse> {
        match self.ask(Request::Light(request)).await? {
            Response::Light(response) => Ok(response),
            other => bail!("{other:?}"),
        }
    }

    /// Fetches the headers that it does not have, and checks them.
    async fn follow(&mut self) -> Result<()> {
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

    fn tip(&self) -> BlockHash {
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
    async fn matching_blocks(&self, scripts: &[Script]) -> Result<Vec<Block>> {
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
fn coins(blocks: &[Block], scripts: &[Script]) -> Vec<(OutPoint, Amount)> {
    let mut coins: Vec<(OutPoint, Amount)> = Vec::new();
    for tx in blocks.iter().flat_map(|b| &b.transactions) {
        coins.retain(|(outpoint, _)| !tx.inputs.iter().any(|i| i.previous == *outpoint));
        let ours = (0..).zip(&tx.outputs).filter(|(_, o)| scripts.contains(&o.script_pubkey));
        coins.extend(ours.map(|(index, o)| (tx.outpoint(index), o.value)));
    }
    coins
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_headers_alone_finds_its_coin() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut node =
        NodeProcess::new("node", dir.path(), &["--listen", "127.0.0.1:0", "--mine", "--mining-threads", "1"]);
    node.make_wallet()?;
    node.spawn()?;
    node.ready().await?;
    let begun = Instant::now();
    while node.get::<WalletBalance>("/v1/wallet/balance").await?.confirmed_units < 10 * COIN {
        ensure!(begun.elapsed() < PATIENCE, "no mined coin");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The client's own key, which the node knows nothing about.
    let key = SecretKey::from_bytes([77; 32])?;
    let address = Address::new(Network::Dev, &key.public_key()).to_string();
    let request = SendRequest { address, amount_units: 3 * COIN, fee_rate_units: None };
    let sent: SendResponse = node.post("/v1/wallet/send", &request).await?;

    let id = node.get::<Status>("/v1/status").await?.peer_id.parse()?;
    // It answers nobody.
    let peer = TestPeer::connect(&node.address().await?, new_chain()?, Box::new(|_, _| None)).await?;
    let mut client = Light { peer, node: id, chain: new_chain()?, headers: Vec::new() };
    let scripts = [templates::p2pkh(key.public_key().hash())];
    let begun = Instant::now();
    let blocks = loop {
        client.follow().await?;
        let blocks = client.matching_blocks(&scripts).await?;
        if !blocks.is_empty() {
            break blocks;
        }
        ensure!(begun.elapsed() < PATIENCE, "the coin was not found: {}", node.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    ensure!(blocks.len() == 1, "{} blocks were fetched for one coin", blocks.len());
    let found = coins(&blocks, &scripts);
    ensure!(found.len() == 1 && found[0].1 == Amount(3 * COIN), "{found:?}");
    ensure!(found[0].0.txid.to_string() == sent.txid);

    // The same by a proof, for who knows the transaction.
    let LightResponse::Proof(proof) = client.ask_light(LightRequest::Proof(found[0].0.txid)).await? else {
        bail!("no proof")
    };
    proof.verify()?;
    ensure!(client.headers.get(proof.height.0 as usize) == Some(&proof.header));
    ensure!(proof.transaction.outputs[found[0].0.index as usize].script_pubkey == scripts[0]);
    // Strangers' scripts find nothing, and the checkpoints are those of a chain that has none yet.
    ensure!(client.matching_blocks(&[templates::p2pkh(Default::default())]).await?.is_empty());
    let range = FilterRange { start: Height(1), stop: client.tip() };
    ensure!(client.ask_light(LightRequest::Checkpoints(range)).await? == LightResponse::Checkpoints(Vec::new()));
    node.stop().await
}
