//! Peers that break the protocol are dropped, and the node lives on, in bounded memory; honest peers are followed, however far
//! behind the node is.

use anyhow::{Context, Result, ensure};
use camelid_core::encode::Encode;
use camelid_core::hash::{Hash32, KeyHash};
use camelid_core::message::{ChainStatus, Payload, Request, Response, Topic};
use camelid_core::script::templates;
use camelid_core::transaction::{Script, TransactionBuilder};
use camelid_core::units::{Amount, Height};
use camelid_node::api::types::{PeerView, Status};
use camelid_tests::NodeProcess;
use camelid_tests::peer::{Answers, TestChain, TestPeer, grow, honest, new_chain, next_block, next_block_to};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

async fn until(what: &str, mut check: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !check().await? {
        ensure!(begun.elapsed() < PATIENCE, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn has_peer(node: &NodeProcess, id: &str) -> Result<bool> {
    Ok(node.get::<Vec<PeerView>>("/v1/peers").await?.iter().any(|p| p.peer == id))
}

async fn height(node: &NodeProcess) -> Result<u32> {
    Ok(node.get::<Status>("/v1/status").await?.height)
}

/// Connects a peer, does `attack` again and again, and waits until the node has dropped it.
async fn dropped(
    node: &NodeProcess,
    what: &str,
    why: &str,
    answers: Box<Answers>,
    attack: impl AsyncFn(&TestPeer) -> Result<()>,
) -> Result<()> {
    let to = node.address().await?;
    let peer = TestPeer::connect(&to, new_chain()?, answers).await?;
    let id = peer.id().to_string();
    // The log tells of peers that were there too short for the peers route to show them.
    let begun = Instant::now();
    let told = loop {
        let log = node.log();
        let about: Vec<_> = log.lines().filter(|l| l.contains(&id)).collect();
        if about.iter().any(|l| l.contains("dropped and banned")) {
            break about.join("\n");
        }
        ensure!(begun.elapsed() < PATIENCE, "{what}: the peer was not dropped: {log}");
        attack(&peer).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    ensure!(told.contains(why), "{what}: {told}");
    until(what, async || Ok(!has_peer(node, &id).await?)).await
}

/// Whatever they send, the node's memory stays below 1 GiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_breaks_the_protocol_is_dropped() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut node = NodeProcess::new("node", dir.path(), &["--listen", "127.0.0.1:0"]);
    node.spawn()?;
    node.ready().await?;
    let mut friend = NodeProcess::new("friend", dir.path(), &["--listen", "127.0.0.1:0"]);
    friend.add_args(&["--peer", &node.address().await?]);
    friend.spawn()?;
    friend.ready().await?;
    let target = node.get::<Status>("/v1/status").await?.peer_id.parse()?;

    let gossip = async |peer: &TestPeer, topic: Topic, bytes: Vec<u8>| {
        let _ = peer.network.publish(topic, bytes).await;
        anyhow::Ok(())
    };
    let ask = async |peer: &TestPeer, bytes: Vec<u8>| {
        let _ = peer.network.request(target, bytes, ANSWER_WITHIN).await;
        anyhow::Ok(())
    };
    dropped(&node, "garbage gossip", "gossip that is no message", Box::new(honest), async |p| {
        let mut bytes = p.envelope(&grow(&mut new_chain()?)?.into())?.to_bytes();
        bytes.truncate(40);
        gossip(p, Topic::Blocks, bytes).await
    })
    .await?;
    dropped(&node, "a garbage request", "request that is none", Box::new(honest), async |p| {
        ask(p, vec![0xff; 4096]).await
    })
    .await?;
    dropped(&node, "a forged message to pass on", "the signature is not the sender's", Box::new(honest), async |p| {
        let mut envelope = p.envelope(&grow(&mut new_chain()?)?.into())?;
        envelope.receiver = Some(envelope.sender.clone());
        ask(p, Request::Forward(Box::new(envelope)).to_bytes()).await
    })
    .await?;

    // Blocks that break a rule, each with its proof of work but the first.
    let chain = new_chain()?;
    let mut lazy = next_block(&chain, |_| ())?;
    while lazy.header.bits.target()?.is_met_by(&lazy.hash()) {
        lazy.header.nonce = lazy.header.nonce.wrapping_add(1);
    }
    let wrong_root = next_block(&chain, |b| b.header.merkle_root = Hash32([7; 32]))?;
    let greedy = next_block(&chain, |b| {
        b.transactions[0].outputs[0].value.0 += 1;
        b.header.merkle_root = b.merkle_root();
    })?;
    let contract = next_block(&chain, |b| {
        b.transactions[0].outputs[0].script_pubkey = Script(vec![0xc0, 0x01, 0x00]);
        b.header.merkle_root = b.merkle_root();
    })?;
    for (what, why, block) in [
        ("no proof of work", "does not reach target", lazy),
        ("a wrong merkle root", "the header's merkle root is", wrong_root),
        ("too much coinbase", "coinbase", greedy),
        ("a contract from nothing", "contract", contract),
    ] {
        dropped(&node, what, why, Box::new(honest), async |p| {
            let envelope = p.envelope(&Payload::from(block.clone()))?;
            gossip(p, Topic::Blocks, envelope.to_bytes()).await
        })
        .await?;
        ensure!(height(&node).await? == 0, "the node took a block with {what}");
    }

    // Answers that are none, and headers that follow nothing.
    let loose = {
        let mut chain = new_chain()?;
        grow(&mut chain)?;
        grow(&mut chain)?.header
    };
    dropped(
        &node,
        "headers that do not connect",
        "headers refused",
        Box::new(move |chain, request| match request {
            Request::Status(_) => {
                let (tip, time) = (loose.hash(), loose.time);
                let genesis = chain.params().genesis().hash();
                Some(Response::Status(ChainStatus { genesis, tip, height: Height(9), time }).to_bytes())
            }
            Request::Headers(_) => Some(Response::Headers(vec![loose]).to_bytes()),
            other => honest(chain, other),
        }),
        async |_| Ok(()),
    )
    .await?;
    dropped(
        &node,
        "an answer that is none",
        "an answer that is none",
        Box::new(|_, _| Some(vec![0xee; 1000])),
        async |_| Ok(()),
    )
    .await?;

    // Its friends have noticed nothing, and a block from an honest peer reaches them.
    let mut chain = new_chain()?;
    let block = grow(&mut chain)?;
    let peer = TestPeer::connect(&node.address().await?, chain, Box::new(honest)).await?;
    until("the honest peer's block", async || Ok(height(&friend).await? == 1)).await?;
    ensure!(node.get::<Status>("/v1/status").await?.tip == block.hash().to_string());
    ensure!(has_peer(&node, &peer.id().to_string()).await?, "an honest peer was dropped");
    let memory = node.memory_bytes()?;
    ensure!(memory < 1 << 30, "the node holds {memory} bytes");
    friend.stop().await?;
    node.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_chain_is_fetched() -> Result<()> {
    // Longer than one answer with headers.
    const LENGTH: u32 = 2_050;
    let mut chain = new_chain()?;
    while chain.height() < Height(LENGTH) {
        grow(&mut chain)?;
    }
    let dir = tempfile::tempdir()?;
    let mut node = NodeProcess::new("node", dir.path(), &["--listen", "127.0.0.1:0"]);
    node.spawn()?;
    node.ready().await?;
    let tip = chain.tip_hash().to_string();
    let _peer = TestPeer::connect(&node.address().await?, chain, Box::new(honest)).await?;
    until("the long chain", async || Ok(node.get::<Status>("/v1/status").await?.tip == tip)).await?;
    node.stop().await
}

/// One peer that lies and one that keeps blocks back do not keep a node from the chain that a third one gives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_honest_peer_among_three_is_enough() -> Result<()> {
    let mut chain = new_chain()?;
    while chain.height() < Height(600) {
        grow(&mut chain)?;
    }
    let dir = tempfile::tempdir()?;
    let mut node = NodeProcess::new("node", dir.path(), &["--listen", "127.0.0.1:0"]);
    node.spawn()?;
    node.ready().await?;
    let to = node.address().await?;
    let withholds = |chain: &TestChain, request| match request {
        Request::Blocks(_) => Some(Response::Blocks(Vec::new()).to_bytes()),
        other => honest(chain, other),
    };
    let lies = |chain: &TestChain, request| match request {
        Request::Blocks(_) => Some(Response::Blocks(vec![chain.params().genesis()]).to_bytes()),
        other => honest(chain, other),
    };
    let withholding = TestPeer::connect(&to, chain.clone(), Box::new(withholds)).await?;
    let lying = TestPeer::connect(&to, chain.clone(), Box::new(lies)).await?;
    let (lying_id, withholding_id) = (lying.id().to_string(), withholding.id().to_string());
    until("the liar's end", async || Ok(node.log().contains("it gave other blocks than it was asked for"))).await?;
    ensure!(height(&node).await? == 0, "nobody gave a block");
    let tip = chain.tip_hash().to_string();
    let _honest = TestPeer::connect(&to, chain, Box::new(honest)).await?;
    until("the chain", async || Ok(node.get::<Status>("/v1/status").await?.tip == tip)).await?;
    ensure!(!has_peer(&node, &lying_id).await? && has_peer(&node, &withholding_id).await?);
    node.stop().await
}

/// Transactions that nobody signed are refused, their sender is dropped, and memory stays below 512 MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_invalid_transactions_is_cut_off() -> Result<()> {
    let mut chain = new_chain()?;
    let owned = next_block_to(&chain, templates::p2pkh(KeyHash([5; 20])), |_| ())?;
    let coin = owned.transactions[0].outpoint(0);
    chain.accept_block(owned.clone(), owned.header.time).context("our own block")?;
    for _ in 0..6 {
        grow(&mut chain)?;
    }
    let dir = tempfile::tempdir()?;
    let mut node = NodeProcess::new("node", dir.path(), &["--listen", "127.0.0.1:0"]);
    node.spawn()?;
    node.ready().await?;
    let to = node.address().await?;
    let tip = chain.tip_hash().to_string();
    let _friend = TestPeer::connect(&to, chain.clone(), Box::new(honest)).await?;
    until("the chain", async || Ok(node.get::<Status>("/v1/status").await?.tip == tip)).await?;
    let flood = TestPeer::connect(&to, chain, Box::new(honest)).await?;
    let id = flood.id().to_string();
    let mut sent = 0u64;
    until("the flooder's end", async || {
        for _ in 0..100 {
            sent += 1;
            let builder = TransactionBuilder::new().input(coin).output(Amount(1_000_000 + sent), Script(vec![0x51]));
            let mut stolen = builder.build();
            stolen.inputs[0].script_sig = Script([vec![1, 1, 33], vec![2; 33]].concat());
            let envelope = flood.envelope(&Payload::from(stolen))?;
            let _ = flood.network.publish(Topic::Transactions, envelope.to_bytes()).await;
        }
        let log = node.log();
        Ok(log.lines().any(|l| l.contains(&id) && l.contains("dropped and banned")))
    })
    .await?;
    let status = node.get::<Status>("/v1/status").await?;
    ensure!(status.pool == 0 && status.tip == tip, "{status:?}");
    let memory = node.memory_bytes()?;
    ensure!(memory < 512 << 20, "the node holds {memory} bytes after {sent} transactions");
    node.stop().await
}
