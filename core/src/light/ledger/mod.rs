//! What the chain says about our money: coins, open contracts, history, and transactions on their way.
//!
//! For each block that has to do with the wallet a record is kept of what that is, in a few dozen bytes. Everything
//! else is reckoned from the records, in the order of their heights. So a reorganisation takes records away and leaves
//! exactly what the remaining blocks say, and a block that turns out late to be of interest takes its place among the
//! others.

mod pending;
mod record;
mod state;

pub use pending::Pending;
pub use record::Contract;
pub use state::{Entry, Kind, OpenContract};

use crate::block::{Block, NetworkParams};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::hash::{BlockHash, Txid};
use crate::script::templates::p2pkh_key_hash;
use crate::sorted::{Map, Set};
use crate::transaction::{Coin, OutPoint, Transaction};
use crate::units::{Amount, Height, Timestamp};
use crate::wallet::{Keyring, spendable};
use alloc::vec::Vec;
use record::{BlockRecord, TxRecord};
use state::State;

/// How deep a block lies below the tip when what it decided about a pending transaction stays.
const DECIDED_DEPTH: u32 = 10;
/// The most transactions that wait at once.
const MAX_PENDING: usize = 1_000;
/// The most of anything else that is read.
const MAX_ITEMS: usize = 1 << 20;

/// What the wallet owns, by what it can do with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// On the chain and free.
    pub confirmed: Amount,
    /// On its way to us: outputs of our own transactions that wait, change for the most part.
    pub pending: Amount,
    /// Mined, and not mature.
    pub immature: Amount,
    /// Bound in open jobs: coins that were put aside for them, and our reserve in open contracts.
    pub in_jobs: Amount,
}

/// What a block has to do with the wallet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Whether it has.
    pub changed: bool,
    /// Whether more keys are watched from now on.
    pub grown: bool,
    /// Its transactions that make or spend a contract in which we hold the client key, in order.
    pub contracts: Vec<Transaction>,
}

/// Why a transaction of ours is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PendingError {
    /// It spends none of our coins.
    #[error("transaction {txid} spends none of this wallet's coins")]
    NotOurs {
        /// Its id.
        txid: Txid,
    },
    /// A coin of it is spent by another one that waits.
    #[error("coin {coin} is spent by transaction {by}, which waits for its block")]
    Spent {
        /// The coin.
        coin: OutPoint,
        /// The other one.
        by: Txid,
    },
    /// Too many wait.
    #[error("{limit} transactions wait for their blocks already: try again later")]
    TooMany {
        /// The most that may.
        limit: usize,
    },
}

/// The wallet's books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    records: Map<Height, BlockRecord>,
    state: State,
    /// In the order in which they were made.
    pending: Vec<Pending>,
    /// Coins that are put aside.
    held: Set<OutPoint>,
}

impl Ledger {
    /// Takes a block of the best chain. In whatever order blocks come, they count in the order of their heights; a
    /// block that spends coins has to come after those that made them.
    pub fn connected(&mut self, block: &Block, hash: BlockHash, height: Height, keyring: &mut Keyring) -> Touched {
        let mut touched = Touched::default();
        // A key that is seen here may bring others into view that are seen here too.
        while note_used(block, keyring) {
            touched.grown = true;
        }
        let mut above = self.records.split_off(&height);
        let old = above.remove(&height);
        if old.is_some() || !above.is_empty() {
            self.reckon();
        }
        let mut record = BlockRecord { hash, time: block.header.time, transactions: Vec::new() };
        for tx in &block.transactions {
            let State { coins, contracts, .. } = &self.state;
            let found = TxRecord::of(tx, keyring, |o| coins.contains_key(o), |o| contracts.contains_key(o));
            if let Some(found) = found {
                self.state.apply(&found, height, record.time);
                self.pending.iter_mut().for_each(|pending| pending.on_mined(&found, height));
                if found.contract.is_some() || found.moved.is_some() {
                    touched.contracts.push(tx.clone());
                }
                record.transactions.push(found);
            }
        }
        touched.changed = !record.transactions.is_empty() && old.as_ref() != Some(&record);
        if !record.transactions.is_empty() {
            self.records.insert(height, record);
        }
        for (height, record) in above {
            self.apply(&record, height);
            self.records.insert(height, record);
        }
        touched
    }

    /// Blocks above `common` left the chain. Whether that changes anything.
    pub fn disconnected(&mut self, common: Height) -> bool {
        let gone = self.records.split_off(&common.next());
        if gone.is_empty() {
            return false;
        }
        self.reckon();
        true
    }

    /// Reckons everything from the records.
    fn reckon(&mut self) {
        self.state = State::default();
        for pending in &mut self.pending {
            (pending.mined, pending.conflict) = (None, None);
        }
        let records = core::mem::take(&mut self.records);
        records.iter().for_each(|(height, record)| self.apply(record, *height));
        self.records = records;
    }

    fn apply(&mut self, record: &BlockRecord, height: Height) {
        self.state.apply_block(record, height);
        for tx in &record.transactions {
            self.pending.iter_mut().for_each(|pending| pending.on_mined(tx, height));
        }
    }

