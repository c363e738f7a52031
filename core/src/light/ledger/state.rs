//! What follows from the records: coins, open contracts, history.

use super::record::{BlockRecord, Contract, Output, TxRecord};
use crate::contract::Move;
use crate::hash::{JobId, Txid};
use crate::sorted::Map;
use crate::transaction::{Coin, OutPoint};
use crate::units::{Amount, Height, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What a transaction was for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// We mined a block.
    Mined,
    /// Somebody paid us.
    Received,
    /// We paid somebody. The fee is known where all its coins were ours.
    Sent {
        /// The miner's fee.
        fee: Option<Amount>,
    },
    /// A job's money: the settlement that pays for it, or a move of its contract.
    Job {
        /// Which; none where the witness is of a kind that this wallet does not know.
        by: Option<Move>,
    },
}

/// A line of the wallet's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The transaction.
    pub txid: Txid,
    /// The height of its block; none while it waits for one.
    pub height: Option<Height>,
    /// Its block's time, or when it was made.
    pub time: Timestamp,
    /// What came in, in plain coins of ours.
    pub received: Amount,
    /// What went out, in plain coins of ours.
    pub spent: Amount,
    /// What it was.
    pub kind: Kind,
    /// The job that it belongs to, if any.
    pub job: Option<JobId>,
    /// The contract of ours that it makes, if any.
    pub contract: Option<OutPoint>,
}

impl Entry {
    /// What it changed, in units: above zero what came in.
    pub fn change(&self) -> i64 {
        // All the money there can be fits many times over.
        (self.received.0 as i64).saturating_sub(self.spent.0 as i64)
    }
}

/// A contract of ours that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenContract {
    /// What it holds, and its terms.
    pub contract: Contract,
    /// The height at which this state was confirmed.
    pub since: Height,
}

/// What the best chain says about our money.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) coins: BTreeMap<OutPoint, Coin>,
    pub(super) contracts: Map<OutPoint, OpenContract>,
    /// The oldest first.
    pub(super) history: Vec<Entry>,
}

impl State {
    /// Takes a block's transactions.
    pub(super) fn apply_block(&mut self, record: &BlockRecord, height: Height) {
        for tx in &record.transactions {
            self.apply(tx, height, record.time);
        }
    }

    /// Takes a transaction of a block.
    pub(super) fn apply(&mut self, tx: &TxRecord, height: Height, time: Timestamp) {
        let mut spent = Amount::ZERO;
        for outpoint in &tx.spends {
            if let Some(coin) = self.coins.remove(outpoint) {
                spent.0 = spent.0.saturating_add(coin.output.value.0);
            }
            self.contracts.remove(outpoint);
        }
        for Output { index, output } in &tx.ours {
            let coin = Coin { output: output.clone(), height, coinbase: tx.coinbase };
            self.coins.insert(OutPoint { txid: tx.txid, index: *index }, coin);
        }
        if let Some(contract) = &tx.contract {
            let outpoint = OutPoint { txid: tx.txid, index: 0 };
            self.contracts.insert(outpoint, OpenContract { contract: contract.clone(), since: height });
        }
        self.history.push(Entry::of(tx, spent, Some(height), time));
    }
}

impl Entry {
    /// The line of a transaction that spends so much of ours.
    pub(super) fn of(tx: &TxRecord, spent: Amount, height: Option<Height>, time: Timestamp) -> Self {
        let received = tx.ours.iter().map(|o| o.output.value.0).fold(0, u64::saturating_add);
        let kind = if tx.moved.is_some() || tx.contract.is_some() {
            Kind::Job { by: tx.moved }
        } else if tx.coinbase {
            Kind::Mined
        } else if spent > Amount::ZERO {
            Kind::Sent { fee: (!tx.shared).then(|| spent.saturating_sub(tx.made)) }
        } else {
            Kind::Received
        };
        Entry {
            txid: tx.txid,
            height,
            time,
            received: Amount(received),
            spent,
            kind,
            job: (!tx.job.is_zero()).then_some(tx.job),
            contract: tx.contract.as_ref().map(|_| OutPoint { txid: tx.txid, index: 0 }),
        }
    }
}
