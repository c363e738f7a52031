//! What a signature signs: BIP143's idea, with all amounts, the Job ID and the network.

use super::{Transaction, TxOut};
use crate::encode::{Encode, put_bytes};
use crate::hash::{Hash32, tagged_hash};
use crate::units::Network;
use alloc::vec::Vec;

/// Gives the hash to sign for each input of one transaction; what all inputs share is hashed once.
///
/// A signature covers the version, every outpoint, every sequence, every spent amount and
/// ScriptPubKey, all outputs, the lock time, the Job ID, the network, and the index of its input
/// (`docs/protocol.md`, "Signatures"). For a contract input it covers the move and the evidence's hash
/// too; the terms are in the spent ScriptPubKey.
#[derive(Clone, Debug)]
pub struct SignatureHasher {
    shared: Vec<u8>,
}

impl SignatureHasher {
    /// For `tx`, whose inputs spend `spent`, in order.
    ///
    /// # Panics
    /// Never; but a hash over the wrong number of spent outputs fits no other transaction.
    pub fn new(tx: &Transaction, spent: &[TxOut], network: Network) -> Self {
        let mut shared = Vec::new();
        network.magic().encode(&mut shared);
        tx.version.encode(&mut shared);
        let mut part = |fill: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            fill(&mut bytes);
            tagged_hash("camelid/sighash/part", &[&bytes]).encode(&mut shared);
        };
        part(&|b| tx.inputs.iter().for_each(|i| i.previous.encode(b)));
        part(&|b| tx.inputs.iter().for_each(|i| i.sequence.encode(b)));
        part(&|b| spent.iter().for_each(|o| o.encode(b)));
        part(&|b| tx.outputs.iter().for_each(|o| o.encode(b)));
        tx.lock_time.encode(&mut shared);
        tx.job_id.encode(&mut shared);
        SignatureHasher { shared }
    }

    /// The hash that the signature of a plain input signs.
    pub fn input(&self, index: u32) -> Hash32 {
        self.contract_input(index, &[])
    }

    /// The hash that a signature of a contract input signs; `binding` encodes the move and the
    /// evidence's hash (the `contract` room says how).
    pub fn contract_input(&self, index: u32, binding: &[u8]) -> Hash32 {
        let mut tail = Vec::new();
        index.encode(&mut tail);
        put_bytes(binding, &mut tail);
        tagged_hash("camelid/sighash", &[&self.shared, &tail])
    }
}
