//! A store with changes that are not made yet.

use super::connect::{CoinChanges, Connected};
use super::transaction_rules::ChainView;
use super::{Batch, ChainError, HeaderEntry, Store, TransactionLocation, Undo};
use crate::block::Block;
use crate::filter::{Filter, FilterEntry};
use crate::hash::BlockHash;
use crate::transaction::{Coin, OutPoint};
use crate::units::{Height, Timestamp};

pub(super) struct Overlay<'a, S> {
    pub(super) store: &'a S,
    pub(super) batch: Batch,
}

impl<'a, S: Store> Overlay<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        Overlay { store, batch: Batch::default() }
    }

    /// A header that may be unknown.
    pub(super) fn find_header(&self, hash: &BlockHash) -> Result<Option<HeaderEntry>, ChainError<S::Error>> {
        match self.batch.headers.get(hash) {
            Some(entry) => Ok(Some(entry.clone())),
            None => self.store.header(hash).map_err(ChainError::Store),
        }
    }

    /// A header that must be there.
    pub(super) fn header(&self, hash: &BlockHash) -> Result<HeaderEntry, ChainError<S::Error>> {
        self.find_header(hash)?.ok_or(ChainError::Damaged { what: "the header", hash: *hash })
    }

    /// A body that must be there.
    pub(super) fn block(&self, hash: &BlockHash) -> Result<Block, ChainError<S::Error>> {
        if let Some(block) = self.batch.blocks.get(hash) {
            return Ok(block.clone());
        }
        match self.store.block(hash).map_err(ChainError::Store)? {
            Some(block) => Ok(block),
            None => Err(self.gone(hash, "the body")?),
        }
    }

    /// Undo data that must be there.
    pub(super) fn undo(&self, hash: &BlockHash) -> Result<Undo, ChainError<S::Error>> {
        match self.store.undo(hash).map_err(ChainError::Store)? {
            Some(undo) => Ok(undo),
            None => Err(self.gone(hash, "the undo data")?),
        }
    }

    /// Why something is not here: pruned, or lost.
    fn gone(&self, hash: &BlockHash, what: &'static str) -> Result<ChainError<S::Error>, ChainError<S::Error>> {
        let (height, first) = (self.header(hash)?.height, self.store.first_body().map_err(ChainError::Store)?);
        if height < first {
            return Ok(ChainError::Pruned { hash: *hash, height, first });
        }
        Ok(ChainError::Damaged { what, hash: *hash })
    }

    /// The filter of a valid block.
    pub(super) fn filter(&self, hash: &BlockHash) -> Result<Filter, ChainError<S::Error>> {
        let filter = self.store.filter(hash).map_err(ChainError::Store)?;
        filter.ok_or(ChainError::Damaged { what: "the filter", hash: *hash })
    }

    /// The hash and header of the filter of a valid block.
    pub(super) fn filter_entry(&self, hash: &BlockHash) -> Result<FilterEntry, ChainError<S::Error>> {
        if let Some(entry) = self.batch.filter_entries.get(hash) {
            return Ok(*entry);
        }
        let entry = self.store.filter_entry(hash).map_err(ChainError::Store)?;
        entry.ok_or(ChainError::Damaged { what: "the filter header", hash: *hash })
    }

    pub(super) fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, ChainError<S::Error>> {
        match self.batch.heights.get(&height) {
            Some(change) => Ok(*change),
            None => self.store.hash_at(height).map_err(ChainError::Store),
        }
    }

    /// Records that a block has left the best chain.
    pub(super) fn disconnect(&mut self, block: &Block, height: Height, coins: CoinChanges) {
        self.batch.coins.extend(coins);
        self.batch.heights.insert(height, None);
        self.batch.transactions.extend(block.transactions.iter().map(|tx| (tx.txid(), None)));
    }

    /// Records that a block has joined the best chain.
    pub(super) fn connect(&mut self, hash: BlockHash, height: Height, mut connected: Connected) {
        self.batch.coins.append(&mut connected.coins);
        self.batch.undo.insert(hash, connected.undo);
        self.batch.filters.insert(hash, connected.filter);
        self.batch.filter_entries.insert(hash, connected.filter_entry);
        self.batch.heights.insert(height, Some(hash));
        let location = |index| Some(TransactionLocation { block: hash, index });
        self.batch.transactions.extend((0..).zip(connected.txids).map(|(i, txid)| (txid, location(i))));
        self.batch.tip = Some(hash);
    }
}

impl<S: Store> ChainView for Overlay<'_, S> {
    type Error = ChainError<S::Error>;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Self::Error> {
        match self.batch.coins.get(outpoint) {
            Some(change) => Ok(change.clone()),
            None => self.store.coin(outpoint).map_err(ChainError::Store),
        }
    }

    fn median_time_past(&self, height: Height) -> Result<Timestamp, Self::Error> {
        let missing = ChainError::Damaged { what: "the height index", hash: BlockHash::ZERO };
        let hash = self.hash_at(height)?.ok_or(missing)?;
        Ok(self.header(&hash)?.median_time_past)
    }
}
