//! The semantic rules of a block: what can be said without its ancestors.

use super::header_rules::check_header;
use super::transaction_rules::{check_shape, check_transaction};
use super::{BlockError, TransactionError};
use crate::block::{Block, NetworkParams};
use crate::transaction::Transaction;

/// The longest ScriptSig of a coinbase, in bytes.
pub(super) const MAX_COINBASE_SCRIPT: usize = 100;

/// Checks that a block could be valid in some chain of this network: proof of work, Merkle root, size,
/// coinbase, and each transaction by itself.
pub fn check_block(block: &Block, params: &NetworkParams) -> Result<(), BlockError> {
    check_header(&block.header, params)?;
    // "A block's header carries the Merkle root over its transactions."
    let found = block.merkle_root();
    if found != block.header.merkle_root {
        return Err(BlockError::MerkleRoot { expected: block.header.merkle_root, found });
    }
    // "A block has at most 4,000,000 bytes."
    let found = block.size();
    if found > params.max_block_bytes {
        return Err(BlockError::Size { max: params.max_block_bytes, found });
    }
    check_transactions(block)
}

fn check_transactions(block: &Block) -> Result<(), BlockError> {
    let at = |index: usize, tx: &Transaction, error: TransactionError| BlockError::Transaction {
        index,
        txid: tx.txid(),
        error,
    };
    // "A block's first transaction is a coinbase, and no other is."
    let (coinbase, rest) = match block.transactions.split_first() {
        Some((first, rest)) if first.is_coinbase() => (first, rest),
        _ => return Err(BlockError::NoCoinbase),
    };
    check_shape(coinbase).map_err(|e| at(0, coinbase, e))?;
    // "A coinbase's ScriptSig has at most 100 bytes."
    let found = coinbase.inputs.iter().map(|i| i.script_sig.0.len()).sum();
    if found > MAX_COINBASE_SCRIPT {
        return Err(BlockError::CoinbaseScript { max: MAX_COINBASE_SCRIPT, found });
    }
    for (index, tx) in (1..).zip(rest) {
        if tx.is_coinbase() {
            return Err(BlockError::SecondCoinbase { index });
        }
        check_transaction(tx).map_err(|e| at(index, tx, e))?;
    }
    Ok(())
}
