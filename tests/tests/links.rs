//! Real processes over links that are slow, or lost for a while.

use anyhow::{Result, bail, ensure};
use camelid_core::units::Amount;
use camelid_node::api::types::{ChainInfo, PeerView, Status, WalletBalance};
use camelid_tests::{Link, NodeProcess};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(180);
/// Nobody finds a way around the link.
const APART: [&str; 4] = ["--listen", "127.0.0.1:0", "--outbound", "0"];
const MINES: [&str; 3] = ["--mine", "--mining-threads", "1"];

async fn until(what: &str, nodes: &[&NodeProcess], mut check: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !check().await? {
        if begun.elapsed() > PATIENCE {
            let logs: Vec<_> = nodes.iter().map(|n| format!("--- {}\n{}", n.name, n.log())).collect();
            bail!("{what}: not in time\n{}", logs.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn chain(node: &NodeProcess) -> Result<ChainInfo> {
    node.get("/v1/chain").await
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
    let heights = async || anyhow::Ok((chain(&one).await?.height, chain(&other).await?.height));
    // At one tip both wallets together own what its chain made: the loser's own blocks count no more.
    let agree = async || {
        let chains = async || anyhow::Ok([chain(&one).await?, chain(&other).await?]);
        let before = chains().await?;
        let mut sum = Amount::ZERO;
        for node in both {
            sum.0 += node.get::<WalletBalance>("/v1/wallet/balance").await?.total_units();
        }
        let equal = before[0].tip == before[1].tip && before == chains().await?;
        Ok(equal && sum.0 == before[0].supply_units)
    };
    until("one chain", &both, async || Ok(heights().await?.1 >= 4 && agree().await?)).await?;

    link.cut(true);
    let alone = async |node: &NodeProcess| anyhow::Ok(node.get::<Vec<PeerView>>("/v1/peers").await?.is_empty());
    until("each is alone", &both, async || Ok(alone(&one).await? && alone(&other).await?)).await?;
    let at = heights().await?;
    let apart = async || {
        let now = heights().await?;
        Ok(now.0 >= at.0 + 3 && now.1 >= at.1 + 3 && chain(&one).await?.tip != chain(&other).await?.tip)
    };
    until("two chains", &both, apart).await?;

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
    until("some blocks", &[&miner], async || Ok(chain(&miner).await?.height >= 30)).await?;
    let link = Link::to(&miner.address().await?, Some(RATE)).await?;
    let mut slow = NodeProcess::new("slow", dir.path(), &APART);
    slow.add_args(&["--peer", &link.address]);
    start(&mut slow).await?;
    let follows = async || Ok(chain(&slow).await?.tip == chain(&miner).await?.tip);
    until("the chain", &[&miner, &slow], follows).await?;
    let begun = chain(&slow).await?.height;
    until("new blocks", &[&miner, &slow], async || Ok(chain(&slow).await?.height >= begun + 4 && follows().await?))
        .await?;
    let status: Status = slow.get("/v1/status").await?;
    ensure!(status.peers == 1, "{status:?}");
    for node in [&miner, &slow] {
        let (memory, log) = (node.memory_bytes()?, node.log());
        ensure!(!log.contains("dropped and banned"), "{log}");
        ensure!(memory < 512 << 20, "{} holds {memory} bytes", node.name);
    }
    slow.stop().await?;
    miner.stop().await
}
