//! What waits outlives a restart: strangers' transactions with their time of arrival, offered jobs, who serves what.

use anyhow::{Context, Result, ensure};
use camelid_core::encode::{Decode, Encode};
use camelid_core::keys::Address;
use camelid_core::message::{Envelope, Request, Response, Topic};
use camelid_core::script::templates;
use camelid_core::transaction::{Transaction, TransactionBuilder};
use camelid_core::units::{Amount, COIN, Height, Network};
use camelid_node::api::types::{AddressView, ChainInfo, HistoryEntry, Status};
use camelid_tests::peer::{TestChain, TestPeer, grow, honest, new_chain};
use camelid_tests::{Cluster, NodeProcess, Role, job, random_package};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Asks again and again until there is an answer.
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

async fn pool(node: &NodeProcess) -> Result<u32> {
    Ok(node.get::<ChainInfo>("/v1/chain").await?.pool)
}

/// Spends the coinbase of a block, which anybody may, to `parts` outputs for `to`.
fn payment(chain: &TestChain, height: u32, to: &Address, parts: u64) -> Result<Transaction> {
    let block = chain.block_at(Height(height))?.context("no such block")?.block;
    let coin = block.transactions.first().context("no coinbase")?;
    let value = coin.outputs.first().context("no output")?.value.0 - 10_000;
    let builder = TransactionBuilder::new().input(coin.outpoint(0));
    let pays = |b: TransactionBuilder, _| b.output(Amount(value / parts), templates::p2pkh(to.hash));
    Ok((0..parts).fold(builder, pays).build())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_transactions_outlive_a_stop() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut node = NodeProcess::new("node", dir.path(), &["--listen", "127.0.0.1:0"]);
    node.make_wallet()?;
    node.spawn()?;
    node.ready().await?;
    let to: AddressView = node.get("/v1/wallet/address").await?;
    let to = Address::parse(&to.address, Network::Dev)?;
    let mut chain = new_chain()?;
    while chain.height() < Height(12) {
        grow(&mut chain)?;
    }
    let parent = payment(&chain, 1, &to, 2)?;
    let second = payment(&chain, 2, &to, 1)?;
    let tip = chain.tip_hash().to_string();
    let peer = TestPeer::connect(&node.address().await?, chain, Box::new(honest)).await?;
    until("the chain", async || Ok((node.get::<Status>("/v1/status").await?.tip == tip).then_some(()))).await?;
    // Said again until it is heard: the peer's topics may not be known at once.
    for (count, tx) in [(1, &parent), (2, &second)] {
        until("the pool", async || {
            let envelope = peer.envelope(&tx.clone().into())?;
            let _ = peer.network.publish(Topic::Transactions, envelope.to_bytes()).await;
            Ok((pool(&node).await? >= count).then_some(()))
        })
        .await?;
    }
    let before: Vec<HistoryEntry> = node.get("/v1/wallet/history").await?;
    ensure!(before.len() == 2 && before.iter().all(|entry| entry.height.is_none()), "{before:?}");
    peer.network.shutdown().await;
    drop(peer);
    node.stop().await?;
    node.spawn()?;
    node.ready().await?;
    ensure!(pool(&node).await? == 2, "the pool is another: {}", node.log());
    let after: Vec<HistoryEntry> = node.get("/v1/wallet/history").await?;
    ensure!(after == before, "before {before:?}, after {after:?}");

    // A file that is none costs the pool, and nothing else.
    node.stop().await?;
    let file = node.dir().join("pools.bin");
    let mut bytes = std::fs::read(&file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes)?;
    node.spawn()?;
    node.ready().await?;
    ensure!(pool(&node).await? == 0 && node.dir().join("pools.damaged").exists());
    ensure!(node.log().contains("the pools of before are not readable"), "{}", node.log());
    node.stop().await
}

/// What a node tells a newcomer of its pools.
async fn pools(node: &NodeProcess) -> Result<Vec<Envelope>> {
    let id = node.get::<Status>("/v1/status").await?.peer_id.parse()?;
    let peer = TestPeer::connect(&node.address().await?, new_chain()?, Box::new(honest)).await?;
    let answer =
        until("an answer", async || Ok(peer.network.request(id, Request::Pools.to_bytes(), ANSWER_WITHIN).await.ok()))
            .await?;
    match Response::from_bytes(&answer)? {
        Response::Pools(messages) => Ok(messages),
        other => anyhow::bail!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offered_jobs_outlive_a_stop() -> Result<()> {
    let package = random_package(7)?;
    let mut cluster = Cluster::start(Some(&package)).await?;
    cluster.fund(2, 10).await?;
    cluster.miner.keep_address().await?;
    // Somebody who serves is known, and gone.
    let first = cluster.submit(&job(&cluster.model, "the first one", 4, COIN / 10)).await?;
    cluster.reached(&first.id, "paid").await?;
    cluster.over(&first.id).await?;
    cluster.node(Role::Compute).stop().await?;
    let offered = cluster.submit(&job(&cluster.model, "nobody answers", 4, COIN / 10)).await?;
    let heard = |messages: &[Envelope]| {
        let of_job = |envelope: &&Envelope| envelope.kind == 4 && envelope.open(Network::Dev).is_ok();
        (messages.iter().filter(of_job).count(), messages.iter().filter(|envelope| envelope.kind == 3).count())
    };
    let before = until("the offer at the miner", async || {
        let found = heard(&pools(&cluster.miner).await?);
        Ok((found.0 > 0).then_some(found))
    })
    .await?;
    ensure!(before == (1, 1), "{before:?} jobs and services");
    // The only other one who knows is gone too.
    cluster.node(Role::Client).kill();
    cluster.node(Role::Miner).stop().await?;
    cluster.miner.spawn()?;
    cluster.miner.ready().await?;
    let after = pools(&cluster.miner).await?;
    ensure!(heard(&after) == before, "{} messages: {}", after.len(), cluster.miner.log());
    // The client's own pool too, after it was killed: from the miner, and from its journal.
    cluster.client.spawn()?;
    cluster.client.ready().await?;
    let view = cluster.job(Role::Client, &offered.id).await?;
    ensure!(!view.over, "{view:#?}");
    cluster.client.stop().await?;
    cluster.miner.stop().await
}
