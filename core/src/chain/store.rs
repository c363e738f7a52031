//! What a chain keeps, and the trait behind which it is kept.

use crate::block::{Block, Header, MAX_BLOCK_BYTES, Work};
use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::filter::{Filter, FilterEntry};
use crate::hash::{BlockHash, Txid};
use crate::transaction::{Coin, OutPoint};
use crate::units::{Height, Timestamp};
use crate::{encode_enum, encode_struct};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What is known about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockStatus {
    /// Its header alone is here.
    Header,
    /// Its body and those of all its ancestors are here; its transactions have not been checked.
    Stored,
    /// It has been connected: it is valid, and its undo data is here.
    Valid,
    /// It breaks a rule, or an ancestor does.
    Invalid,
}

encode_enum!(BlockStatus, "block status" { Header = 0, Stored = 1, Valid = 2, Invalid = 3 });

/// A header whose ancestors are all known, with what follows from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderEntry {
    /// The header.
    pub header: Header,
    /// Its height.
    pub height: Height,
    /// The work of the chain that ends with it.
    pub work: Work,
    /// The median of its own time and those of the blocks before it.
    pub median_time_past: Timestamp,
    /// The time of block 1 of its chain, where the difficulty's schedule starts; its own time at heights 0 and 1.
    pub start_time: Timestamp,
    /// What is known about the block.
    pub status: BlockStatus,
}
encode_struct!(HeaderEntry { header, height, work, median_time_past, start_time, status });

impl HeaderEntry {
    /// The block's hash.
    pub fn hash(&self) -> BlockHash {
        self.header.hash()
    }

    /// Whether the block's body is here, or was and has been pruned.
    pub fn has_body(&self) -> bool {
        matches!(self.status, BlockStatus::Stored | BlockStatus::Valid)
    }
}

/// The coins that a block spent, in the order of its inputs: what disconnecting it restores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    /// The coins.
    pub spent: Vec<Coin>,
}

impl Encode for Undo {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vec(&self.spent, out);
    }
}

impl Decode for Undo {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Undo { spent: r.vec("spent coins", MAX_BLOCK_BYTES)? })
    }
}

/// Where a transaction of the best chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionLocation {
    /// Its block.
    pub block: BlockHash,
    /// Its index in the block.
    pub index: u32,
}
encode_struct!(TransactionLocation { block, index });

/// Changes that a store makes all together or not at all. `None` in a map removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Headers to insert or replace, by hash.
    pub headers: BTreeMap<BlockHash, HeaderEntry>,
    /// Bodies to insert, by hash. Their headers are in the store or in this batch.
    pub blocks: BTreeMap<BlockHash, Block>,
    /// Undo data to insert, by block.
    pub undo: BTreeMap<BlockHash, Undo>,
    /// Compact filters to insert, by block. They say nothing about the best chain and stay when their block leaves it.
    pub filters: BTreeMap<BlockHash, Filter>,
    /// Those filters' hashes and headers.
    pub filter_entries: BTreeMap<BlockHash, FilterEntry>,
    /// Unspent outputs.
    pub coins: BTreeMap<OutPoint, Option<Coin>>,
    /// The best chain's blocks.
    pub heights: BTreeMap<Height, Option<BlockHash>>,
    /// The best chain's transactions.
    pub transactions: BTreeMap<Txid, Option<TransactionLocation>>,
    /// The best chain's last block.
    pub tip: Option<BlockHash>,
    /// The header with the most work that is not known to be invalid.
    pub best_header: Option<BlockHash>,
    /// Blocks whose bodies and undo data go.
    pub pruned: BTreeSet<BlockHash>,
    /// The lowest height from which on the best chain's bodies and undo data are here.
    pub first_body: Option<Height>,
}

/// Where a chain keeps itself. Reads see every earlier commit.
pub trait Store {
    /// What can fail.
    type Error: core::error::Error + 'static;
    /// Changes that are prepared, and not made: dropped, they were never there.
    type Staged;

