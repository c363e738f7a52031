//! Connecting a block to the coins and disconnecting it: pure functions.

use super::scripts::{ScriptCheck, ScriptRunner};
use super::transaction_rules::{ChainView, NextBlock, check_money};
use super::{BlockError, CheckError, Undo, UndoError};
use crate::block::{Block, subsidy};
use crate::contract;
use crate::filter::{Filter, FilterEntry, block_filter, committed_header};
use crate::hash::{FilterHeader, Txid};
use crate::script::templates::is_unspendable;
use crate::transaction::{Coin, OutPoint, Transaction};
use crate::units::{Amount, Height, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Changes to the unspent outputs; `None` removes.
pub type CoinChanges = BTreeMap<OutPoint, Option<Coin>>;

/// What a valid block does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Changes to the unspent outputs.
    pub coins: CoinChanges,
    /// The coins that were spent.
    pub undo: Undo,
    /// The ids of the block's transactions, in order.
    pub txids: Vec<Txid>,
    /// The fees of all transactions.
    pub fees: Amount,
    /// The block's compact filter.
    pub filter: Filter,
    /// Its hash and header.
    pub filter_entry: FilterEntry,
}

/// The coins after the transactions of a block that were connected so far.
pub(super) struct InBlock<'a, V> {
    base: &'a V,
    pub(super) changes: CoinChanges,
}

impl<'a, V> InBlock<'a, V> {
    pub(super) fn new(base: &'a V) -> Self {
        InBlock { base, changes: CoinChanges::new() }
    }

    /// Spends the inputs (a coinbase has none) and makes the outputs.
    pub(super) fn apply(&mut self, tx: &Transaction, txid: Txid, height: Height) {
        let coinbase = tx.is_coinbase();
        if !coinbase {
            self.changes.extend(tx.inputs.iter().map(|i| (i.previous, None)));
        }
        for (index, output) in (0..).zip(&tx.outputs) {
            if !is_unspendable(&output.script_pubkey) {
                let coin = Coin { output: output.clone(), height, coinbase };
                self.changes.insert(OutPoint { txid, index }, Some(coin));
            }
        }
    }
}

impl<V: ChainView> ChainView for InBlock<'_, V> {
    type Error = V::Error;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, V::Error> {
        match self.changes.get(outpoint) {
            Some(change) => Ok(change.clone()),
            None => self.base.coin(outpoint),
        }
    }

    fn median_time_past(&self, height: Height) -> Result<Timestamp, V::Error> {
        self.base.median_time_past(height)
    }
}

/// Checks a semantically valid block on top of the chain that `view` shows, whose last block's filter header is
/// `filter_header`, and says what it changes. `run` runs the checks of its scripts.
pub fn connect_block<V: ChainView>(
    block: &Block,
    next: &NextBlock<'_>,
    filter_header: &FilterHeader,
    view: &V,
    run: ScriptRunner,
) -> Result<Connected, CheckError<BlockError, V::Error>> {
    let mut coins = InBlock::new(view);
    let (mut fees, mut sigops, mut scripts) = (Amount::ZERO, 0u32, Vec::new());
    let (coinbase, rest) = block.transactions.split_first().ok_or(BlockError::NoCoinbase)?;
    let mut txids = Vec::with_capacity(block.transactions.len());
    txids.push(coinbase.txid());
    let at = |index, tx: &Transaction, error| BlockError::Transaction { index, txid: tx.txid(), error };
    for (index, tx) in (1..).zip(rest) {
        let checked = check_money(tx, next, &coins).map_err(|e| match e {
            CheckError::Rule(error) => CheckError::Rule(at(index, tx, error)),
            CheckError::Store(error) => CheckError::Store(error),
        })?;
        // "A block has at most 20,000 signature checks."
        sigops = sigops.saturating_add(checked.sigops);
        if sigops > next.params.max_block_sigops {
            return Err(BlockError::Sigops { max: next.params.max_block_sigops, found: sigops }.into());
        }
        fees = fees.checked_add(checked.fee).ok_or(BlockError::FeesTooLarge)?;
        scripts.push(ScriptCheck { index, tx, spent: checked.spent });
        let txid = tx.txid();
        coins.apply(tx, txid, next.height);
        txids.push(txid);
    }
    check_coinbase(coinbase, fees, next)?;
    // Last and together: they cost the most, and by here the block is worth it.
    if let Some((check, error)) = run(&scripts, next).and_then(|(found, e)| Some((scripts.get(found)?, e))) {
        return Err(at(check.index, check.tx, error).into());
    }
    coins.apply(coinbase, coinbase.txid(), next.height);
    let undo = Undo { spent: scripts.into_iter().flat_map(|check| check.spent).collect() };
    let filter = block_filter(block, undo.spent.iter().map(|coin| &coin.output));
    let filter_entry = FilterEntry::new(&filter, filter_header);
    check_commitment(coinbase, filter_entry.header)?;
    Ok(Connected { coins: coins.changes, undo, txids, fees, filter, filter_entry })
}

fn check_commitment(coinbase: &Transaction, expected: FilterHeader) -> Result<(), BlockError> {
    // "A coinbase's last output commits to the filter header of its block."
    match committed_header(coinbase) {
        Some(found) if found == expected => Ok(()),
        found => Err(BlockError::FilterCommitment { expected, found }),
    }
}

fn check_coinbase(coinbase: &Transaction, fees: Amount, next: &NextBlock<'_>) -> Result<(), BlockError> {
    if !coinbase.is_coinbase() {
        return Err(BlockError::NoCoinbase);
    }
    let at = |error| BlockError::Transaction { index: 0, txid: coinbase.txid(), error };
    // "A coinbase's lock time is its block's height."
    if coinbase.lock_time != next.height.0 {
        return Err(BlockError::CoinbaseHeight { expected: next.height, found: coinbase.lock_time });
    }
    // "A coinbase makes at most the subsidy and the fees of its block."
    let allowed = subsidy(next.params, next.height).checked_add(fees).ok_or(BlockError::FeesTooLarge)?;
    let found = coinbase.output_value().ok_or_else(|| at(super::TransactionError::OutputsTooLarge))?;
    if found > allowed {
        return Err(BlockError::CoinbaseValue { allowed, found });
    }
    contract::check_coinbase(coinbase).map_err(|e| at(e.into()))
}

/// What takes a connected block back: removes what it made, restores what it spent.
pub fn disconnect_block(block: &Block, undo: &Undo) -> Result<CoinChanges, UndoError> {
    let mut changes = CoinChanges::new();
    let spending = || block.transactions.iter().skip(1);
    let expected = spending().map(|tx| tx.inputs.len()).sum();
    if undo.spent.len() != expected {
        return Err(UndoError { expected, found: undo.spent.len() });
    }
    // Restore first: an output that was made and spent in this block ends removed.
    for (input, coin) in spending().flat_map(|tx| &tx.inputs).zip(&undo.spent) {
        changes.insert(input.previous, Some(coin.clone()));
    }
    for tx in &block.transactions {
        let txid = tx.txid();
        for (index, output) in (0..).zip(&tx.outputs) {
            if !is_unspendable(&output.script_pubkey) {
                changes.insert(OutPoint { txid, index }, None);
            }
        }
    }
    Ok(changes)
}
