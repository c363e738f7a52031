//! The chain on disk: [`camelid_core::chain::Store`] over redb, one file in the data directory.
//!
//! After a crash or a pulled plug the store is as after one of its commits: each is durable, but for those of a bundle
//! ([`RedbStore::begin_bundle`]), which is on disk as a whole or not at all.

mod error;
mod tables;

#[cfg(test)]
mod tests;

pub use error::StoreError;

use camelid_core::block::Block;
use camelid_core::chain::{Batch, HeaderEntry, Store, TransactionLocation, Undo};
use camelid_core::encode::{Decode, Encode};
use camelid_core::filter::{Filter, FilterEntry};
use camelid_core::hash::{BlockHash, Txid};
use camelid_core::transaction::{Coin, OutPoint};
use camelid_core::units::{Height, Network};
use redb::{Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError, TableError};
use std::borrow::Borrow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tables::{
    BLOCKS, Bytes, COINS, FILTER_ENTRIES, FILTERS, HEADERS, HEIGHTS, META, TRANSACTIONS, UNDO, decoded, outpoint_key,
    read_outpoint,
};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "chain.redb";
/// The format that this version writes and reads.
pub const FORMAT: u32 = 2;

/// Memory for pages of the file.
const CACHE_BYTES: usize = 64 << 20;

const FORMAT_KEY: &str = "format";
const NETWORK_KEY: &str = "network";
const TIP_KEY: &str = "tip";
const BEST_HEADER_KEY: &str = "best header";

/// A chain's store in a file.
#[derive(Debug)]
pub struct RedbStore {
    path: PathBuf,
    database: Database,
    bundling: AtomicBool,
}

impl RedbStore {
    /// Opens the store in `directory`, which must exist; makes it if it is not there.
    pub fn open(directory: &Path, network: Network) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        if !path.try_exists().map_err(|e| StoreError::file(&path, e))? {
            create(&path, network)?;
        }
        let database = open_file(&path)?;
        let store = RedbStore { path, database, bundling: AtomicBool::new(false) };
        store.check_format()?;
        store.check_network(network)?;
        Ok(store)
    }

    /// What is committed from here on is seen at once, and on disk when the bundle ends: for many blocks in a row, each of
    /// which would wait for the disk.
    pub fn begin_bundle(&self) {
        self.bundling.store(true, Ordering::Relaxed);
    }

    /// Puts on disk what was committed since the bundle began.
    pub fn end_bundle(&self) -> Result<(), StoreError> {
        if !self.bundling.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let nothing = Batch::default();
        tables::write(&self.database, nothing, Durability::Immediate, TIP_KEY, BEST_HEADER_KEY)
            .map_err(|e| self.failed(e))
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let bytes = self.meta(FORMAT_KEY)?.and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let path = self.path.clone();
        match bytes {
            Some(FORMAT) => Ok(()),
            Some(found) if found > FORMAT => Err(StoreError::NewerFormat { path, expected: FORMAT, found }),
            Some(found) => Err(StoreError::OlderFormat { path, expected: FORMAT, found }),
            None => Err(StoreError::NoChain { path, reason: "it has no format number".into() }),
        }
    }

    fn check_network(&self, expected: Network) -> Result<(), StoreError> {
        let found = self.meta(NETWORK_KEY)?.unwrap_or_default();
        if found == expected.magic() {
            return Ok(());
        }
        let known = [Network::Main, Network::Test, Network::Dev].into_iter().find(|n| found == n.magic());
        let path = self.path.clone();
        match known {
            Some(found) => Err(StoreError::OtherNetwork { path, expected, found }),
            None => Err(StoreError::NoChain { path, reason: "it belongs to no known network".into() }),
        }
    }

    fn failed(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::database(&self.path, error)
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(META, key, |bytes| Ok(bytes.to_vec()))
    }

    fn meta_hash(&self, key: &'static str) -> Result<Option<BlockHash>, StoreError> {
        self.get(META, key, |bytes| decoded(&self.path, "meta", bytes))
    }

    /// One value of one table; a table that was never written to is empty.
    fn get<'k, K: redb::Key + 'static, T>(
        &self,
        table: redb::TableDefinition<K, Bytes>,
        key: impl Borrow<K::SelfType<'k>>,
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let transaction = self.database.begin_read().map_err(|e| self.failed(e))?;
        let table = match transaction.open_table(table) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            other => other.map_err(|e| self.failed(e))?,
        };
        table.get(key).map_err(|e| self.failed(e))?.map(|guard| read(guard.value())).transpose()
    }

    fn get_encoded<'k, K: redb::Key + 'static, T: Decode>(
        &self,
        table: redb::TableDefinition<K, Bytes>,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<T>, StoreError> {
        let name = redb::TableHandle::name(&table).to_owned();
        self.get(table, key, |bytes| decoded(&self.path, &name, bytes))
    }
}

