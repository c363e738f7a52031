//! A node that prunes: what it deletes, what it still finds, and that it knows so when it is started without the option.

use anyhow::{Context, Result, ensure};
use camelid_core::encode::{Decode, Encode};
use camelid_core::keys::Address;
use camelid_core::message::{PeersRequest, Request, Response, Services};
use camelid_core::script::templates;
use camelid_core::transaction::TransactionBuilder;
use camelid_core::units::{Amount, COIN, Height, Network, Timestamp};
use camelid_node::api::types::{AddressView, ChainInfo, HistoryEntry, Status, WalletBalance};
use camelid_tests::NodeProcess;
use camelid_tests::peer::{TestPeer, grow, honest, new_chain, next_block};
use serde_json::Value;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(180);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const KEEP: u32 = 1_440;
const LENGTH: u32 = KEEP + 40;

async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(value) = check().await? {
            return Ok(value);
        }
        ensure!(begun.elapsed() < PATIENCE, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn verify(node: &NodeProcess) -> Result<Value> {
    let output = node.output(&["--json", "chain", "verify"])?;
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{text}{error}");
    Ok(serde_json::from_str(&text)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pruned_node_follows_finds_its_coins_and_says_what_it_lacks() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut node = NodeProcess::new("node", dir.path(), &["--listen", "127.0.0.1:0"]);
    node.make_wallet()?;
    node.spawn()?;
    node.ready().await?;
    let to: AddressView = node.get("/v1/wallet/address").await?;
    let to = Address::parse(&to.address, Network::Dev)?;
    let refused = node.output(&["chain", "verify"])?;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success() && why.contains("camelid node stop"), "{why}");

    // Two payments to the wallet, one in a block that will be pruned and one in a block that will not.
    let mut chain = new_chain()?;
    while chain.height() < Height(LENGTH) {
        let height = chain.height().0;
        if height == 20 || height == LENGTH - 10 {
            let from = chain.block_at(Height(height - 10))?.context("no block")?.block;
            let coin = from.transactions.first().context("no coinbase")?.outpoint(0);
            let tx = TransactionBuilder::new().input(coin).output(Amount(COIN), templates::p2pkh(to.hash)).build();
            let time = Timestamp(chain.tip().header.time.0 + 2);
            let template = chain.build_template(camelid_core::transaction::Script(vec![0x51]), [tx], time)?;
            let mut block = template.block;
            camelid_tests::peer::solve(&mut block)?;
            chain.accept_block(block, time)?;
        } else {
            grow(&mut chain)?;
        }
    }
    let next = next_block(&chain, |_| ())?;
    let tip = chain.tip_hash().to_string();
    node.stop().await?;
    node.add_args(&["--prune", "1440"]);
    node.spawn()?;
    node.ready().await?;
    let low = chain.hash_at(Height(5))?.context("no block")?;
    let high = chain.hash_at(Height(LENGTH - 5))?.context("no block")?;
    let id = node.get::<Status>("/v1/status").await?.peer_id.parse()?;
    let peer = TestPeer::connect(&node.address().await?, chain, Box::new(honest)).await?;
    let pruned = until("a pruned chain", async || {
        let info: ChainInfo = node.get("/v1/chain").await?;
        Ok((info.tip == tip && info.first_body == LENGTH - KEEP).then_some(info))
    })
    .await?;
    let balance: WalletBalance = node.get("/v1/wallet/balance").await?;
    ensure!(balance.total_units() == 2 * COIN, "{balance:?}");

    // Others and its user are told that low blocks are not here.
    for (hash, known) in [(low, false), (high, true)] {
        let request = Request::Blocks(vec![hash]).to_bytes();
        let Response::Blocks(blocks) = Response::from_bytes(&peer.network.request(id, request, ANSWER_WITHIN).await?)?
        else {
            anyhow::bail!("no answer")
        };
        ensure!(blocks.is_empty() != known, "block {hash}: {} given", blocks.len());
    }
    let request = Request::Peers(Box::new(PeersRequest { own: None })).to_bytes();
    let Response::Peers(told) = Response::from_bytes(&peer.network.request(id, request, ANSWER_WITHIN).await?)? else {
        anyhow::bail!("no answer")
    };
    let services = told.own.context("it tells nothing of itself")?.verify(Network::Dev)?.body().services;
    ensure!(services.has(Services::LIGHT) && !services.has(Services::BLOCKS), "{services:?}");
    let block = node.output(&["chain", "block", "5"])?;
    let why = String::from_utf8_lossy(&block.stderr).into_owned();
    ensure!(!block.status.success() && why.contains("was pruned") && why.contains("from height 40 on"), "{why}");

    // Started again it finds both coins, and of their history what it can; checked, it is right as far as it goes.
    node.stop().await?;
    let found = verify(&node)?;
    ensure!(found["checked"]["first_body"] == pruned.first_body, "{found}");
    ensure!(found["checked"]["blocks_connected"] == KEEP + 1, "{found}");
    ensure!(found["checked"]["unchecked_coins"].as_u64() > Some(0), "{found}");
    node.spawn()?;
    node.ready().await?;
    let after: WalletBalance = node.get("/v1/wallet/balance").await?;
    ensure!(after == balance, "before {balance:?}, after {after:?}");
    let history: Vec<HistoryEntry> = node.get("/v1/wallet/history").await?;
    ensure!(history.len() == 1 && history[0].height == Some(LENGTH - 9), "{history:?}");
    let fresh: AddressView = node.get("/v1/wallet/address").await?;
    ensure!(fresh.address != to.to_string(), "an address is given out a second time");
    ensure!(node.log().contains("its history begins at this height"), "{}", node.log());
    node.stop().await?;

    // Without the option it goes on from what it has.
    let mut again = NodeProcess::new("node", dir.path(), &["--listen", "127.0.0.1:0"]);
    again.spawn()?;
    again.ready().await?;
    let mut chain = peer.chain.lock().unwrap_or_else(PoisonError::into_inner).clone();
    chain.accept_block(next.clone(), next.header.time)?;
    let _peer = TestPeer::connect(&again.address().await?, chain, Box::new(honest)).await?;
    let info = until("the next block", async || {
        let info: ChainInfo = again.get("/v1/chain").await?;
        Ok((info.height == LENGTH + 1).then_some(info))
    })
    .await?;
    ensure!(info.first_body == pruned.first_body, "{info:?}");
    again.stop().await?;
    verify(&again).map(|_| ())
}
