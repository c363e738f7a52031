//! Who may spend: plain inputs by their scripts, contracts by the rules of the `contract` room.

use super::TransactionError;
use super::transaction_rules::NextBlock;
use crate::contract;
use crate::script::opcode::Opcode;
use crate::script::{self, SpendChecker};
use crate::transaction::{Coin, SignatureHasher, Transaction, TxOut};
use alloc::vec::Vec;

/// Checks every input of a transaction that is not a coinbase, and its contract outputs. Gives the number of
/// signature checks that count towards the block's limit.
pub(super) fn check_scripts(tx: &Transaction, spent: &[Coin], next: &NextBlock<'_>) -> Result<u32, TransactionError> {
    let outputs: Vec<TxOut> = spent.iter().map(|c| c.output.clone()).collect();
    let hasher = SignatureHasher::new(tx, &outputs, next.params.network);
    // "A block has at most 20,000 signature checks. They are counted before they are made": a transaction that no block
    // can hold costs whoever looks at it nothing.
    let count = |sum: u32, o: &TxOut| sum.saturating_add(script::signature_operations(&o.script_pubkey));
    let (sigops, max) = (outputs.iter().fold(0, count), next.params.max_block_sigops);
    if sigops > max {
        return Err(TransactionError::Sigops { max, found: sigops });
    }
    for (index, (input, output)) in tx.inputs.iter().zip(&outputs).enumerate() {
        // A contract's rules see the whole transaction: they are checked below.
        if output.script_pubkey.as_bytes().first() != Some(&(Opcode::Contract as u8)) {
            // "Each input's ScriptSig satisfies the ScriptPubKey of the output it spends."
            let checker = SpendChecker::new(tx, index, &hasher);
            script::verify(&input.script_sig, &output.script_pubkey, &checker)
                .map_err(|error| TransactionError::Script { input: index, error })?;
        }
    }
    contract::check_transaction(tx, spent, next.height, next.params, &hasher)?;
    Ok(sigops)
}
