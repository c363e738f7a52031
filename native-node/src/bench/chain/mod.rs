//! `camelid bench chain`: what blocks cost: hashes, signatures, connecting, and following another node's chain.

mod connect;
mod hashes;
mod headers;
mod signatures;
mod stopwatch;
mod sync;

pub use connect::ConnectReport;
pub use hashes::HashReport;
pub use headers::HeaderReport;
pub use signatures::SignatureReport;
pub use sync::SyncReport;

use super::BenchError;
use camelid_core::block::{Block, NetworkParams, PowMidstate};
use camelid_core::chain::{Chain, Store, Template};
use camelid_core::hash::sha256;
use camelid_core::keys::SecretKey;
use camelid_core::script::sign_p2pkh_input;
use camelid_core::transaction::{OutPoint, Script, Transaction, TransactionBuilder, TxOut};
use camelid_core::units::{Amount, Network, Timestamp};
use serde::Serialize;

/// What to measure.
#[derive(Clone, Debug)]
pub struct ChainPlan {
    /// How often each thing is measured by turns with what it is compared to; medians count.
    pub rounds: usize,
    /// Seconds of each turn.
    pub seconds: f64,
    /// Headers to check.
    pub headers: u32,
    /// Blocks to connect.
    pub blocks: u32,
    /// Transactions in each.
    pub transactions: u32,
    /// Blocks of the chain that a node takes from another; 0 for no nodes.
    pub sync_blocks: u32,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct ChainReport {
    /// Cores.
    pub cores: usize,
    /// Proof of work.
    pub hashes: HashReport,
    /// Headers.
    pub headers: HeaderReport,
    /// Signatures.
    pub signatures: SignatureReport,
    /// Connecting blocks.
    pub connect: ConnectReport,
    /// One node following another.
    pub sync: Option<SyncReport>,
}

/// Measures; says what it is doing.
pub async fn chain(plan: &ChainPlan, progress: &(dyn Fn(&str) + Sync)) -> Result<ChainReport, BenchError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let hashes = hashes::measure(plan, progress);
    let signatures = signatures::measure(plan, progress)?;
    let headers = headers::measure(plan, progress)?;
    let connect = connect::measure(plan, progress)?;
    let sync = match plan.sync_blocks {
        0 => None,
        blocks => Some(sync::measure(blocks, progress).await?),
    };
    Ok(ChainReport { cores, hashes, headers, signatures, connect, sync })
}

/// The network whose blocks are made: its proof of work takes a millisecond.
fn dev() -> &'static NetworkParams {
    NetworkParams::of(Network::Dev)
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Chain(error.to_string())
}

/// One of our keys.
fn key(n: u32) -> Result<SecretKey, BenchError> {
    SecretKey::from_bytes(sha256(&n.to_le_bytes()).0).map_err(failed)
}

/// The time of a block of a chain of `blocks` blocks that is on schedule and ends a minute before now.
fn schedule(blocks: u32) -> impl Fn(u32) -> Timestamp {
    let interval = dev().block_interval;
    let end = crate::node::unix_now().0.saturating_sub(60);
    move |height| Timestamp(end - (blocks.saturating_sub(height)) * interval)
}

/// The next block with these transactions, solved.
fn next_block<S: Store>(
    chain: &Chain<S>,
    payee: &Script,
    transactions: Vec<Transaction>,
    time: Timestamp,
) -> Result<Block, BenchError> {
    let Template { mut block, target, left_out, .. } =
        chain.build_template(payee.clone(), transactions, time).map_err(failed)?;
    if let Some(tx) = left_out.first() {
        return Err(failed(format!("a transaction does not fit into its block: {}", tx.txid())));
    }
    let nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target);
    block.header.nonce = nonce.ok_or_else(|| failed("no nonce solves a block"))?;
    Ok(block)
}

/// Spends one coin of `owner` to outputs of equal value to `payee`; what is left over is the fee.
fn spend(
    coin: OutPoint,
    spent: &TxOut,
    owner: &SecretKey,
    outputs: u32,
    payee: &Script,
) -> Result<Transaction, BenchError> {
    let fee = 1_000 * u64::from(outputs.max(1));
    let each = Amount(spent.value.0.saturating_sub(fee) / u64::from(outputs.max(1)));
    let builder = TransactionBuilder::new().input(coin);
    let mut tx = (0..outputs).fold(builder, |builder, _| builder.output(each, payee.clone())).build();
    sign_p2pkh_input(&mut tx, 0, std::slice::from_ref(spent), owner, Network::Dev).map_err(failed)?;
    Ok(tx)
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
