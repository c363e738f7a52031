//! Who may spend: plain inputs by their scripts, contracts by the rules of the `contract` room.
//!
//! These checks need nothing but the transaction, the coins that it spends and the block's place: those of one block are
//! collected, and whoever has several processors runs them side by side ([`ScriptRunner`]).

use super::transaction_rules::NextBlock;
use super::{TransactionError, Undo};
use crate::block::{Block, NetworkParams};
use crate::contract;
use crate::script::opcode::Opcode;
use crate::script::{self, SpendChecker};
use crate::transaction::{Coin, SignatureHasher, Transaction, TxOut};
use alloc::vec::Vec;

/// A transaction of a block, of which everything else was checked, and what checking its scripts needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCheck<'a> {
    /// Its index in the block.
    pub index: usize,
    /// The transaction.
    pub tx: &'a Transaction,
    /// The coins that its inputs spend, in order.
    pub spent: &'a [Coin],
}

impl ScriptCheck<'_> {
    /// Runs the check: whether each of the coins may be spent like this in the block described by `next`.
    pub fn run(&self, next: &NextBlock<'_>) -> Result<(), TransactionError> {
        check_scripts(self.tx, self.spent, next)
    }
}

/// The checks of a block's transactions; `undo` has the coins that they spend.
pub(super) fn script_checks<'a>(block: &'a Block, undo: &'a Undo) -> Vec<ScriptCheck<'a>> {
    let mut rest = undo.spent.as_slice();
    let check = |(index, tx): (usize, &'a Transaction)| {
        let (spent, others) = rest.split_at_checked(tx.inputs.len()).unwrap_or((rest, &[]));
        rest = others;
        ScriptCheck { index, tx, spent }
    };
    block.transactions.iter().enumerate().skip(1).map(check).collect()
}

/// Runs the checks of a block and gives the index in the list and the error of the first one that fails. The checks do not
/// depend on each other. What is given last may be done beside them; it is done once at most, and if no check fails.
pub type ScriptRunner = fn(&[ScriptCheck<'_>], &NextBlock<'_>, &mut dyn FnMut()) -> Option<(usize, TransactionError)>;

/// Runs the checks one after another, and `meanwhile` after them.
pub fn one_by_one(
    checks: &[ScriptCheck<'_>],
    next: &NextBlock<'_>,
    meanwhile: &mut dyn FnMut(),
) -> Option<(usize, TransactionError)> {
    let failed = checks.iter().enumerate().find_map(|(at, check)| check.run(next).err().map(|error| (at, error)));
    if failed.is_none() {
        meanwhile();
    }
    failed
}

/// The number of signature checks that count towards the block's limit.
///
/// "A block has at most 20,000 signature checks. They are counted before they are made": a transaction that no block can hold
/// costs whoever looks at it nothing.
pub(super) fn count_sigops(spent: &[Coin], params: &NetworkParams) -> Result<u32, TransactionError> {
    let count = |sum: u32, c: &Coin| sum.saturating_add(script::signature_operations(&c.output.script_pubkey));
    let (found, max) = (spent.iter().fold(0, count), params.max_block_sigops);
    if found > max { Err(TransactionError::Sigops { max, found }) } else { Ok(found) }
}

/// Checks every input of a transaction that is not a coinbase, and its contract outputs.
pub(super) fn check_scripts(tx: &Transaction, spent: &[Coin], next: &NextBlock<'_>) -> Result<(), TransactionError> {
    let outputs: Vec<TxOut> = spent.iter().map(|c| c.output.clone()).collect();
    let hasher = SignatureHasher::new(tx, &outputs, next.params.network);
    for (index, input) in tx.inputs.iter().enumerate() {
        // Without its coin nobody has shown that it may be spent.
        let output = outputs.get(index).ok_or(TransactionError::MissingInput(input.previous))?;
        // A contract's rules see the whole transaction: they are checked below.
        if output.script_pubkey.as_bytes().first() != Some(&(Opcode::Contract as u8)) {
            // "Each input's ScriptSig satisfies the ScriptPubKey of the output it spends."
            let checker = SpendChecker::new(tx, index, &hasher);
            script::verify(&input.script_sig, &output.script_pubkey, &checker)
                .map_err(|error| TransactionError::Script { input: index, error })?;
        }
    }
    Ok(contract::check_transaction(tx, spent, next.height, next.params, &hasher)?)
}
