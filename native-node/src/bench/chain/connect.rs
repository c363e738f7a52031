//! Connecting full blocks: real spends of real coins, into the store on disk.

use super::stopwatch::process_seconds;
use super::{ChainPlan, dev, failed, key, next_block, schedule, spend};
use crate::bench::BenchError;
use crate::parallel::on_all_cores;
use crate::store::RedbStore;
use camelid_core::block::Block;
use camelid_core::chain::{Chain, MemoryStore, ScriptRunner, one_by_one};
use camelid_core::script::templates;
use camelid_core::transaction::{OutPoint, TxOut};
use camelid_core::units::{Network, Timestamp};
use serde::Serialize;
use std::time::Instant;

/// Outputs of one transaction that makes coins to spend.
const SPLIT: u32 = 2_000;

/// Transactions connected a second, everything included: the block's own rules, coins, scripts, a durable commit a block.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectReport {
    /// Blocks that were timed.
    pub blocks: u32,
    /// Transactions in each but the coinbase: one P2PKH input, one P2PKH output.
    pub transactions_per_block: u32,
    /// Bytes of such a block.
    pub block_bytes: usize,
    /// A second, scripts on all cores.
    pub per_second: f64,
    /// A second, scripts one after another.
    pub one_by_one_per_second: f64,
    /// The first over the second.
    pub speedup: f64,
    /// A second of a processor's time, scripts on all cores: what others on this machine take does not count.
    pub per_processor_second: Option<f64>,
    /// Processors that worked for us on average meanwhile.
    pub processors: Option<f64>,
}

struct Blocks {
    /// Those that make the coins.
    before: Vec<Block>,
    timed: Vec<Block>,
}

pub(super) fn measure(plan: &ChainPlan, progress: &dyn Fn(&str)) -> Result<ConnectReport, BenchError> {
    progress("making blocks to connect");
    let blocks = make(plan.blocks.max(1), plan.transactions.max(1))?;
    progress("connecting blocks, scripts one after another");
    let (alone, _) = connect(&blocks, one_by_one)?;
    progress("connecting blocks, scripts on all cores");
    let (seconds, worked) = connect(&blocks, on_all_cores)?;
    let transactions = f64::from(plan.blocks.max(1)) * f64::from(plan.transactions.max(1));
    // Hundredths of a second are all that is told.
    let worked = worked.filter(|w| *w >= 0.1);
    Ok(ConnectReport {
        blocks: plan.blocks.max(1),
        transactions_per_block: plan.transactions.max(1),
        block_bytes: blocks.timed.first().map_or(0, Block::size),
        per_second: transactions / seconds,
        one_by_one_per_second: transactions / alone,
        speedup: alone / seconds,
        per_processor_second: worked.map(|w| transactions / w),
        processors: worked.map(|w| w / seconds),
    })
}

/// Each timed block spends what the one before it made.
fn make(count: u32, transactions: u32) -> Result<Blocks, BenchError> {
    let maturity = dev().coinbase_maturity;
    let time = schedule(maturity + 3 + count);
    let owner = key(0)?;
    let payee = templates::p2pkh(owner.public_key().hash());
    let mut chain = Chain::open(MemoryStore::new(), dev()).map_err(failed)?.with_script_runner(on_all_cores);
    let mut take = |txs| -> Result<Block, BenchError> {
        let block = next_block(&chain, &payee, txs, time(chain.height().0 + 1))?;
        chain.accept_block(block.clone(), Timestamp(u32::MAX)).map_err(failed)?;
        Ok(block)
    };
    let mut before = vec![take(vec![])?];
    let first = before.first().and_then(|b| b.transactions.first()).ok_or_else(|| failed("a block is empty"))?;
    let reward = (first.outpoint(0), first.outputs.first().cloned().ok_or_else(|| failed("a coinbase is empty"))?);
    for _ in 0..maturity {
        before.push(take(vec![])?);
    }
    let parts = transactions.div_ceil(SPLIT);
    let split = spend(reward.0, &reward.1, &owner, parts, &payee)?;
    let coins: Vec<(OutPoint, TxOut)> = (0..).map(|i| split.outpoint(i)).zip(split.outputs.clone()).collect();
    before.push(take(vec![split])?);
    let splits: Vec<_> =
        coins.iter().map(|(o, c)| spend(*o, c, &owner, SPLIT, &payee)).collect::<Result<_, BenchError>>()?;
    let coins = splits.iter().flat_map(|tx| (0..).map(|i| tx.outpoint(i)).zip(tx.outputs.clone()));
    let mut coins: Vec<(OutPoint, TxOut)> = coins.take(transactions as usize).collect();
    before.push(take(splits)?);
    let mut timed = Vec::new();
    for _ in 0..count {
        let txs: Vec<_> =
            coins.iter().map(|(o, c)| spend(*o, c, &owner, 1, &payee)).collect::<Result<_, BenchError>>()?;
        coins = txs.iter().filter_map(|tx| Some((tx.outpoint(0), tx.outputs.first()?.clone()))).collect();
        timed.push(take(txs)?);
    }
    Ok(Blocks { before, timed })
}

/// Connects all blocks in a new store; gives the seconds that the timed ones took, and of a processor's time.
fn connect(blocks: &Blocks, run: ScriptRunner) -> Result<(f64, Option<f64>), BenchError> {
    let dir = tempfile::tempdir().map_err(failed)?;
    let store = RedbStore::open(dir.path(), Network::Dev).map_err(failed)?;
    let mut chain = Chain::open(store, dev()).map_err(failed)?.with_script_runner(run);
    let now = Timestamp(u32::MAX);
    for block in &blocks.before {
        chain.accept_block(block.clone(), now).map_err(failed)?;
    }
    let timed = blocks.timed.clone();
    let last = timed.last().map(Block::hash);
    let (begun, worked) = (Instant::now(), process_seconds("self"));
    for block in timed {
        chain.accept_block(block, now).map_err(failed)?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    if Some(chain.tip_hash()) != last {
        return Err(failed("the chain does not end with the last block"));
    }
    Ok((seconds, worked.zip(process_seconds("self")).map(|(before, after)| after - before)))
}
