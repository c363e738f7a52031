//! Loose transactions that the next block could take.

use super::{AddError, PoolError, PoolLimits};
use crate::chain::{Chain, ChainBlock, ChainError, CheckError, Store};
use crate::contract::{State, WalletRules, contract_output};
use crate::hash::Txid;
use crate::transaction::{Coin, OutPoint, Transaction};
use crate::units::{Amount, Height, Timestamp};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A transaction that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolEntry {
    /// The transaction.
    pub transaction: Transaction,
    /// Its fee.
    pub fee: Amount,
    /// Its size in bytes.
    pub size: usize,
    /// When it came.
    pub added: Timestamp,
    /// The order of arrival: parents before children.
    sequence: u64,
}

impl PoolEntry {
    /// The fee in units for 1,000 bytes.
    pub fn fee_rate(&self) -> u64 {
        fee_rate(self.fee, self.size)
    }
}

fn fee_rate(fee: Amount, size: usize) -> u64 {
    fee.0.saturating_mul(1000) / (size.max(1) as u64)
}

/// What adding a transaction changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Transactions that it replaced or that made room for it, and what stood on them.
    pub replaced: Vec<Transaction>,
}

/// Loose transactions that the next block could take.
#[derive(Clone, Debug)]
pub struct TransactionPool {
    limits: PoolLimits,
    rules: WalletRules,
    entries: BTreeMap<Txid, PoolEntry>,
    spends: BTreeMap<OutPoint, Txid>,
    /// Outputs for which a second spend was seen: "pools relay the first conflict to a coin as an alert".
    conflicts: BTreeMap<OutPoint, Timestamp>,
    bytes: usize,
    sequence: u64,
}

/// The most remembered conflicts.
const MAX_CONFLICTS: usize = 10_000;

impl TransactionPool {
    /// An empty pool.
    pub fn new(limits: PoolLimits, rules: WalletRules) -> Self {
        TransactionPool {
            limits,
            rules,
            entries: BTreeMap::new(),
            spends: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            bytes: 0,
            sequence: 0,
        }
    }

    /// What it takes at most.
    pub fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    /// A transaction by its id.
    pub fn get(&self, txid: &Txid) -> Option<&PoolEntry> {
        self.entries.get(txid)
    }

    /// All transactions, in the order of their ids.
    pub fn entries(&self) -> impl Iterator<Item = (&Txid, &PoolEntry)> {
        self.entries.iter()
    }

