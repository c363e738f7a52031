//! What a block's filter holds, and under which key.

use super::{Filter, FilterKey};
use crate::block::Block;
use crate::contract::contract_output;
use crate::hash::BlockHash;
use crate::script::templates::{is_unspendable, p2pkh};
use crate::sorted::Set;
use crate::transaction::{Script, TxOut};
use alloc::vec::Vec;

/// The key of the filter of the block that follows `previous`: the first 16 bytes of that hash. BIP158 takes the block's own
/// hash, which does not exist before the block has committed to its filter (`docs/decisions/filter-commitment.md`).
pub fn key_after(previous: &BlockHash) -> FilterKey {
    let mut key = [0; 16];
    key.iter_mut().zip(previous.0).for_each(|(to, from)| *to = from);
    FilterKey(key)
}

/// What the filter of a block holds for an output that is made or spent in it: its script, and for a contract the scripts
/// that its parties' wallets look for. Nothing for scripts that nobody can spend, nor for the empty one.
pub fn script_elements(output: &TxOut) -> Vec<Script> {
    let script = &output.script_pubkey;
    if script.0.is_empty() || is_unspendable(script) {
        return Vec::new();
    }
    let mut elements = alloc::vec![script.clone()];
    // A valid transaction makes no contract without canonical terms; where it does, there are no parties to tell.
    if let Ok(Some(terms)) = contract_output(output, 0) {
        let keys = [terms.client_key, terms.challenge_key, terms.node_key].map(|key| key.hash());
        elements.extend(keys.into_iter().chain([terms.reward_address]).map(p2pkh));
    }
    elements
}

/// The filter of a block whose transactions spend the outputs `spent`: the scripts of all outputs that are made or spent in
/// it, and the parties of its contracts.
pub fn block_filter<'a>(block: &'a Block, spent: impl IntoIterator<Item = &'a TxOut>) -> Filter {
    let made = block.transactions.iter().flat_map(|tx| &tx.outputs);
    let elements: Set<Vec<u8>> = made.chain(spent).flat_map(script_elements).map(|script| script.0).collect();
    Filter::build(&key_after(&block.header.previous), &elements)
}
