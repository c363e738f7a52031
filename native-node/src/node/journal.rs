//! What a node must not forget beside the chain: deals, its own loose transactions, counters. One redb file; each
//! write is durable before it returns.

use crate::durable;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::{Path, PathBuf};

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Deals of the wallet as a client, by Job ID.
    ClientDeals,
    /// Deals of the node as a computer, by Job ID.
    ComputeDeals,
    /// Transactions that this node made and that are not mined yet, by txid.
    OwnTransactions,
    /// Counters and marks, by name.
    Marks,
}

impl Shelf {
    fn table(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(match self {
            Shelf::ClientDeals => "client deals",
            Shelf::ComputeDeals => "compute deals",
            Shelf::OwnTransactions => "own transactions",
            Shelf::Marks => "marks",
        })
    }
}

/// Why the journal failed.
#[derive(Debug, thiserror::Error)]
#[error("journal {}: {reason}", .file.display())]
pub struct JournalError {
    file: PathBuf,
    reason: String,
}

/// A record's key and value.
pub type Record = (Vec<u8>, Vec<u8>);

/// The journal.
#[derive(Debug)]
pub struct Journal {
    file: PathBuf,
    database: Database,
}

impl Journal {
    /// Opens or makes the journal in `file`.
    pub fn open(file: &Path) -> Result<Self, JournalError> {
        let failed = |reason: String| JournalError { file: file.to_path_buf(), reason };
        let there = file.try_exists().map_err(|e| failed(e.to_string()))?;
        if !there {
            // Made under another name and then moved into place: a file with the right name is whole.
            let new = file.with_extension("new");
            let _ = std::fs::remove_file(&new);
            drop(open_file(&new).map_err(failed)?);
            durable::rename(&new, file).map_err(|e| failed(format!("cannot be made: {e}")))?;
        }
        Ok(Journal { file: file.to_path_buf(), database: open_file(file).map_err(failed)? })
    }

    /// A journal on something else than a file.
    #[cfg(test)]
    pub(crate) fn on(backend: impl redb::StorageBackend) -> Result<Self, JournalError> {
        let file = PathBuf::from("memory");
        let failed = |reason: String| JournalError { file: file.clone(), reason };
        let database = redb::Builder::new().create_with_backend(backend).map_err(|e| failed(e.to_string()))?;
        Ok(Journal { file: file.clone(), database })
    }

    fn failed(&self, reason: impl std::fmt::Display) -> JournalError {
        JournalError { file: self.file.clone(), reason: reason.to_string() }
    }

    /// Writes or replaces a record.
    pub fn put(&self, shelf: Shelf, key: &[u8], value: &[u8]) -> Result<(), JournalError> {
        let write = self.database.begin_write().map_err(|e| self.failed(e))?;
        {
            let mut table = write.open_table(shelf.table()).map_err(|e| self.failed(e))?;
            table.insert(key, value).map_err(|e| self.failed(e))?;
        }
        write.commit().map_err(|e| self.failed(e))
    }

    /// Removes a record, if it is there.
    pub fn remove(&self, shelf: Shelf, key: &[u8]) -> Result<(), JournalError> {
        let write = self.database.begin_write().map_err(|e| self.failed(e))?;
        {
            let mut table = write.open_table(shelf.table()).map_err(|e| self.failed(e))?;
            table.remove(key).map_err(|e| self.failed(e))?;
        }
        write.commit().map_err(|e| self.failed(e))
    }

    /// Reads one record.
    pub fn get(&self, shelf: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let read = self.database.begin_read().map_err(|e| self.failed(e))?;
        match read.open_table(shelf.table()) {
            Ok(table) => Ok(table.get(key).map_err(|e| self.failed(e))?.map(|v| v.value().to_vec())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Reads all records of a kind, by key.
    pub fn all(&self, shelf: Shelf) -> Result<Vec<Record>, JournalError> {
        let read = self.database.begin_read().map_err(|e| self.failed(e))?;
        let table = match read.open_table(shelf.table()) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(error)),
        };
        let mut records = Vec::new();
        for record in table.iter().map_err(|e| self.failed(e))? {
            let (key, value) = record.map_err(|e| self.failed(e))?;
            records.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(records)
    }

    /// Takes the next number of a counter, `least` or higher.
    pub fn next_number(&self, name: &str, least: u32) -> Result<u32, JournalError> {
        let stored = match self.get(Shelf::Marks, name.as_bytes())? {
            Some(bytes) => bytes.try_into().map(u32::from_le_bytes).map_err(|_| self.failed("a counter is damaged"))?,
            None => 0,
        };
        let number = stored.max(least);
        let next = number.checked_add(1).ok_or_else(|| self.failed("a counter is used up"))?;
        self.put(Shelf::Marks, name.as_bytes(), &next.to_le_bytes())?;
        Ok(number)
    }
}

fn open_file(file: &Path) -> Result<Database, String> {
    let damaged = |reason: &dyn std::fmt::Display| {
        format!(
            "truncated or damaged ({reason}); put it back from a backup, or move it away: the wallet keeps its coins, open jobs are forgotten"
        )
    };
    let new = file.extension().is_some_and(|e| e == "new");
    // redb makes a new database of an empty file; ours is never empty.
    if !new && std::fs::metadata(file).is_ok_and(|m| m.len() == 0) {
        return Err(damaged(&"it is empty"));
    }
    Database::create(file).map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            "it is in use: is another node running on this data directory?".into()
        }
        redb::DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() != std::io::ErrorKind::UnexpectedEof && error.kind() != std::io::ErrorKind::InvalidData =>
        {
            format!("cannot be opened: {error}; check that the directory may be written to and has room")
        }
        other => damaged(&other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("journal.redb");
        {
            let journal = Journal::open(&file).unwrap();
            assert_eq!(journal.all(Shelf::ClientDeals).unwrap(), vec![]);
            journal.put(Shelf::ClientDeals, b"a", b"1").unwrap();
            journal.put(Shelf::ClientDeals, b"b", b"2").unwrap();
            journal.put(Shelf::ClientDeals, b"a", b"3").unwrap();
            journal.remove(Shelf::ClientDeals, b"b").unwrap();
            assert_eq!([0; 2].map(|least| journal.next_number("jobs", least).unwrap()), [0, 1]);
        }
        let journal = Journal::open(&file).unwrap();
        assert_eq!(journal.all(Shelf::ClientDeals).unwrap(), vec![(b"a".to_vec(), b"3".to_vec())]);
        assert_eq!(journal.get(Shelf::ComputeDeals, b"a").unwrap(), None);
        assert_eq!([0, 9, 0].map(|least| journal.next_number("jobs", least).unwrap()), [2, 9, 10]);
        let second = Journal::open(&file).unwrap_err().to_string();
        assert!(second.contains("another node"), "{second}");
    }
}
