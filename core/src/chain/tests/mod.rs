//! The rules one by one, and the properties of the whole.

mod arrival;
mod connect;
mod filters;
mod headers;
mod light;
mod locks;
mod prune;
mod rules;
mod sync;
mod verify;

use super::*;
use crate::block::{Block, NetworkParams, PowMidstate};
use crate::filter::{FilterEntry, block_filter, commitment_script};
use crate::hash::FilterHeader;
use crate::keys::SecretKey;
use crate::script::{sign_p2pkh_inputs, templates};
use crate::transaction::{OutPoint, Script, Transaction, TransactionBuilder, TxOut};
use crate::units::{Amount, Network, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

pub(super) type TestChain = Chain<MemoryStore>;

pub(super) fn dev() -> &'static NetworkParams {
    NetworkParams::of(Network::Dev)
}

/// A little after the genesis block; every test's clock starts here.
pub(super) fn start() -> Timestamp {
    Timestamp(dev().genesis_time.0 + 1000)
}

/// A clock that no test's block is ahead of.
pub(super) const LATE: Timestamp = Timestamp(u32::MAX);

pub(super) fn key(n: u8) -> SecretKey {
    SecretKey::from_bytes([n + 1; 32]).unwrap()
}

pub(super) fn pay_to(n: u8) -> Script {
    templates::p2pkh(key(n).public_key().hash())
}

pub(super) fn new_chain() -> TestChain {
    Chain::open(MemoryStore::new(), dev()).unwrap()
}

/// A chain of `blocks` blocks on schedule, paid to key 0.
pub(super) fn grown(blocks: u32) -> TestChain {
    let mut chain = new_chain();
    for n in 0..blocks {
        let block = next_block(&chain, 0, [], start().0 + 2 * n);
        chain.accept_block(block, LATE).unwrap();
    }
    chain
}

/// Sets Merkle root and nonce.
pub(super) fn solve(mut block: Block) -> Block {
    block.header.merkle_root = block.merkle_root();
    let target = block.header.bits.target().unwrap();
    block.header.nonce = PowMidstate::new(&block.header).try_nonces(0..=u32::MAX, &target).unwrap();
    block
}

/// The filter header of the chain's last block.
pub(super) fn filter_header(chain: &TestChain) -> FilterHeader {
    chain.filter_entry_at(chain.height()).unwrap().unwrap().header
}

/// Commits to the filter of a block that was changed, and follows the last of `chain`.
pub(super) fn commit(chain: &TestChain, mut block: Block) -> Block {
    let own = block.transactions.iter().flat_map(|tx| (0..).zip(&tx.outputs).map(|(i, o)| (tx.outpoint(i), o.clone())));
    let own: BTreeMap<OutPoint, TxOut> = own.collect();
    let spent = |o: &OutPoint| own.get(o).cloned().unwrap_or_else(|| chain.coin(o).unwrap().unwrap().output);
    let spent: Vec<TxOut> =
        block.transactions[1..].iter().flat_map(|tx| &tx.inputs).map(|i| spent(&i.previous)).collect();
    let entry = FilterEntry::new(&block_filter(&block, &spent), &filter_header(chain));
    block.transactions[0].outputs.last_mut().unwrap().script_pubkey = commitment_script(&entry.header);
    block
}

/// The next block, paid to key `to`. Fails if a transaction is left out.
pub(super) fn next_block(
    chain: &TestChain,
    to: u8,
    transactions: impl IntoIterator<Item = Transaction>,
    time: u32,
) -> Block {
    let template = chain.build_template(pay_to(to), transactions, Timestamp(time)).unwrap();
    assert!(template.left_out.is_empty());
    solve(template.block)
}

/// Spends the coins, all of key `from`, to outputs of the given values to key `to`.
pub(super) fn spend(coins: &[(OutPoint, TxOut)], from: u8, values: &[u64], to: u8) -> Transaction {
    let mut builder = TransactionBuilder::new();
    for (outpoint, _) in coins {
        builder = builder.input(*outpoint);
    }
    for value in values {
        builder = builder.output(Amount(*value), pay_to(to));
    }
    sign(builder.build(), coins, from)
}

/// Signs all inputs, which spend `coins`, with key `from`.
pub(super) fn sign(mut tx: Transaction, coins: &[(OutPoint, TxOut)], from: u8) -> Transaction {
    let outputs: Vec<TxOut> = coins.iter().map(|(_, o)| o.clone()).collect();
    sign_p2pkh_inputs(&mut tx, &outputs, [&key(from)], Network::Dev).unwrap();
    tx
}

/// The coinbase output at a height.
pub(super) fn reward(chain: &TestChain, height: u32) -> (OutPoint, TxOut) {
    let block = chain.block_at(crate::units::Height(height)).unwrap().unwrap().block;
    (block.transactions[0].outpoint(0), block.transactions[0].outputs[0].clone())
}

/// The error of a block that the chain must refuse, without changing anything but that it remembers.
pub(super) fn refused(chain: &mut TestChain, block: Block) -> BlockError {
    let (tip, coins) = (chain.tip_hash(), chain.store().coins().clone());
    let hash = block.hash();
    match chain.accept_block(block.clone(), LATE) {
        Err(ChainError::Block { hash: at, error }) => {
            assert_eq!(at, hash);
            assert_eq!((chain.tip_hash(), chain.store().coins()), (tip, &coins));
            assert!(chain.accept_block(block, LATE).is_err());
            *error
        }
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// The transaction error in a block error.
pub(super) fn of_transaction(error: BlockError) -> TransactionError {
    match error {
        BlockError::Transaction { index: 1, error, .. } => error,
        other => panic!("expected an error of transaction 1, found {other:?}"),
    }
}
