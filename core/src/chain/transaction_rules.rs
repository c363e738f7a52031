//! Which transactions are valid: alone, and in the next block of a chain.

use super::locks::{check_finality, check_relative_locks};
use super::scripts::{check_scripts, count_sigops};
use super::{CheckError, TransactionError};
use crate::block::NetworkParams;
use crate::transaction::{Coin, MAX_TRANSACTION_BYTES, OutPoint, Transaction};
use crate::units::{Amount, Height, Timestamp};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// What a check needs to know about the chain that a block stands on.
pub trait ChainView {
    /// What can fail.
    type Error;

    /// An unspent output.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Self::Error>;

    /// The median time past of the chain's block at `height`, which is below the next block's.
    fn median_time_past(&self, height: Height) -> Result<Timestamp, Self::Error>;
}

/// The place of the block that a transaction is checked for.
#[derive(Clone, Copy, Debug)]
pub struct NextBlock<'a> {
    /// The network's parameters.
    pub params: &'a NetworkParams,
    /// The block's height.
    pub height: Height,
    /// The median time past of the block's parent.
    pub median_time_past: Timestamp,
}

/// What a contextual check found out about a valid transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTransaction {
    /// Inputs less outputs.
    pub fee: Amount,
    /// The coins that the inputs spend, in order.
    pub spent: Vec<Coin>,
    /// Signature checks that count towards the block's limit.
    pub sigops: u32,
}

/// The semantic rules of a transaction that is not a coinbase.
pub fn check_transaction(tx: &Transaction) -> Result<(), TransactionError> {
    check_shape(tx)?;
    let mut seen = BTreeSet::new();
    for (input, txin) in tx.inputs.iter().enumerate() {
        // "Only a coinbase's input names nothing."
        if txin.previous == OutPoint::NULL {
            return Err(TransactionError::NullInput { input });
        }
        // "No two inputs of a transaction spend the same output."
        if !seen.insert(txin.previous) {
            return Err(TransactionError::DuplicateInput(txin.previous));
        }
    }
    Ok(())
}

/// The semantic rules that a coinbase keeps too.
pub(super) fn check_shape(tx: &Transaction) -> Result<(), TransactionError> {
    // "A transaction's version is 1."
    if tx.version != Transaction::VERSION {
        return Err(TransactionError::Version { expected: Transaction::VERSION, found: tx.version });
    }
    // "A transaction has at most 1,000,000 bytes, at least one input and at least one output."
    let found = tx.size();
    if found > MAX_TRANSACTION_BYTES {
        return Err(TransactionError::Size { max: MAX_TRANSACTION_BYTES, found });
    }
    if tx.inputs.is_empty() {
        return Err(TransactionError::NoInputs);
    }
    if tx.outputs.is_empty() {
        return Err(TransactionError::NoOutputs);
    }
    // "The outputs add up to no more than 100,000,000 coins."
    tx.output_value().map(|_| ()).ok_or(TransactionError::OutputsTooLarge)
}

/// Checks everything about a transaction that is not a coinbase for the block described by `next`; `view` holds the
/// coins that it may spend.
pub fn check_inputs<V: ChainView>(
    tx: &Transaction,
    next: &NextBlock<'_>,
    view: &V,
) -> Result<CheckedTransaction, CheckError<TransactionError, V::Error>> {
    let checked = check_money(tx, next, view)?;
    check_scripts(tx, &checked.spent, next)?;
    Ok(checked)
}

/// Checks everything but scripts and contracts.
pub(super) fn check_money<V: ChainView>(
    tx: &Transaction,
    next: &NextBlock<'_>,
    view: &V,
) -> Result<CheckedTransaction, CheckError<TransactionError, V::Error>> {
    check_transaction(tx)?;
    check_finality(tx, next)?;
    let mut spent = Vec::with_capacity(tx.inputs.len());
    for input in &tx.inputs {
        // "Each input spends an output that exists and is unspent."
        let coin = view.coin(&input.previous).map_err(CheckError::Store)?;
        let coin = coin.ok_or(TransactionError::MissingInput(input.previous))?;
        // "An output of a coinbase at height h is spent in blocks of height h + maturity or more."
        let from = coin.height.plus(next.params.coinbase_maturity);
        if coin.coinbase && next.height < from {
            let (outpoint, height) = (input.previous, next.height);
            return Err(TransactionError::ImmatureCoinbase { outpoint, from, height }.into());
        }
        spent.push(coin);
    }
    // "The inputs add up to at least the outputs; what is over is the miner's fee."
    let inputs = Amount::sum_checked(spent.iter().map(|c| c.output.value)).ok_or(TransactionError::InputsTooLarge)?;
    let outputs = tx.output_value().ok_or(TransactionError::OutputsTooLarge)?;
    let fee = inputs.checked_sub(outputs).ok_or(TransactionError::ValueCreated { inputs, outputs })?;
    check_relative_locks(tx, &spent, next, view)?;
    let sigops = count_sigops(&spent, next.params)?;
    Ok(CheckedTransaction { fee, spent, sigops })
}