    /// All coins on the chain.
    pub fn coins(&self) -> impl Iterator<Item = (&OutPoint, &Coin)> {
        self.state.coins.iter()
    }

    /// The open contracts in which we hold the client key.
    pub fn contracts(&self) -> impl Iterator<Item = (&OutPoint, &OpenContract)> {
        self.state.contracts.iter()
    }

    /// What happened: first what waits, then the newest first.
    pub fn history(&self) -> Vec<Entry> {
        let waiting = self.pending().into_iter().rev();
        let waiting = waiting.map(|p| Entry::of(&p.record, self.spent_by(p), None, p.since));
        waiting.chain(self.state.history.iter().rev().cloned()).collect()
    }

    /// What a transaction that waits spends of ours, change of others that wait included.
    fn spent_by(&self, pending: &Pending) -> Amount {
        let values = pending.record.spends.iter().filter_map(|o| self.coin(o)).map(|coin| coin.output.value.0);
        Amount(values.fold(0, u64::saturating_add))
    }

    /// A coin on the chain, or one that a transaction of ours makes that waits.
    fn coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.state.coins.get(outpoint).cloned().or_else(|| {
            let pending = self.pending.iter().find(|p| p.txid == outpoint.txid)?;
            let output = pending.record.ours.iter().find(|o| o.index == outpoint.index)?.output.clone();
            Some(Coin { output, height: Height(u32::MAX), coinbase: false })
        })
    }

    /// Transactions of ours that may still be mined, in the order in which they were made.
    pub fn pending(&self) -> Vec<&Pending> {
        let State { coins, contracts, .. } = &self.state;
        pending::live(&self.pending, |outpoint| coins.contains_key(outpoint) || contracts.contains_key(outpoint))
    }

    /// Takes a transaction of ours that is about to be submitted: its coins are spent from now on.
    pub fn add_pending(&mut self, tx: Transaction, keyring: &Keyring, now: Timestamp) -> Result<Txid, PendingError> {
        let txid = tx.txid();
        if self.pending.iter().any(|pending| pending.txid == txid) {
            return Ok(txid);
        }
        if self.pending.len() >= MAX_PENDING {
            return Err(PendingError::TooMany { limit: MAX_PENDING });
        }
        for input in &tx.inputs {
            if let Some(other) = self.pending().iter().find(|pending| pending.spends(&input.previous)) {
                return Err(PendingError::Spent { coin: input.previous, by: other.txid });
            }
        }
        let contract = |o: &OutPoint| self.state.contracts.contains_key(o);
        let record = TxRecord::of(&tx, keyring, |o| self.coin(o).is_some(), contract);
        let Some(record) = record.filter(|record| !record.spends.is_empty()) else {
            return Err(PendingError::NotOurs { txid });
        };
        let (taken, mined, conflict) = (false, None, None);
        let mut pending = Pending { transaction: tx, since: now, taken, txid, record, mined, conflict };
        for (height, record) in &self.records {
            record.transactions.iter().for_each(|tx| pending.on_mined(tx, *height));
        }
        self.pending.push(pending);
        Ok(txid)
    }

    /// A peer took a transaction.
    pub fn note_taken(&mut self, txid: &Txid) {
        self.pending.iter_mut().filter(|pending| pending.txid == *txid).for_each(|pending| pending.taken = true);
    }

    /// Forgets a transaction and those that stand on it: their coins are free again.
    pub fn forget(&mut self, txid: &Txid) {
        let mut gone = Set::from([*txid]);
        // Each stands on earlier ones alone.
        self.pending.retain(|pending| {
            let stands = pending.transaction.inputs.iter().any(|input| gone.contains(&input.previous.txid));
            if stands {
                gone.insert(pending.txid);
            }
            !gone.contains(&pending.txid)
        });
    }

    /// The chain has grown: forgets transactions whose fate is certain.
    pub fn tidy(&mut self, tip: Height) {
        self.pending.retain(|pending| pending.decided().is_none_or(|at| tip.since(at) < DECIDED_DEPTH));
    }

    /// Puts coins aside: no payment takes them until they are released.
    pub fn hold(&mut self, coins: impl IntoIterator<Item = OutPoint>) {
        self.held.extend(coins);
    }

    /// Gives coins back that were put aside.
    pub fn release(&mut self, coins: &[OutPoint]) {
        self.held.retain(|coin| !coins.contains(coin));
    }

    /// The coins that are put aside.
    pub fn held(&self) -> impl Iterator<Item = &OutPoint> {
        self.held.iter()
    }

    /// Whether a peer took a transaction of ours that waits; none where it does not wait, nor was mined lately.
    pub fn is_taken(&self, txid: &Txid) -> Option<bool> {
        self.pending.iter().find(|pending| pending.txid == *txid).map(|pending| pending.taken)
    }

    fn transactions_from(&self, from: Height) -> impl Iterator<Item = (&TxRecord, Height)> {
        let records = self.records.range(from..);
        records.flat_map(|(height, record)| record.transactions.iter().map(move |tx| (tx, *height)))
    }

    /// What spent a coin of ours on the best chain, at this height or above it, and where.
    pub fn spender(&self, outpoint: OutPoint, from: Height) -> Option<(Txid, Height)> {
        let mut all = self.transactions_from(from);
        all.find(|(tx, _)| tx.spends.contains(&outpoint)).map(|(tx, height)| (tx.txid, height))
    }

    /// A settlement of ours and the moves of its contract, as far as the best chain has them, with their heights. It is
    /// looked for from a height on.
    pub fn moves_of(&self, settlement: Txid, from: Height) -> Vec<(Txid, Height)> {
        let mut moves: Vec<(Txid, Height)> = Vec::new();
        for (tx, height) in self.transactions_from(from) {
            let follows = match moves.last() {
                None => tx.txid == settlement,
                Some((last, _)) => tx.spends.contains(&OutPoint { txid: *last, index: 0 }),
            };
            if follows {
                moves.push((tx.txid, height));
            }
        }
        moves
    }

    /// The coins that a payment in the block at height `next` may spend, change of our own transactions that a peer
    /// took included.
    pub fn spendable(&self, next: Height, params: &NetworkParams) -> Vec<(OutPoint, Coin)> {
        let live = self.pending();
        let change = live.iter().filter(|pending| pending.taken).flat_map(|pending| {
            let coin = |output| Coin { output, height: next, coinbase: false };
            let ours = pending.record.ours.iter();
            ours.map(move |o| (OutPoint { txid: pending.txid, index: o.index }, coin(o.output.clone())))
        });
        let confirmed = self.state.coins.iter().map(|(outpoint, coin)| (*outpoint, coin.clone()));
        let free = |o: &OutPoint| !self.held.contains(o) && !live.iter().any(|pending| pending.spends(o));
        let free: Vec<_> = confirmed.chain(change).filter(|(outpoint, _)| free(outpoint)).collect();
        spendable(&free, next, params)
    }

    /// What the wallet owns, for a block at height `next`.
    pub fn holdings(&self, next: Height, params: &NetworkParams) -> Holdings {
        let live = self.pending();
        let spent = |o: &OutPoint| live.iter().any(|pending| pending.spends(o));
        let mut holdings = Holdings::default();
        let add = |sum: &mut Amount, value: Amount| sum.0 = sum.0.saturating_add(value.0);
        for (outpoint, coin) in self.state.coins.iter().filter(|(o, _)| !spent(o)) {
            let part = if self.held.contains(outpoint) {
                &mut holdings.in_jobs
            } else if coin.coinbase && next < coin.height.plus(params.coinbase_maturity) {
                &mut holdings.immature
            } else {
                &mut holdings.confirmed
            };
            add(part, coin.output.value);
        }
        for pending in &live {
            for output in &pending.record.ours {
                if !spent(&OutPoint { txid: pending.txid, index: output.index }) {
                    add(&mut holdings.pending, output.output.value);
                }
            }
        }
        // What comes back to a client, whatever becomes of its contract.
        let waiting = live.iter().filter(|p| !spent(&OutPoint { txid: p.txid, index: 0 }));
        let waiting = waiting.filter_map(|p| p.record.contract.as_ref()).map(|c| c.terms.reserve);
        let open = self.state.contracts.iter().filter(|(o, _)| !spent(o)).map(|(_, open)| open.contract.terms.reserve);
        open.chain(waiting).for_each(|reserve| add(&mut holdings.in_jobs, reserve));
        holdings
    }
}

