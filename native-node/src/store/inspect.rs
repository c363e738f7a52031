//! Everything that the file holds, table by table: for [`camelid_core::chain::verify`].

use super::tables::{
    BLOCKS, BODIES, Bytes, COINS, FILTER_ENTRIES, FILTERS, HEADERS, HEIGHTS, META, TRANSACTIONS, UNDO, decoded,
    read_body_key,
};
use super::{RedbStore, StoreError};
use camelid_core::chain::{HeaderEntry, Inspect, Table, TransactionLocation};
use camelid_core::hash::{BlockHash, Txid};
use camelid_core::units::Height;
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition};

/// What is shown a table's entries.
type Visit<'a, K> = &'a mut dyn FnMut(<K as redb::Value>::SelfType<'_>, &[u8]) -> Result<(), StoreError>;

impl RedbStore {
    /// Calls `visit` with each key and value of a table.
    fn for_each<K: redb::Key + 'static>(
        &self,
        table: TableDefinition<K, Bytes>,
        visit: Visit<'_, K>,
    ) -> Result<(), StoreError> {
        let Some(table) = self.table(table)? else { return Ok(()) };
        for entry in table.iter().map_err(|e| self.failed(e))? {
            let (key, value) = entry.map_err(|e| self.failed(e))?;
            visit(key.value(), value.value())?;
        }
        Ok(())
    }

    fn length<K: redb::Key + 'static>(&self, table: TableDefinition<K, Bytes>) -> Result<u64, StoreError> {
        match self.table(table)? {
            Some(table) => table.len().map_err(|e| self.failed(e)),
            None => Ok(0),
        }
    }
}

impl Inspect for RedbStore {
    fn for_each_header(&self, visit: &mut dyn FnMut(BlockHash, HeaderEntry)) -> Result<(), StoreError> {
        self.for_each(HEADERS, &mut |hash, entry| {
            visit(BlockHash(*hash), decoded(&self.path, "headers", entry)?);
            Ok(())
        })
    }

    fn for_each_block_key(&self, table: Table, visit: &mut dyn FnMut(BlockHash)) -> Result<(), StoreError> {
        let table = match table {
            Table::Blocks => BLOCKS,
            Table::Undo => UNDO,
            Table::Filters => FILTERS,
            Table::FilterEntries => FILTER_ENTRIES,
            _ => return Ok(()),
        };
        self.for_each(table, &mut |hash, _| {
            visit(BlockHash(*hash));
            Ok(())
        })
    }

    fn for_each_body(&self, visit: &mut dyn FnMut(Height, BlockHash)) -> Result<(), StoreError> {
        self.for_each(BODIES, &mut |key, _| {
            let (height, hash) = read_body_key(key);
            visit(height, hash);
            Ok(())
        })
    }

    fn for_each_height(&self, visit: &mut dyn FnMut(Height, BlockHash)) -> Result<(), StoreError> {
        self.for_each(HEIGHTS, &mut |height, hash| {
            visit(Height(height), decoded(&self.path, "heights", hash)?);
            Ok(())
        })
    }

    fn for_each_transaction(&self, visit: &mut dyn FnMut(Txid, TransactionLocation)) -> Result<(), StoreError> {
        self.for_each(TRANSACTIONS, &mut |txid, location| {
            visit(Txid(*txid), decoded(&self.path, "transactions", location)?);
            Ok(())
        })
    }

    fn count(&self, table: Table) -> Result<u64, StoreError> {
        match table {
            Table::Headers => self.length(HEADERS),
            Table::Blocks => self.length(BLOCKS),
            Table::Bodies => self.length(BODIES),
            Table::Undo => self.length(UNDO),
            Table::Filters => self.length(FILTERS),
            Table::FilterEntries => self.length(FILTER_ENTRIES),
            Table::Coins => self.length(COINS),
            Table::Heights => self.length(HEIGHTS),
            Table::Transactions => self.length(TRANSACTIONS),
            Table::Meta => self.length(META),
        }
    }
}
