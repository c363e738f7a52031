//! The chain on disk: [`camelid_core::chain::Store`] over redb, one file in the data directory.
//!
//! After a crash or a pulled plug the store is as after one of its commits: each is durable, but for those of a bundle
//! ([`RedbStore::begin_bundle`]), which is on disk as a whole or not at all.

mod error;
mod inspect;
mod migrate;
mod tables;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod tests;

pub use error::StoreError;

use crate::durable;
use camelid_core::block::Block;
use camelid_core::chain::{Batch, HeaderEntry, Store, TransactionLocation, Undo};
use camelid_core::encode::Decode;
use camelid_core::filter::{Filter, FilterEntry};
use camelid_core::hash::{BlockHash, Txid};
use camelid_core::transaction::{Coin, OutPoint};
use camelid_core::units::{Height, Network};
use migrate::Migration;
use redb::{Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError, TableError};
use std::borrow::Borrow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tables::{
    BEST_HEADER_KEY, BLOCKS, BODIES, Bytes, COINS, FILTER_ENTRIES, FILTERS, FIRST_BODY_KEY, FORMAT_KEY, HEADERS,
    HEIGHTS, META, NETWORK_KEY, TIP_KEY, TRANSACTIONS, UNDO, body_key, decoded, outpoint_key, read_body_key,
    read_outpoint,
};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "chain.redb";
/// The format that this version writes and reads. 3 has the index of bodies, and may be pruned.
pub const FORMAT: u32 = 3;

/// Memory for pages of the file.
const CACHE_BYTES: usize = 64 << 20;

/// A chain's store in a file.
#[derive(Debug)]
pub struct RedbStore {
    path: PathBuf,
    /// The unspent outputs as they are since the last commit, open: a block asks for thousands.
    coins: Mutex<Option<CoinTable>>,
    database: Database,
    bundling: AtomicBool,
}

/// The table of unspent outputs; a debug print tells nothing of it.
struct CoinTable(redb::ReadOnlyTable<tables::Outpoint, Bytes>);

impl std::fmt::Debug for CoinTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CoinTable")
    }
}

/// Changes that are written, and not made yet.
pub struct Staged(redb::WriteTransaction);

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Staged")
    }
}

impl RedbStore {
    /// Opens the store in `directory`, which must exist; makes it if it is not there. One of an earlier format is brought to
    /// this one.
    pub fn open(directory: &Path, network: Network) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        if !path.try_exists().map_err(|e| StoreError::file(&path, e))? {
            create(&path, network)?;
        }
        let database = open_file(&path, false)?;
        let mut tell = |m: Migration| {
            let (from, done, total) = (m.from, m.done, m.total);
            tracing::info!(from, to = FORMAT, done, total, "the chain's file is brought to this version's format");
        };
        Self::with(path, database, network, &mut tell)
    }

    /// Opens a store that must be there, and reads all of its file on the way: what was altered or lost in it is an error.
    pub fn open_checked(directory: &Path, network: Network) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        std::fs::metadata(&path).map_err(|e| StoreError::file(&path, e))?;
        let database = open_file(&path, true)?;
        Self::with(path, database, network, &mut |_| ())
    }

    fn with(
        path: PathBuf,
        database: Database,
        network: Network,
        on_progress: &mut dyn FnMut(Migration),
    ) -> Result<Self, StoreError> {
        let store = RedbStore { path, coins: Mutex::new(None), database, bundling: AtomicBool::new(false) };
        // Another network's file is left as it is.
        let format = store.format()?;
        store.check_network(network)?;
        if format == 2 {
            migrate::from_2(&store.database, on_progress).map_err(|e| store.failed(e))?;
        }
        Ok(store)
    }

    /// A store on something else than a file.
    #[cfg(test)]
    fn on(backend: impl redb::StorageBackend, network: Network) -> Result<Self, StoreError> {
        let path = PathBuf::from("memory");
        let database = builder(&path, false).create_with_backend(backend).map_err(|error| opening(&path, error))?;
        let new = database.begin_read().map_err(|e| StoreError::database(&path, e))?.open_table(META).is_err();
        if new {
            begin(&database, network).map_err(|e| StoreError::database(&path, e))?;
        }
        Self::with(path, database, network, &mut |_| ())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
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
        self.make(self.write(&Batch::default(), Durability::Immediate)?)
    }

    /// The file's format, which this version can use.
    fn format(&self) -> Result<u32, StoreError> {
        let bytes = self.meta(FORMAT_KEY)?.and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let path = self.path.clone();
        match bytes {
            Some(found @ migrate::OLDEST..=FORMAT) => Ok(found),
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

    fn write(&self, batch: &Batch, durability: Durability) -> Result<Staged, StoreError> {
        tables::write(&self.database, batch, durability).map(Staged).map_err(|e| self.failed(e))
    }

    fn make(&self, Staged(transaction): Staged) -> Result<(), StoreError> {
        // It is of before, and would keep pages from being used again.
        *self.coins.lock().unwrap_or_else(PoisonError::into_inner) = None;
        transaction.commit().map_err(|e| self.failed(e))
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

    /// A table, as it is now; none where it was never written to.
    fn table<K: redb::Key + 'static>(
        &self,
        table: redb::TableDefinition<K, Bytes>,
    ) -> Result<Option<redb::ReadOnlyTable<K, Bytes>>, StoreError> {
        let transaction = self.database.begin_read().map_err(|e| self.failed(e))?;
        match transaction.open_table(table) {
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            other => Ok(Some(other.map_err(|e| self.failed(e))?)),
        }
    }

    /// One value of one table.
    fn get<'k, K: redb::Key + 'static, T>(
        &self,
        table: redb::TableDefinition<K, Bytes>,
        key: impl Borrow<K::SelfType<'k>>,
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let Some(table) = self.table(table)? else { return Ok(None) };
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
    let database = open_file(&new, false)?;
    begin(&database, network).map_err(|e| StoreError::database(&new, e))?;
    drop(database);
    durable::rename(&new, path).map_err(|e| StoreError::file(path, e))
}

/// Writes the beginnings of a store into a new database.
fn begin(database: &Database, network: Network) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT_KEY, FORMAT.to_le_bytes().as_slice())?;
        meta.insert(NETWORK_KEY, network.magic().as_slice())?;
    }
    transaction.commit()?;
    Ok(())
}

