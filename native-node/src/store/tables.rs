//! The tables of the file, and how a batch is written to them.

use super::StoreError;
use camelid_core::chain::{Batch, HeaderEntry};
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::{BlockHash, Txid};
use camelid_core::transaction::OutPoint;
use camelid_core::units::Height;
use redb::{Database, Durability, ReadableTable, Table, TableDefinition, WriteTransaction};
use std::borrow::Borrow;
use std::path::Path;

/// Values in their canonical encoding.
pub(super) type Bytes = &'static [u8];
pub(super) type Hash = &'static [u8; 32];
/// A txid, then an index with its highest byte first: the order of outpoints.
pub(super) type Outpoint = &'static [u8; 36];
/// A height with its highest byte first, then a block.
type Place = &'static [u8; 36];

pub(super) const META: TableDefinition<&str, Bytes> = TableDefinition::new("meta");
pub(super) const HEADERS: TableDefinition<Hash, Bytes> = TableDefinition::new("headers");
pub(super) const BLOCKS: TableDefinition<Hash, Bytes> = TableDefinition::new("blocks");
/// Which bodies are here: a height with its highest byte first, then the block. Nothing stands behind the keys.
pub(super) const BODIES: TableDefinition<Place, Bytes> = TableDefinition::new("bodies");
pub(super) const UNDO: TableDefinition<Hash, Bytes> = TableDefinition::new("undo");
pub(super) const FILTERS: TableDefinition<Hash, Bytes> = TableDefinition::new("filters");
pub(super) const FILTER_ENTRIES: TableDefinition<Hash, Bytes> = TableDefinition::new("filter entries");
pub(super) const COINS: TableDefinition<Outpoint, Bytes> = TableDefinition::new("coins");
pub(super) const HEIGHTS: TableDefinition<u32, Bytes> = TableDefinition::new("heights");
pub(super) const TRANSACTIONS: TableDefinition<Hash, Bytes> = TableDefinition::new("transactions");

pub(super) const FORMAT_KEY: &str = "format";
pub(super) const NETWORK_KEY: &str = "network";
pub(super) const TIP_KEY: &str = "tip";
pub(super) const BEST_HEADER_KEY: &str = "best header";
pub(super) const FIRST_BODY_KEY: &str = "first body";

pub(super) fn outpoint_key(outpoint: &OutPoint) -> [u8; 36] {
    let mut key = [0; 36];
    key[..32].copy_from_slice(&outpoint.txid.0);
    key[32..].copy_from_slice(&outpoint.index.to_be_bytes());
    key
}

pub(super) fn read_outpoint(key: &[u8; 36]) -> OutPoint {
    let (mut txid, mut index) = ([0; 32], [0; 4]);
    txid.copy_from_slice(&key[..32]);
    index.copy_from_slice(&key[32..]);
    OutPoint { txid: Txid(txid), index: u32::from_be_bytes(index) }
}

pub(super) fn body_key(height: Height, hash: &BlockHash) -> [u8; 36] {
    let mut key = [0; 36];
    key[..4].copy_from_slice(&height.0.to_be_bytes());
    key[4..].copy_from_slice(&hash.0);
    key
}

pub(super) fn read_body_key(key: &[u8; 36]) -> (Height, BlockHash) {
    let (mut height, mut hash) = ([0; 4], [0; 32]);
    height.copy_from_slice(&key[..4]);
    hash.copy_from_slice(&key[4..]);
    (Height(u32::from_be_bytes(height)), BlockHash(hash))
}

pub(super) fn decoded<T: Decode>(path: &Path, table: &str, bytes: &[u8]) -> Result<T, StoreError> {
    T::from_bytes(bytes).map_err(|error| StoreError::Damaged {
        path: path.to_owned(),
        reason: format!("an entry of table {table}: {error}"),
    })
}

/// Inserts, or removes where there is no value. `room` is where values are encoded: one for thousands.
fn change<'k, K: redb::Key + 'static>(
    table: &mut Table<'_, K, Bytes>,
    key: impl Borrow<K::SelfType<'k>>,
    value: Option<&impl Encode>,
    room: &mut Vec<u8>,
) -> Result<(), redb::StorageError> {
    match value {
        Some(value) => {
            room.clear();
            value.encode(room);
            drop(table.insert(key, room.as_slice())?);
        }
        None => drop(table.remove(key)?),
    }
    Ok(())
}

/// Writes a batch into one transaction, and leaves it open. One that is not durable is seen at once when it is committed, and on
/// disk with the next durable one.
pub(super) fn write(
    database: &Database,
    batch: &Batch,
    durability: Durability,
) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(durability)?;
    let mut room = Vec::new();
    {
        let mut headers = transaction.open_table(HEADERS)?;
        for (hash, entry) in &batch.headers {
            change(&mut headers, &hash.0, Some(entry), &mut room)?;
        }
        let (mut blocks, mut bodies) = (transaction.open_table(BLOCKS)?, transaction.open_table(BODIES)?);
        for (hash, block) in &batch.blocks {
            change(&mut blocks, &hash.0, Some(block), &mut room)?;
            bodies.insert(&body_key(height_of(&headers, hash)?, hash), [].as_slice())?;
        }
        let mut undo_data = transaction.open_table(UNDO)?;
        for (hash, undo) in &batch.undo {
            change(&mut undo_data, &hash.0, Some(undo), &mut room)?;
        }
        for hash in &batch.pruned {
            blocks.remove(&hash.0)?;
            undo_data.remove(&hash.0)?;
            bodies.remove(&body_key(height_of(&headers, hash)?, hash))?;
        }
        let mut table = transaction.open_table(FILTERS)?;
        for (hash, filter) in &batch.filters {
            change(&mut table, &hash.0, Some(filter), &mut room)?;
        }
        let mut table = transaction.open_table(FILTER_ENTRIES)?;
        for (hash, entry) in &batch.filter_entries {
            change(&mut table, &hash.0, Some(entry), &mut room)?;
        }
        let mut table = transaction.open_table(COINS)?;
        for (outpoint, coin) in &batch.coins {
            change(&mut table, &outpoint_key(outpoint), coin.as_ref(), &mut room)?;
        }
        let mut table = transaction.open_table(HEIGHTS)?;
        for (height, hash) in &batch.heights {
            change(&mut table, height.0, hash.as_ref(), &mut room)?;
        }
        let mut table = transaction.open_table(TRANSACTIONS)?;
        for (txid, location) in &batch.transactions {
            change(&mut table, &txid.0, location.as_ref(), &mut room)?;
        }
        let mut meta = transaction.open_table(META)?;
        for (key, hash) in [(TIP_KEY, batch.tip), (BEST_HEADER_KEY, batch.best_header)] {
            if let Some(hash) = hash {
                change(&mut meta, key, Some(&hash), &mut room)?;
            }
        }
        if let Some(height) = batch.first_body {
            change(&mut meta, FIRST_BODY_KEY, Some(&height), &mut room)?;
        }
    }
    Ok(transaction)
}

/// The height of a block whose header is in the table.
fn height_of(headers: &Table<'_, Hash, Bytes>, hash: &BlockHash) -> Result<Height, redb::Error> {
    let entry = headers.get(&hash.0)?.and_then(|bytes| HeaderEntry::from_bytes(bytes.value()).ok());
    let lacks = || redb::Error::Corrupted(format!("an entry of table headers: block {hash} has a body and no header"));
    entry.map(|entry| entry.height).ok_or_else(lacks)
}
