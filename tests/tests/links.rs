//! Real processes over links that are slow, or lost for a while.

use anyhow::{Context, Result, ensure};
use camelid_core::units::Amount;
use camelid_node::api::types::{ChainInfo, PeerView, Status, WalletBalance};
use camelid_tests::together::until;
use camelid_tests::{Link, NodeProcess};

/// Nobody finds a way around the link.
const APART: [&str; 4] = ["--listen", "127.0.0.1:0", "--outbound", "0"];
const MINES: [&str; 3] = ["--mine", "--mining-threads", "1"];

async fn chain(node: &NodeProcess) -> Option<ChainInfo> {
    node.get("/v1/chain").await.ok()
}

async fn start(node: &mut NodeProcess) -> Result<()> {
    node.make_wallet()?;
    node.spawn()?;
    node.ready().await.map(|_| ())
}

/// Two that mine at one chain lose each other, mine on apart, and agree when they have found each other again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_falls_apart_agrees_when_it_heals() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut one = NodeProcess::new("one", dir.path(), &[&APART[..], &MINES].concat());
    start(&mut one).await?;
    let link = Link::to(&one.address().await?, None).await?;
    let mut other = NodeProcess::new("other", dir.path(), &[&APART[..], &MINES].concat());
    other.add_args(&["--peer", &link.address]);
    start(&mut other).await?;
    let both = [&one, &other];
    let heights = async || Some((chain(&one).await?.height, chain(&other).await?.height));
    // At one tip both wallets together own what its chain made: the loser's own blocks count no more.
    let agree = async || {
        let chains = async || Some([chain(&one).await?, chain(&other).await?]);
        let before = chains().await?;
        let mut sum = Amount::ZERO;
        for node in both {
            sum.0 += node.get::<WalletBalance>("/v1/wallet/balance").await.ok()?.total_units();
        }
        let equal = before[0].tip == before[1].tip && before == chains().await?;
        (equal && sum.0 == before[0].supply_units).then_some(before[0].height)
    };
    until("one chain", &both, async || agree().await.filter(|height| *height >= 4)).await?;

    link.cut(true);
    let alone = async |node: &NodeProcess| Some(node.get::<Vec<PeerView>>("/v1/peers").await.ok()?.is_empty());
    let apart = async || (alone(&one).await? && alone(&other).await?).then_some(());
    until("each is alone", &both, apart).await?;
    let at = heights().await.context("no heights")?;
    let parted = async || {
        let now = heights().await?;
        let grown = now.0 >= at.0 + 3 && now.1 >= at.1 + 3;
        (grown && chain(&one).await?.tip != chain(&other).await?.tip).then_some(())
    };
    until("two chains", &both, parted).await?;

    link.cut(false);
    until("one chain again", &both, agree).await?;
    ensure!(both.iter().any(|node| node.log().contains("reorganisation")), "nothing was given up");
    other.stop().await?;
    one.stop().await
}

/// Over a line of 4 kB/s a node fetches a chain that goes on growing, and is not taken for dead: its memory stays below 512
/// MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_behind_a_slow_line_keeps_up() -> Result<()> {
    const RATE: u32 = 4_000;
    let dir = tempfile::tempdir()?;
    let mut miner = NodeProcess::new("miner", dir.path(), &[&APART[..], &MINES].concat());
    start(&mut miner).await?;
    until("some blocks", &[&miner], async || chain(&miner).await.filter(|chain| chain.height >= 30)).await?;
    let link = Link::to(&miner.address().await?, Some(RATE)).await?;
    let mut slow = NodeProcess::new("slow", dir.path(), &APART);
    slow.add_args(&["--peer", &link.address]);
    start(&mut slow).await?;
    let both = [&miner, &slow];
    let follows = async || {
        let here = chain(&slow).await?;
        (here.tip == chain(&miner).await?.tip).then_some(here.height)
    };
    let begun = until("the chain", &both, follows).await?;
    until("new blocks", &both, async || follows().await.filter(|height| *height >= begun + 4)).await?;
    let status: Status = slow.get("/v1/status").await?;
    ensure!(status.peers == 1, "{status:?}");
    for node in both {
        let (memory, log) = (node.memory_bytes()?, node.log());
        ensure!(!log.contains("dropped and banned"), "{log}");
        ensure!(memory < 512 << 20, "{} holds {memory} bytes", node.name);
    }
    slow.stop().await?;
    miner.stop().await
}