    /// A header by its hash.
    fn header(&self, hash: &BlockHash) -> Result<Option<HeaderEntry>, Self::Error>;
    /// A block by its hash.
    fn block(&self, hash: &BlockHash) -> Result<Option<Block>, Self::Error>;
    /// A block's undo data.
    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, Self::Error>;
    /// The compact filter of a block that is valid.
    fn filter(&self, hash: &BlockHash) -> Result<Option<Filter>, Self::Error>;
    /// That filter's hash and header.
    fn filter_entry(&self, hash: &BlockHash) -> Result<Option<FilterEntry>, Self::Error>;
    /// An unspent output.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Self::Error>;
    /// The best chain's block at a height.
    fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, Self::Error>;
    /// Where a transaction stands in the best chain.
    fn transaction(&self, txid: &Txid) -> Result<Option<TransactionLocation>, Self::Error>;
    /// The best chain's last block; `None` in a new store.
    fn tip(&self) -> Result<Option<BlockHash>, Self::Error>;
    /// The header with the most work; `None` in a new store.
    fn best_header(&self) -> Result<Option<BlockHash>, Self::Error>;
    /// The lowest height from which on the best chain's bodies and undo data are here; 0 in a store that was never pruned.
    fn first_body(&self) -> Result<Height, Self::Error>;
    /// At most `limit` blocks, of whatever chain, whose bodies are here and that stand below `height`: the lowest first.
    fn bodies_below(&self, height: Height, limit: usize) -> Result<Vec<(Height, BlockHash)>, Self::Error>;
    /// Calls `visit` with every unspent output, in the order of outpoints.
    fn for_each_coin(&self, visit: &mut dyn FnMut(OutPoint, Coin)) -> Result<(), Self::Error>;
    /// Prepares the changes of a batch: what can be done while it is still open whether they will be made. One batch at a time.
    fn stage(&self, batch: &Batch) -> Result<Self::Staged, Self::Error>;
    /// Makes all changes of the batch, which was staged, durably, or none.
    fn commit_staged(&mut self, batch: &Batch, staged: Self::Staged) -> Result<(), Self::Error>;

    /// Makes all changes of the batch, durably, or none.
    fn commit(&mut self, batch: &Batch) -> Result<(), Self::Error> {
        let staged = self.stage(batch)?;
        self.commit_staged(batch, staged)
    }
}

/// A part of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Headers and what follows from them, by block.
    Headers,
    /// Bodies, by block.
    Blocks,
    /// Which bodies are here, by height.
    Bodies,
    /// Undo data, by block.
    Undo,
    /// Compact filters, by block.
    Filters,
    /// Their hashes and headers, by block.
    FilterEntries,
    /// Unspent outputs.
    Coins,
    /// The best chain's blocks, by height.
    Heights,
    /// The best chain's transactions, by id.
    Transactions,
    /// Tip, best header, and how far down bodies go.
    Meta,
}

impl Table {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Table::Headers => "headers",
            Table::Blocks => "blocks",
            Table::Bodies => "bodies",
            Table::Undo => "undo",
            Table::Filters => "filters",
            Table::FilterEntries => "filter entries",
            Table::Coins => "coins",
            Table::Heights => "heights",
            Table::Transactions => "transactions",
            Table::Meta => "meta",
        }
    }
}

impl core::fmt::Display for Table {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A store that shows all that it holds, also what no chain asks for.
pub trait Inspect: Store {
    /// Calls `visit` with every header.
    fn for_each_header(&self, visit: &mut dyn FnMut(BlockHash, HeaderEntry)) -> Result<(), Self::Error>;
    /// Calls `visit` with every key of a table that is by block: `Blocks`, `Undo`, `Filters` or `FilterEntries`.
    fn for_each_block_key(&self, table: Table, visit: &mut dyn FnMut(BlockHash)) -> Result<(), Self::Error>;
    /// Calls `visit` with every entry of the index of bodies, the lowest first.
    fn for_each_body(&self, visit: &mut dyn FnMut(Height, BlockHash)) -> Result<(), Self::Error>;
    /// Calls `visit` with every height of the best chain, the lowest first.
    fn for_each_height(&self, visit: &mut dyn FnMut(Height, BlockHash)) -> Result<(), Self::Error>;
    /// Calls `visit` with every transaction of the best chain.
    fn for_each_transaction(&self, visit: &mut dyn FnMut(Txid, TransactionLocation)) -> Result<(), Self::Error>;
    /// How many entries a table has.
    fn count(&self, table: Table) -> Result<u64, Self::Error>;
}