/// Notes the keys that a block pays to, and the client keys of its contracts. Whether more are watched from now on.
fn note_used(block: &Block, keyring: &mut Keyring) -> bool {
    let mut grown = false;
    for output in block.transactions.iter().flat_map(|tx| &tx.outputs) {
        let client = || crate::contract::contract_output(output, 0).ok().flatten().map(|terms| terms.client_key.hash());
        if let Some(hash) = p2pkh_key_hash(&output.script_pubkey).or_else(client) {
            // It fails where a row has two thousand million keys, and with a chance of 2^-127.
            grown |= keyring.note_used(&hash).unwrap_or(false);
        }
    }
    grown
}

impl Encode for Ledger {
    fn encode(&self, out: &mut Vec<u8>) {
        crate::encode::put_varint(self.records.len() as u64, out);
        for (height, record) in &self.records {
            height.encode(out);
            record.encode(out);
        }
        put_vec(&self.pending, out);
        put_vec(&self.held.iter().copied().collect::<Vec<_>>(), out);
    }
}

impl Decode for Ledger {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut ledger = Ledger::default();
        for _ in 0..r.length("block records", MAX_ITEMS)? {
            let height = Height::decode(r)?;
            let above = ledger.records.last_key_value().is_none_or(|(last, _)| *last < height);
            if !above {
                return Err(DecodeError::InvalidValue { what: "height of a block record", value: height.0.into() });
            }
            ledger.records.insert(height, BlockRecord::decode(r)?);
        }
        ledger.pending = r.vec("pending transactions", MAX_PENDING)?;
        ledger.held = r.vec::<OutPoint>("coins put aside", MAX_ITEMS)?.into_iter().collect();
        ledger.reckon();
        Ok(ledger)
    }
}
