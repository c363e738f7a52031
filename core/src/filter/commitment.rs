//! Filter headers, and the coinbase's output that commits to one.

use super::Filter;
use crate::encode_struct;
use crate::hash::{FilterHash, FilterHeader, sha256d};
use crate::script::ScriptBuilder;
use crate::script::opcode::Opcode;
use crate::transaction::{Script, Transaction};
use crate::units::Amount;

/// What a commitment begins with, so that no other data passes for one: compact filter header, version 1.
const TAG: [u8; 4] = *b"CFH1";

impl FilterHeader {
    /// The filter header that follows this one, for a filter with this hash: double SHA-256 of both (BIP157).
    pub fn next(&self, filter: &FilterHash) -> FilterHeader {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&filter.0);
        bytes[32..].copy_from_slice(&self.0);
        FilterHeader(sha256d(&bytes).0)
    }
}

/// A block's place among the filters of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterEntry {
    /// The hash of the block's filter.
    pub hash: FilterHash,
    /// Its filter header: commits to this filter and to those of all its ancestors.
    pub header: FilterHeader,
}
encode_struct!(FilterEntry { hash, header });

impl FilterEntry {
    /// The place of a filter whose block follows one with the filter header `previous`; zero before the first.
    pub fn new(filter: &Filter, previous: &FilterHeader) -> Self {
        let hash = filter.hash();
        FilterEntry { hash, header: previous.next(&hash) }
    }
}

/// The script of a coinbase's last output, which commits to a filter header: `OP_RETURN <CFH1 ‖ filter header>`.
pub fn commitment_script(header: &FilterHeader) -> Script {
    let mut data = [0; 36];
    data[..4].copy_from_slice(&TAG);
    data[4..].copy_from_slice(&header.0);
    ScriptBuilder::new().op(Opcode::Return).push(&data).build()
}

/// The filter header that a coinbase commits to; `None` where its last output is no commitment.
pub fn committed_header(coinbase: &Transaction) -> Option<FilterHeader> {
    let last = coinbase.outputs.last().filter(|o| o.value == Amount::ZERO)?;
    let header: [u8; 32] = last.script_pubkey.0.get(6..)?.try_into().ok()?;
    let header = FilterHeader(header);
    (last.script_pubkey == commitment_script(&header)).then_some(header)
}
