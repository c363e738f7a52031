//! What the chain says, read block by block: whether the books add up, and whether each job's money moved when and how
//! the rules allow.

use crate::{Cluster, NodeProcess};
use anyhow::{Context, Result, ensure};
use camelid_core::contract::{Terms, contract_output};
use camelid_core::keys::Address;
use camelid_core::transaction::{Script, TxOut};
use camelid_core::units::{Amount, Network};
use camelid_node::api::types::{BlockView, ChainInfo, OutputView, TransactionView};

/// Every block of a node's chain, from the first after genesis.
pub async fn blocks(node: &NodeProcess) -> Result<Vec<BlockView>> {
    let chain: ChainInfo = node.get("/v1/chain").await?;
    let mut blocks: Vec<BlockView> = Vec::new();
    for height in 1..=chain.height {
        let block: BlockView = node.get(&format!("/v1/chain/block/{height}")).await?;
        if let Some(before) = blocks.last() {
            ensure!(block.previous == before.hash, "block {height} does not follow block {}", before.height);
        }
        blocks.push(block);
    }
    Ok(blocks)
}

/// One transaction of a job, and its height.
#[derive(Clone, Debug)]
pub struct JobMove {
    /// `settle`, `close`, `reveal` and so on.
    pub kind: String,
    /// Its block's height.
    pub height: u32,
    /// The transaction.
    pub tx: TransactionView,
}

/// A job's transactions in the chain, in their order.
pub fn moves(blocks: &[BlockView], job: &str) -> Vec<JobMove> {
    let of_block = |b: &BlockView| {
        let ours = b.transactions.iter().filter(|tx| tx.job.as_deref() == Some(job));
        let height = b.height;
        ours.map(|tx| JobMove { kind: tx.kind.clone(), height, tx: tx.clone() }).collect::<Vec<_>>()
    };
    blocks.iter().flat_map(of_block).collect()
}

/// The terms in a transaction's first output.
pub fn terms(tx: &TransactionView) -> Result<Terms> {
    let output = tx.outputs.first().context("no outputs")?;
    let script_pubkey = Script(hex::decode(&output.script)?);
    let output = TxOut { value: Amount(output.value_units), script_pubkey };
    contract_output(&output, 0)?.context("output 0 is no contract")
}

/// Checks a job's transactions against the table of moves in the protocol: nobody is paid alone before the other side's
/// period has passed, and no value gets lost. Gives the kinds, in their order.
pub fn check_moves(moves: &[JobMove]) -> Result<Vec<&str>> {
    let first = moves.first().context("the job has no transaction in the chain")?;
    ensure!(first.kind == "settle", "the first transaction is a {}", first.kind);
    let terms = terms(&first.tx)?;
    let address = |hash| Some(Address { network: Network::Dev, hash }.to_string());
    let (node, reward) = (address(terms.node_key.hash()), address(terms.reward_address));
    let client = address(terms.client_key.hash());
    let periods = terms.periods;
    ensure!(first.height <= terms.valid_until.0, "settled at {}, valid until {}", first.height, terms.valid_until);
    let mut before = first;
    let mut money = first.tx.outputs.first().map_or(0, |o| o.value_units);
    ensure!(money == terms.reward.0 + terms.stake.0 + terms.reserve.0, "the settlement holds {money}");
    for next in &moves[1..] {
        let (kind, at, h) = (next.kind.as_str(), next.height, before.height);
        let spent = next.tx.inputs.first().context("no input")?;
        ensure!(spent.txid == before.tx.txid && spent.index == 0, "the {kind} does not spend the {}", before.kind);
        let sum = |who: &dyn Fn(&&OutputView) -> bool| next.tx.outputs.iter().filter(who).map(|o| o.value_units).sum();
        let paid: u64 = sum(&|_| true);
        let fee = money.checked_sub(paid).with_context(|| format!("the {kind} makes money"))?;
        ensure!(fee <= terms.move_fee.0, "the {kind} pays a fee of {fee}");
        let to = |who: &Option<String>| sum(&|o| o.address == *who);
        match (before.kind.as_str(), kind) {
            ("settle", "close") => ensure!(at >= h + 2, "closed at {at}, settled at {h}"),
            ("settle", "reveal") => {}
            ("settle", "demand") => ensure!(at >= h + u32::from(periods.reveal), "demanded at {at}, settled at {h}"),
            ("demand", "reveal") => ensure!(at < h + u32::from(periods.grace), "revealed at {at}, demanded at {h}"),
            ("demand", "claim") => {
                ensure!(at >= h + u32::from(periods.grace), "claimed at {at}, demanded at {h}");
                let to_node: u64 = to(&node) + to(&reward);
                ensure!(to_node == 0, "a claim pays the node {to_node}");
            }
            ("reveal", "finalize") => {
                ensure!(at >= h + u32::from(periods.contest), "finalized at {at}, revealed at {h}");
            }
            (before, kind) => anyhow::bail!("a {kind} follows a {before}"),
        }
        if matches!(kind, "close" | "finalize") {
            let both: u64 = if node == reward { to(&node) } else { to(&node) + to(&reward) };
            ensure!(both == terms.reward.0 + terms.stake.0, "the {kind} pays the node {both}");
        }
        if kind == "finalize" {
            let back: u64 = to(&client);
            let left = paid - terms.reward.0 - terms.stake.0;
            ensure!(back == left, "a finalize pays the client {back} of {left}");
        }
        if matches!(kind, "reveal" | "demand") {
            ensure!(next.tx.outputs.len() == 1, "a {kind} pays somebody");
            ensure!(next.tx.outputs[0].contract.is_some(), "a {kind} ends the contract");
        }
        (before, money) = (next, paid);
    }
    Ok(moves.iter().map(|m| m.kind.as_str()).collect())
}

/// Waits until all three nodes stand at the same block with nothing under way, and checks that what their wallets own is
/// what the blocks made: nothing was lost, nothing came from nowhere. All jobs must be over.
pub async fn check_books(cluster: &Cluster) -> Result<()> {
    let mut last = String::new();
    let what = "three equal tips with empty pools, and books that add up";
    let result = cluster
        .until(what, async || {
            let before = standing(cluster).await.ok()?;
            let balances = cluster.balances().await.ok()?;
            let after = standing(cluster).await.ok()?;
            let quiet = before == after && before.iter().all(|c| c.tip == before[0].tip && c.pool == 0);
            let (sum, supply) = (balances.iter().sum::<u64>(), before[0].supply_units);
            last = format!("wallets {balances:?}, together {sum}; blocks made {supply}; quiet: {quiet}");
            (quiet && sum == supply).then_some(())
        })
        .await;
    result.with_context(|| last)
}

async fn standing(cluster: &Cluster) -> Result<[ChainInfo; 3]> {
    Ok([
        cluster.miner.get("/v1/chain").await?,
        cluster.compute.get("/v1/chain").await?,
        cluster.client.get("/v1/chain").await?,
    ])
}
