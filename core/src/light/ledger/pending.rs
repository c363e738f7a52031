//! Transactions of ours that are in no block yet.

use super::record::TxRecord;
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::hash::Txid;
use crate::transaction::{OutPoint, Transaction};
use crate::units::{Height, Timestamp};
use alloc::vec::Vec;

/// A transaction of ours that was submitted. It is kept until its block, or the block of what it conflicts with, lies
/// deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The transaction.
    pub transaction: Transaction,
    /// When it was made.
    pub since: Timestamp,
    /// Whether a peer took it: it may be mined from then on, whatever others say.
    pub taken: bool,
    pub(super) txid: Txid,
    /// What it has to do with us.
    pub(super) record: TxRecord,
    /// The height of its block.
    pub(super) mined: Option<Height>,
    /// The height of a block that spends a coin of its otherwise.
    pub(super) conflict: Option<Height>,
}

impl Pending {
    /// Its id.
    pub fn txid(&self) -> Txid {
        self.txid
    }

    /// Whether it spends an output.
    pub(super) fn spends(&self, outpoint: &OutPoint) -> bool {
        self.transaction.inputs.iter().any(|input| input.previous == *outpoint)
    }

    /// A block's transaction that has to do with us.
    pub(super) fn on_mined(&mut self, tx: &TxRecord, height: Height) {
        if tx.txid == self.txid {
            self.mined = Some(height);
        } else if tx.spends.iter().any(|outpoint| self.spends(outpoint)) {
            self.conflict = Some(height);
        }
    }

    /// The height that decided it: of its block, or of one that spends its coins otherwise.
    pub(super) fn decided(&self) -> Option<Height> {
        self.mined.or(self.conflict)
    }
}

/// Those that may still be mined: all that they spend of ours exists, on the chain or made by another of them. `all` is
/// in the order in which they were made, `exists` knows what is on the chain.
pub(super) fn live(all: &[Pending], exists: impl Fn(&OutPoint) -> bool) -> Vec<&Pending> {
    let mut live: Vec<&Pending> = Vec::new();
    for pending in all {
        let made = |outpoint: &OutPoint| live.iter().any(|other| other.txid == outpoint.txid);
        if pending.record.spends.iter().all(|outpoint| exists(outpoint) || made(outpoint)) {
            live.push(pending);
        }
    }
    live
}

impl Encode for Pending {
    fn encode(&self, out: &mut Vec<u8>) {
        self.transaction.encode(out);
        self.since.encode(out);
        self.taken.encode(out);
        self.record.encode(out);
    }
}

impl Decode for Pending {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let transaction = Transaction::decode(r)?;
        Ok(Pending {
            txid: transaction.txid(),
            transaction,
            since: Decode::decode(r)?,
            taken: Decode::decode(r)?,
            record: Decode::decode(r)?,
            mined: None,
            conflict: None,
        })
    }
}
