//! A store that forgets: for tests, simulations and light use.

use super::{Batch, HeaderEntry, Store, TransactionLocation, Undo};
use crate::block::Block;
use crate::filter::{Filter, FilterEntry};
use crate::hash::{BlockHash, Txid};
use crate::transaction::{Coin, OutPoint};
use crate::units::Height;
use alloc::collections::BTreeMap;
use core::convert::Infallible;

/// Keeps a chain in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    headers: BTreeMap<BlockHash, HeaderEntry>,
    blocks: BTreeMap<BlockHash, Block>,
    undo: BTreeMap<BlockHash, Undo>,
    filters: BTreeMap<BlockHash, Filter>,
    filter_entries: BTreeMap<BlockHash, FilterEntry>,
    coins: BTreeMap<OutPoint, Coin>,
    heights: BTreeMap<Height, BlockHash>,
    transactions: BTreeMap<Txid, TransactionLocation>,
    tip: Option<BlockHash>,
    best_header: Option<BlockHash>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// All unspent outputs.
    pub fn coins(&self) -> &BTreeMap<OutPoint, Coin> {
        &self.coins
    }
}

fn apply<K: Ord, V>(map: &mut BTreeMap<K, V>, changes: BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn header(&self, hash: &BlockHash) -> Result<Option<HeaderEntry>, Infallible> {
        Ok(self.headers.get(hash).cloned())
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Block>, Infallible> {
        Ok(self.blocks.get(hash).cloned())
    }

    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, Infallible> {
        Ok(self.undo.get(hash).cloned())
    }

    fn filter(&self, hash: &BlockHash) -> Result<Option<Filter>, Infallible> {
        Ok(self.filters.get(hash).cloned())
    }

    fn filter_entry(&self, hash: &BlockHash) -> Result<Option<FilterEntry>, Infallible> {
        Ok(self.filter_entries.get(hash).copied())
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Infallible> {
        Ok(self.coins.get(outpoint).cloned())
    }

    fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, Infallible> {
        Ok(self.heights.get(&height).copied())
    }

    fn transaction(&self, txid: &Txid) -> Result<Option<TransactionLocation>, Infallible> {
        Ok(self.transactions.get(txid).copied())
    }

    fn tip(&self) -> Result<Option<BlockHash>, Infallible> {
        Ok(self.tip)
    }

    fn best_header(&self) -> Result<Option<BlockHash>, Infallible> {
        Ok(self.best_header)
    }

    fn for_each_coin(&self, visit: &mut dyn FnMut(OutPoint, Coin)) -> Result<(), Infallible> {
        self.coins.iter().for_each(|(outpoint, coin)| visit(*outpoint, coin.clone()));
        Ok(())
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Infallible> {
        self.headers.extend(batch.headers);
        self.blocks.extend(batch.blocks);
        self.undo.extend(batch.undo);
        self.filters.extend(batch.filters);
        self.filter_entries.extend(batch.filter_entries);
        apply(&mut self.coins, batch.coins);
        apply(&mut self.heights, batch.heights);
        apply(&mut self.transactions, batch.transactions);
        self.tip = batch.tip.or(self.tip);
        self.best_header = batch.best_header.or(self.best_header);
        Ok(())
    }
}