    /// All transactions in the order of arrival: what one stands on comes before it.
    pub fn by_arrival(&self) -> Vec<&PoolEntry> {
        let mut entries: Vec<_> = self.entries.values().collect();
        entries.sort_unstable_by_key(|e| e.sequence);
        entries
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Who spends an output.
    pub fn spender(&self, outpoint: &OutPoint) -> Option<&Txid> {
        self.spends.get(outpoint)
    }

    /// An output that a waiting transaction makes and none spends. Its height is `next`.
    pub fn coin(&self, outpoint: &OutPoint, next: Height) -> Option<Coin> {
        if self.spends.contains_key(outpoint) {
            return None;
        }
        self.output(outpoint, next)
    }

    fn output(&self, outpoint: &OutPoint, next: Height) -> Option<Coin> {
        let output = self.entries.get(&outpoint.txid)?.transaction.outputs.get(outpoint.index as usize)?;
        Some(Coin { output: output.clone(), height: next, coinbase: false })
    }

    /// When a second spend of one of the transaction's inputs was first seen.
    pub fn conflict_seen(&self, tx: &Transaction) -> Option<Timestamp> {
        tx.inputs.iter().filter_map(|i| self.conflicts.get(&i.previous)).min().copied()
    }

    /// The least fee rate at which a transaction of usual size would be in the next block.
    pub fn next_block_fee_rate(&self, block_bytes: usize) -> u64 {
        if self.bytes <= block_bytes {
            return self.limits.min_fee_rate;
        }
        let mut by_rate: Vec<_> = self.entries.values().map(|e| (e.fee_rate(), e.size)).collect();
        by_rate.sort_unstable_by(|a, b| b.cmp(a));
        let mut room = block_bytes;
        for (rate, size) in by_rate {
            match room.checked_sub(size) {
                Some(left) => room = left,
                None => return rate.saturating_add(1),
            }
        }
        self.limits.min_fee_rate
    }

    /// Takes a transaction, if the next block could.
    pub fn add<S: Store>(
        &mut self,
        tx: Transaction,
        chain: &Chain<S>,
        now: Timestamp,
    ) -> Result<Added, AddError<S::Error>> {
        if self.entries.contains_key(&tx.txid()) {
            return Err(PoolError::AlreadyKnown.into());
        }
        self.check_lead(&tx, chain.height().next())?;
        self.insert(tx, chain, now)
    }

    /// Takes a transaction that waited here before a restart, since `added`: with all the checks that it would have if it
    /// came now.
    pub fn restore<S: Store>(
        &mut self,
        tx: Transaction,
        added: Timestamp,
        chain: &Chain<S>,
        now: Timestamp,
    ) -> Result<Added, AddError<S::Error>> {
        let (waited, max) = (now.0.saturating_sub(added.0), self.limits.expiry_seconds);
        if waited > max {
            return Err(PoolError::Expired { max, waited }.into());
        }
        self.add(tx, chain, added.min(now))
    }

    fn insert<S: Store>(
        &mut self,
        tx: Transaction,
        chain: &Chain<S>,
        now: Timestamp,
    ) -> Result<Added, AddError<S::Error>> {
        let (txid, size, next) = (tx.txid(), tx.size(), chain.height().next());
        if size > self.limits.max_transaction_bytes {
            return Err(PoolError::TooLarge { max: self.limits.max_transaction_bytes, found: size }.into());
        }
        let conflicting: BTreeSet<Txid> =
            tx.inputs.iter().filter_map(|i| self.spends.get(&i.previous)).copied().collect();
        let replaced = self.with_descendants(conflicting.iter().copied());
        let ancestors = self.ancestors(&tx);
        self.check_family(&ancestors, &replaced)?;
        let rule = |e| match e {
            CheckError::Rule(rule) => AddError::Refused(PoolError::Invalid(rule)),
            CheckError::Store(error) => AddError::Chain(error),
        };
        let checked = chain.check_money_for_next_block(&tx, &self.extra(&tx, next)).map_err(rule)?;
        let fee = checked.fee;
        let found = fee_rate(fee, size);
        if found < self.limits.min_fee_rate {
            return Err(PoolError::LowFee { min: self.limits.min_fee_rate, found }.into());
        }
        if conflicting.is_empty() {
            self.make_room(size, found, &ancestors, BTreeSet::new())?;
        }
        // After all that costs little: signatures are checked for those alone that could stay. A conflict is one only when
        // they hold.
        chain.check_scripts_for_next_block(&tx, &checked.spent).map_err(PoolError::Invalid)?;
        self.check_replacement(&tx, &conflicting, &replaced, fee, found, now)?;
        let gone = self.make_room(size, found, &ancestors, replaced)?;
        let replaced = self.remove_all(&gone);
        for input in &tx.inputs {
            self.spends.insert(input.previous, txid);
        }
        self.bytes += size;
        self.sequence += 1;
        let entry = PoolEntry { transaction: tx, fee, size, added: now, sequence: self.sequence };
        self.entries.insert(txid, entry);
        Ok(Added { replaced })
    }

    /// Families are small, and what a newcomer replaces is no family of its own.
    fn check_family(&self, ancestors: &BTreeSet<Txid>, replaced: &BTreeSet<Txid>) -> Result<(), PoolError> {
        if ancestors.len() > self.limits.max_ancestors || ancestors.iter().any(|a| replaced.contains(a)) {
            let (max, found) = (self.limits.max_ancestors, ancestors.len());
            return Err(PoolError::Ancestors { max, found });
        }
        let max = self.limits.max_replaced;
        if replaced.len() > max {
            return Err(PoolError::Replaced { max, found: replaced.len() });
        }
        let max = self.limits.max_descendants;
        for ancestor in ancestors {
            // Without the ancestor itself, with the newcomer.
            let found = self.with_descendants([*ancestor]).difference(replaced).count();
            if found > max {
                return Err(PoolError::Descendants { max, found, ancestor: *ancestor });
            }
        }
        Ok(())
    }

    /// What a transaction may spend of those that wait.
    fn extra(&self, tx: &Transaction, next: Height) -> BTreeMap<OutPoint, Coin> {
        tx.inputs.iter().filter_map(|i| self.output(&i.previous, next).map(|coin| (i.previous, coin))).collect()
    }

    fn check_lead(&self, tx: &Transaction, next: Height) -> Result<(), PoolError> {
        let terms = tx.outputs.first().and_then(|o| contract_output(o, 0).ok().flatten());
        match terms {
            Some(t) if t.state == State::Settlement => {
                let least = self.rules.settlement_least_left;
                if next.plus(least) > t.valid_until {
                    return Err(PoolError::SettlementTooLate { valid_until: t.valid_until, next, least });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// "Replace a conflicting move by one with a higher fee rate", and by one that pays for all that goes.
    fn check_replacement(
        &mut self,
        tx: &Transaction,
        conflicting: &BTreeSet<Txid>,
        replaced: &BTreeSet<Txid>,
        fee: Amount,
        rate: u64,
        now: Timestamp,
    ) -> Result<(), PoolError> {
        let Some(first) = conflicting.first() else { return Ok(()) };
        let contested = tx.inputs.iter().map(|i| i.previous).filter(|o| self.spends.contains_key(o));
        let contested: Vec<_> = contested.collect();
        for outpoint in &contested {
            if self.conflicts.len() < MAX_CONFLICTS {
                self.conflicts.entry(*outpoint).or_insert(now);
            }
        }
        let gone: Amount = replaced.iter().filter_map(|t| self.entries.get(t)).map(|e| e.fee).sum();
        let best = conflicting.iter().filter_map(|t| self.entries.get(t)).map(PoolEntry::fee_rate).max().unwrap_or(0);
        if rate > best && fee > gone {
            return Ok(());
        }
        let outpoint = contested.first().copied().unwrap_or_default();
        Err(PoolError::Conflict { outpoint, other: *first, fee: gone, fee_rate: best })
    }

    /// What must go for a transaction to fit: what it replaces, and then what pays least, with all that stands on it.
    fn make_room(
        &self,
        size: usize,
        rate: u64,
        ancestors: &BTreeSet<Txid>,
        replaced: BTreeSet<Txid>,
    ) -> Result<BTreeSet<Txid>, PoolError> {
        let size_of = |txid: &Txid| self.entries.get(txid).map_or(0, |e| e.size);
        let mut gone = replaced;
        let mut left = self.bytes - gone.iter().map(size_of).sum::<usize>();
        if left + size <= self.limits.max_bytes {
            return Ok(gone);
        }
        let others = self.entries.iter().filter(|(t, _)| !ancestors.contains(*t));
        let mut order: Vec<_> = others.map(|(t, e)| (e.fee_rate(), *t)).collect();
        order.sort_unstable();
        for (min, txid) in order {
            if min >= rate {
                return Err(PoolError::Full { min, found: rate });
            }
            for txid in self.with_descendants([txid]) {
                if gone.insert(txid) {
                    left -= size_of(&txid);
                }
            }
            if left + size <= self.limits.max_bytes {
                return Ok(gone);
            }
        }
        Err(PoolError::Full { min: u64::MAX, found: rate })
    }

    fn ancestors(&self, tx: &Transaction) -> BTreeSet<Txid> {
        let mut found = BTreeSet::new();
        let mut open: Vec<Txid> = tx.inputs.iter().map(|i| i.previous.txid).collect();
        while let Some(txid) = open.pop() {
            if let Some(entry) = self.entries.get(&txid)
                && found.len() <= self.limits.max_ancestors
                && found.insert(txid)
            {
                open.extend(entry.transaction.inputs.iter().map(|i| i.previous.txid));
            }
        }
        found
    }

    fn with_descendants(&self, roots: impl IntoIterator<Item = Txid>) -> BTreeSet<Txid> {
        let mut found = BTreeSet::new();
        let mut open: Vec<Txid> = roots.into_iter().collect();
        while let Some(txid) = open.pop() {
            if let Some(entry) = self.entries.get(&txid)
                && found.insert(txid)
            {
                let outputs = 0..entry.transaction.outputs.len() as u32;
                open.extend(outputs.filter_map(|index| self.spends.get(&OutPoint { txid, index })));
            }
        }
        found
    }

    fn remove_all(&mut self, txids: &BTreeSet<Txid>) -> Vec<Transaction> {
        txids.iter().filter_map(|t| self.remove(t)).collect()
    }

    /// Removes one transaction and leaves those that stand on it.
    fn remove(&mut self, txid: &Txid) -> Option<Transaction> {
        let entry = self.entries.remove(txid)?;
        self.bytes -= entry.size;
        for input in &entry.transaction.inputs {
            if self.spends.get(&input.previous) == Some(txid) {
                self.spends.remove(&input.previous);
            }
        }
        Some(entry.transaction)
    }

    /// Follows the chain: forgets what blocks took and what conflicts with it, takes back what left the chain, and
    /// "pools drop moves that the next block cannot take". Gives what was dropped.
    pub fn chain_changed<S: Store>(
        &mut self,
        disconnected: &[ChainBlock],
        connected: &[ChainBlock],
        chain: &Chain<S>,
        now: Timestamp,
    ) -> Result<Vec<Transaction>, ChainError<S::Error>> {
        let mut dropped = Vec::new();
        for tx in connected.iter().flat_map(|b| &b.block.transactions) {
            self.remove(&tx.txid());
            for input in &tx.inputs {
                self.conflicts.remove(&input.previous);
                if let Some(other) = self.spends.get(&input.previous).copied() {
                    let gone = self.with_descendants([other]);
                    dropped.extend(self.remove_all(&gone));
                }
            }
        }
        if disconnected.is_empty() {
            dropped.extend(self.recheck(chain, now)?);
        } else {
            dropped.extend(self.refill(disconnected, connected, chain, now)?);
        }
        self.conflicts.retain(|outpoint, _| self.spends.contains_key(outpoint));
        Ok(dropped)
    }

    /// After a reorganisation: takes what left the chain and then, checked anew, what waited before. What waited may
    /// stand on what comes back, never the other way round.
    fn refill<S: Store>(
        &mut self,
        disconnected: &[ChainBlock],
        connected: &[ChainBlock],
        chain: &Chain<S>,
        now: Timestamp,
    ) -> Result<Vec<Transaction>, ChainError<S::Error>> {
        let mut waiting: Vec<_> = core::mem::take(&mut self.entries).into_values().collect();
        waiting.sort_unstable_by_key(|e| e.sequence);
        self.spends.clear();
        self.bytes = 0;
        let mined: BTreeSet<_> = connected.iter().flat_map(|b| &b.block.transactions).map(Transaction::txid).collect();
        // Lowest block first: what one spends must be back before it.
        let left = disconnected.iter().rev().flat_map(|b| &b.block.transactions);
        let back = left.filter(|tx| !tx.is_coinbase() && !mined.contains(&tx.txid())).map(|tx| (tx.clone(), now));
        let mut dropped = Vec::new();
        for (tx, added) in back.chain(waiting.into_iter().map(|e| (e.transaction, e.added))) {
            // A settlement that was mined already had enough blocks left when it came: its lead is not asked again.
            match self.insert(tx.clone(), chain, added) {
                Ok(Added { replaced }) => dropped.extend(replaced),
                Err(AddError::Refused(_)) => dropped.push(tx),
                Err(AddError::Chain(error)) => return Err(error),
            }
        }
        Ok(dropped)
    }

    /// Checks again what another height can make invalid, which is what belongs to a contract, and forgets what has
    /// waited too long.
    fn recheck<S: Store>(
        &mut self,
        chain: &Chain<S>,
        now: Timestamp,
    ) -> Result<Vec<Transaction>, ChainError<S::Error>> {
        let next = chain.height().next();
        let mut order: Vec<_> = self.entries.iter().map(|(t, e)| (e.sequence, *t)).collect();
        order.sort_unstable();
        let mut dropped = Vec::new();
        for (_, txid) in order {
            let Some(entry) = self.entries.get(&txid) else { continue };
            let mut keep = now.0.saturating_sub(entry.added.0) <= self.limits.expiry_seconds;
            if keep && !entry.transaction.job_id.is_zero() {
                keep = match chain
                    .check_transaction_for_next_block(&entry.transaction, &self.extra(&entry.transaction, next))
                {
                    Ok(_) => true,
                    Err(CheckError::Rule(_)) => false,
                    Err(CheckError::Store(error)) => return Err(error),
                };
            }
            if !keep {
                let gone = self.with_descendants([txid]);
                dropped.extend(self.remove_all(&gone));
            }
        }
        Ok(dropped)
    }

    /// Transactions for a block: the highest fee rate first, but each after those that it stands on.
    pub fn by_fee_rate(&self) -> Vec<Transaction> {
        let mut order: Vec<_> = self.entries.iter().collect();
        order.sort_unstable_by(|a, b| (b.1.fee_rate(), a.1.sequence).cmp(&(a.1.fee_rate(), b.1.sequence)));
        let (mut taken, mut out) = (BTreeSet::new(), Vec::new());
        for (txid, entry) in order {
            let mut family: Vec<_> = self.ancestors(&entry.transaction).into_iter().collect();
            family.push(*txid);
            family.sort_unstable_by_key(|t| self.entries.get(t).map(|e| e.sequence));
            for member in family {
                if taken.insert(member) {
                    out.extend(self.entries.get(&member).map(|e| e.transaction.clone()));
                }
            }
        }
        out
    }
}
