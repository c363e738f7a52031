//! A store that forgets: for tests, simulations and light use.

use super::{Batch, HeaderEntry, Inspect, Store, Table, TransactionLocation, Undo};
use crate::block::Block;
use crate::filter::{Filter, FilterEntry};
use crate::hash::{BlockHash, Txid};
use crate::transaction::{Coin, OutPoint};
use crate::units::Height;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;

/// Keeps a chain in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    pub(super) headers: BTreeMap<BlockHash, HeaderEntry>,
    pub(super) blocks: BTreeMap<BlockHash, Block>,
    pub(super) undo: BTreeMap<BlockHash, Undo>,
    pub(super) filters: BTreeMap<BlockHash, Filter>,
    pub(super) filter_entries: BTreeMap<BlockHash, FilterEntry>,
    pub(super) coins: BTreeMap<OutPoint, Coin>,
    pub(super) heights: BTreeMap<Height, BlockHash>,
    pub(super) transactions: BTreeMap<Txid, TransactionLocation>,
    pub(super) tip: Option<BlockHash>,
    pub(super) best_header: Option<BlockHash>,
    pub(super) first_body: Height,
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
    type Staged = ();

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

    fn first_body(&self) -> Result<Height, Infallible> {
        Ok(self.first_body)
    }

    fn bodies_below(&self, height: Height, limit: usize) -> Result<Vec<(Height, BlockHash)>, Infallible> {
        let of = |hash: &BlockHash| self.headers.get(hash).map(|entry| (entry.height, *hash));
        let mut bodies: Vec<_> = self.blocks.keys().filter_map(of).filter(|body| body.0 < height).collect();
        bodies.sort_unstable();
        bodies.truncate(limit);
        Ok(bodies)
    }

    fn for_each_coin(&self, visit: &mut dyn FnMut(OutPoint, Coin)) -> Result<(), Infallible> {
        self.coins.iter().for_each(|(outpoint, coin)| visit(*outpoint, coin.clone()));
        Ok(())
    }

    fn stage(&self, _: &Batch) -> Result<(), Infallible> {
        Ok(())
    }

    fn commit_staged(&mut self, batch: &Batch, (): ()) -> Result<(), Infallible> {
        let batch = batch.clone();
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
        for hash in &batch.pruned {
            self.blocks.remove(hash);
            self.undo.remove(hash);
        }
        self.first_body = batch.first_body.unwrap_or(self.first_body);
        Ok(())
    }
}

impl Inspect for MemoryStore {
    fn for_each_header(&self, visit: &mut dyn FnMut(BlockHash, HeaderEntry)) -> Result<(), Infallible> {
        self.headers.iter().for_each(|(hash, entry)| visit(*hash, entry.clone()));
        Ok(())
    }

    fn for_each_block_key(&self, table: Table, visit: &mut dyn FnMut(BlockHash)) -> Result<(), Infallible> {
        match table {
            Table::Blocks => self.blocks.keys().copied().for_each(visit),
            Table::Undo => self.undo.keys().copied().for_each(visit),
            Table::Filters => self.filters.keys().copied().for_each(visit),
            Table::FilterEntries => self.filter_entries.keys().copied().for_each(visit),
            _ => {}
        }
        Ok(())
    }

    fn for_each_body(&self, visit: &mut dyn FnMut(Height, BlockHash)) -> Result<(), Infallible> {
        self.bodies_below(Height(u32::MAX), usize::MAX)?.into_iter().for_each(|(height, hash)| visit(height, hash));
        Ok(())
    }

    fn for_each_height(&self, visit: &mut dyn FnMut(Height, BlockHash)) -> Result<(), Infallible> {
        self.heights.iter().for_each(|(height, hash)| visit(*height, *hash));
        Ok(())
    }

    fn for_each_transaction(&self, visit: &mut dyn FnMut(Txid, TransactionLocation)) -> Result<(), Infallible> {
        self.transactions.iter().for_each(|(txid, location)| visit(*txid, *location));
        Ok(())
    }

    fn count(&self, table: Table) -> Result<u64, Infallible> {
        let count = match table {
            Table::Headers => self.headers.len(),
            Table::Blocks | Table::Bodies => self.blocks.len(),
            Table::Undo => self.undo.len(),
            Table::Filters => self.filters.len(),
            Table::FilterEntries => self.filter_entries.len(),
            Table::Coins => self.coins.len(),
            Table::Heights => self.heights.len(),
            Table::Transactions => self.transactions.len(),
            Table::Meta => 0,
        };
        Ok(count as u64)
    }
}
