//! The tables of the file, and how a batch is written to them.

use super::{StoreError, encoded};
use camelid_core::chain::Batch;
use camelid_core::encode::{Decode, Encode};
use camelid_core::hash::Txid;
use camelid_core::transaction::OutPoint;
use redb::{Database, Durability, Table, TableDefinition};
use std::borrow::Borrow;
use std::path::Path;

/// Values in their canonical encoding.
pub(super) type Bytes = &'static [u8];
type Hash = &'static [u8; 32];
/// A txid, then an index with its highest byte first: the order of outpoints.
type Outpoint = &'static [u8; 36];

pub(super) const META: TableDefinition<&str, Bytes> = TableDefinition::new("meta");
pub(super) const HEADERS: TableDefinition<Hash, Bytes> = TableDefinition::new("headers");
pub(super) const BLOCKS: TableDefinition<Hash, Bytes> = TableDefinition::new("blocks");
pub(super) const UNDO: TableDefinition<Hash, Bytes> = TableDefinition::new("undo");
pub(super) const FILTERS: TableDefinition<Hash, Bytes> = TableDefinition::new("filters");
pub(super) const FILTER_ENTRIES: TableDefinition<Hash, Bytes> = TableDefinition::new("filter entries");
pub(super) const COINS: TableDefinition<Outpoint, Bytes> = TableDefinition::new("coins");
pub(super) const HEIGHTS: TableDefinition<u32, Bytes> = TableDefinition::new("heights");
pub(super) const TRANSACTIONS: TableDefinition<Hash, Bytes> = TableDefinition::new("transactions");

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

pub(super) fn decoded<T: Decode>(path: &Path, table: &str, bytes: &[u8]) -> Result<T, StoreError> {
    T::from_bytes(bytes).map_err(|error| StoreError::Damaged {
        path: path.to_owned(),
        reason: format!("an entry of table {table}: {error}"),
    })
}

/// Inserts, or removes where there is no value.
fn change<'k, K: redb::Key + 'static>(
    table: &mut Table<'_, K, Bytes>,
    key: impl Borrow<K::SelfType<'k>>,
    value: Option<&impl Encode>,
) -> Result<(), redb::StorageError> {
    match value {
        Some(value) => drop(table.insert(key, encoded(value).as_slice())?),
        None => drop(table.remove(key)?),
    }
    Ok(())
}

/// Writes a batch in one transaction. One that is not durable is seen at once, and on disk with the next durable one.
pub(super) fn write(
    database: &Database,
    batch: Batch,
    durability: Durability,
    tip_key: &'static str,
    best_header_key: &'static str,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(durability)?;
    {
        let mut table = transaction.open_table(HEADERS)?;
        for (hash, entry) in &batch.headers {
            change(&mut table, &hash.0, Some(entry))?;
        }
        let mut table = transaction.open_table(BLOCKS)?;
        for (hash, block) in &batch.blocks {
            change(&mut table, &hash.0, Some(block))?;
        }
        let mut table = transaction.open_table(UNDO)?;
        for (hash, undo) in &batch.undo {
            change(&mut table, &hash.0, Some(undo))?;
        }
        let mut table = transaction.open_table(FILTERS)?;
        for (hash, filter) in &batch.filters {
            change(&mut table, &hash.0, Some(filter))?;
        }
        let mut table = transaction.open_table(FILTER_ENTRIES)?;
        for (hash, entry) in &batch.filter_entries {
            change(&mut table, &hash.0, Some(entry))?;
        }
        let mut table = transaction.open_table(COINS)?;
        for (outpoint, coin) in &batch.coins {
            change(&mut table, &outpoint_key(outpoint), coin.as_ref())?;
        }
        let mut table = transaction.open_table(HEIGHTS)?;
        for (height, hash) in &batch.heights {
            change(&mut table, height.0, hash.as_ref())?;
        }
        let mut table = transaction.open_table(TRANSACTIONS)?;
        for (txid, location) in &batch.transactions {
            change(&mut table, &txid.0, location.as_ref())?;
        }
        let mut meta = transaction.open_table(META)?;
        for (key, hash) in [(tip_key, batch.tip), (best_header_key, batch.best_header)] {
            if let Some(hash) = hash {
                change(&mut meta, key, Some(&hash))?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}
