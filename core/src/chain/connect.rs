//! Connecting a block to the coins and disconnecting it: pure functions.

use super::scripts::{ScriptRunner, script_checks};
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

/// Checks all of a semantically valid block but its scripts ([`check_block_scripts`]), on top of the chain that `view` shows,
/// whose last block's filter header is `filter_header`, and says what the block changes.
pub fn connect_block<V: ChainView>(
    block: &Block,
    next: &NextBlock<'_>,
    filter_header: &FilterHeader,
    view: &V,
) -> Result<Connected, CheckError<BlockError, V::Error>> {
    let mut coins = InBlock::new(view);
    let (mut fees, mut sigops, mut undo) = (Amount::ZERO, 0u32, Undo::default());
    let (coinbase, rest) = block.transactions.split_first().ok_or(BlockError::NoCoinbase)?;
    let mut txids = Vec::with_capacity(block.transactions.len());
    txids.push(coinbase.txid());
    for (index, tx) in (1..).zip(rest) {
        let checked = check_money(tx, next, &coins).map_err(|e| match e {
            CheckError::Rule(error) => CheckError::Rule(BlockError::Transaction { index, txid: tx.txid(), error }),
            CheckError::Store(error) => CheckError::Store(error),
        })?;
        // "A block has at most 20,000 signature checks."
        sigops = sigops.saturating_add(checked.sigops);
        if sigops > next.params.max_block_sigops {
            return Err(BlockError::Sigops { max: next.params.max_block_sigops, found: sigops }.into());
        }
        fees = fees.checked_add(checked.fee).ok_or(BlockError::FeesTooLarge)?;
        undo.spent.extend(checked.spent);
        let txid = tx.txid();
        coins.apply(tx, txid, next.height);
        txids.push(txid);
    }
    check_coinbase(coinbase, fees, next)?;
    coins.apply(coinbase, coinbase.txid(), next.height);
    let filter = block_filter(block, undo.spent.iter().map(|coin| &coin.output));
    let filter_entry = FilterEntry::new(&filter, filter_header);
    check_commitment(coinbase, filter_entry.header)?;
    Ok(Connected { coins: coins.changes, undo, txids, fees, filter, filter_entry })
}

/// Checks the scripts of a block that [`connect_block`] found right, with what it spends: last and together, since they cost the
/// most, and by then the block is worth it. `run` runs the checks; `meanwhile` can be done beside them, and is done if none fails.
pub fn check_block_scripts(
    block: &Block,
    undo: &Undo,
    next: &NextBlock<'_>,
    run: ScriptRunner,
    meanwhile: &mut dyn FnMut(),
) -> Result<(), BlockError> {
    let checks = script_checks(block, undo);
    match run(&checks, next, meanwhile).and_then(|(found, error)| Some((checks.get(found)?, error))) {
        Some((check, error)) => Err(BlockError::Transaction { index: check.index, txid: check.tx.txid(), error }),
        None => Ok(()),
    }
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