fn open_file(path: &Path, check: bool) -> Result<Database, StoreError> {
    // redb makes a new database of an empty file; ours is never empty.
    if std::fs::metadata(path).is_ok_and(|m| m.len() == 0) {
        return Err(StoreError::NoChain { path: path.to_owned(), reason: "it is empty".into() });
    }
    builder(path, check).create(path).map_err(|error| opening(path, error))
}

fn builder(path: &Path, check: bool) -> redb::Builder {
    let file = path.to_owned();
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(check).set_repair_callback(move |session| {
        let done = format!("{:.0} %", 100.0 * session.progress());
        tracing::info!(file = %file.display(), %done, "the file was not closed: it is looked through");
    });
    builder
}

/// Why a file could not be opened.
fn opening(path: &Path, error: DatabaseError) -> StoreError {
    let no_chain = |reason: String| StoreError::NoChain { path: path.to_owned(), reason };
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse { path: path.to_owned() }
        }
        DatabaseError::UpgradeRequired(_) => no_chain("it was written by an older database library".into()),
        DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => no_chain(error.to_string()),
            _ => StoreError::file(path, error),
        },
        other => no_chain(other.to_string()),
    }
}

impl Store for RedbStore {
    type Error = StoreError;
    type Staged = Staged;

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
        let mut open = self.coins.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            *open = self.table(COINS)?.map(CoinTable);
        }
        let Some(CoinTable(table)) = &*open else { return Ok(None) };
        let found = table.get(&outpoint_key(outpoint)).map_err(|e| self.failed(e))?;
        found.map(|guard| decoded(&self.path, "coins", guard.value())).transpose()
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

    fn first_body(&self) -> Result<Height, StoreError> {
        Ok(self.get_encoded(META, FIRST_BODY_KEY)?.unwrap_or_default())
    }

    fn bodies_below(&self, height: Height, limit: usize) -> Result<Vec<(Height, BlockHash)>, StoreError> {
        let end = body_key(height, &BlockHash::ZERO);
        let Some(table) = self.table(BODIES)? else { return Ok(Vec::new()) };
        let bodies = table.range::<&[u8; 36]>(..&end).map_err(|e| self.failed(e))?;
        bodies.take(limit).map(|entry| Ok(read_body_key(entry.map_err(|e| self.failed(e))?.0.value()))).collect()
    }

    fn for_each_coin(&self, visit: &mut dyn FnMut(OutPoint, Coin)) -> Result<(), StoreError> {
        let Some(table) = self.table(COINS)? else { return Ok(()) };
        for entry in table.iter().map_err(|e| self.failed(e))? {
            let (key, value) = entry.map_err(|e| self.failed(e))?;
            visit(read_outpoint(key.value()), decoded(&self.path, "coins", value.value())?);
        }
        Ok(())
    }

    fn stage(&self, batch: &Batch) -> Result<Staged, StoreError> {
        let bundling = self.bundling.load(Ordering::Relaxed);
        let durability = if bundling { Durability::None } else { Durability::Immediate };
        self.write(batch, durability)
    }

    fn commit_staged(&mut self, _: &Batch, staged: Staged) -> Result<(), StoreError> {
        self.make(staged)
    }
}