/// Makes a new store under another name and then moves it into place: a file with the right name is whole.
fn create(path: &Path, network: Network) -> Result<(), StoreError> {
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(StoreError::file(&new, error)),
        _ => {}
    }
    let database = open_file(&new)?;
    let write = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert(FORMAT_KEY, FORMAT.to_le_bytes().as_slice())?;
            meta.insert(NETWORK_KEY, network.magic().as_slice())?;
        }
        transaction.commit()?;
        Ok(())
    };
    write().map_err(|e| StoreError::database(&new, e))?;
    drop(database);
    std::fs::rename(&new, path).map_err(|e| StoreError::file(path, e))
}

fn open_file(path: &Path) -> Result<Database, StoreError> {
    // redb makes a new database of an empty file; ours is never empty.
    let existing = std::fs::metadata(path).ok();
    let no_chain = |reason: String| StoreError::NoChain { path: path.to_owned(), reason };
    if existing.is_some_and(|m| m.len() == 0) {
        return Err(no_chain("it is empty".into()));
    }
    redb::Builder::new().set_cache_size(CACHE_BYTES).create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse { path: path.to_owned() }
        }
        DatabaseError::UpgradeRequired(_) => no_chain("it was written by an older database library".into()),
        DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => no_chain(error.to_string()),
            _ => StoreError::file(path, error),
        },
        other => no_chain(other.to_string()),
    })
}

impl Store for RedbStore {
    type Error = StoreError;

    fn header(&self, hash: &BlockHash) -> Result<Option<HeaderEntry>, StoreError> {
        self.get_encoded(HEADERS, &hash.0)
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Block>, StoreError> {
        self.get_encoded(BLOCKS, &hash.0)
    }

    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, StoreError> {
        self.get_encoded(UNDO, &hash.0)
    }

    fn filter(&self, hash: &BlockHash) -> Result<Option<Filter>, StoreError> {
        self.get_encoded(FILTERS, &hash.0)
    }

    fn filter_entry(&self, hash: &BlockHash) -> Result<Option<FilterEntry>, StoreError> {
        self.get_encoded(FILTER_ENTRIES, &hash.0)
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        self.get_encoded(COINS, &outpoint_key(outpoint))
    }

    fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, StoreError> {
        self.get_encoded(HEIGHTS, height.0)
    }

    fn transaction(&self, txid: &Txid) -> Result<Option<TransactionLocation>, StoreError> {
        self.get_encoded(TRANSACTIONS, &txid.0)
    }

    fn tip(&self) -> Result<Option<BlockHash>, StoreError> {
        self.meta_hash(TIP_KEY)
    }

    fn best_header(&self) -> Result<Option<BlockHash>, StoreError> {
        self.meta_hash(BEST_HEADER_KEY)
    }

    fn for_each_coin(&self, visit: &mut dyn FnMut(OutPoint, Coin)) -> Result<(), StoreError> {
        let transaction = self.database.begin_read().map_err(|e| self.failed(e))?;
        let table = match transaction.open_table(COINS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            other => other.map_err(|e| self.failed(e))?,
        };
        for entry in table.iter().map_err(|e| self.failed(e))? {
            let (key, value) = entry.map_err(|e| self.failed(e))?;
            visit(read_outpoint(key.value()), decoded(&self.path, "coins", value.value())?);
        }
        Ok(())
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let bundling = self.bundling.load(Ordering::Relaxed);
        let durability = if bundling { Durability::None } else { Durability::Immediate };
        tables::write(&self.database, batch, durability, TIP_KEY, BEST_HEADER_KEY).map_err(|e| self.failed(e))
    }
}

/// The encoding of a value, for the tables.
fn encoded(value: &impl Encode) -> Vec<u8> {
    value.to_bytes()
}
