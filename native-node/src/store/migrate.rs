//! Bringing a file of an earlier format to this one: in place, in one transaction, so that a crash leaves the one or the other.

use super::tables::{BLOCKS, BODIES, FORMAT_KEY, HEADERS, META, body_key};
use camelid_core::chain::{BlockStatus, HeaderEntry};
use camelid_core::encode::Decode;
use camelid_core::hash::BlockHash;
use redb::{Database, ReadableTable, ReadableTableMetadata};

/// The oldest format that can be brought to this one.
pub(super) const OLDEST: u32 = 2;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Migration {
    /// From which format.
    pub(super) from: u32,
    /// How many entries are done.
    pub(super) done: u64,
    /// How many there are.
    pub(super) total: u64,
}

/// Every so many entries progress is told.
const STEP: u64 = 10_000;

/// From format 2 to 3: the index of bodies, from headers.
pub(super) fn from_2(database: &Database, on_progress: &mut dyn FnMut(Migration)) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let (headers, blocks) = (transaction.open_table(HEADERS)?, transaction.open_table(BLOCKS)?);
        let mut bodies = transaction.open_table(BODIES)?;
        let (mut done, total) = (0, headers.len()?);
        for header in headers.iter()? {
            if done % STEP == 0 {
                on_progress(Migration { from: 2, done, total });
            }
            done += 1;
            let (hash, value) = header?;
            let damaged = |error| redb::Error::Corrupted(format!("an entry of table headers: {error}"));
            let entry = HeaderEntry::from_bytes(value.value()).map_err(damaged)?;
            let here = match entry.status {
                BlockStatus::Header => false,
                BlockStatus::Stored | BlockStatus::Valid => true,
                // It may be known by its header alone.
                BlockStatus::Invalid => blocks.get(hash.value())?.is_some(),
            };
            if here {
                bodies.insert(&body_key(entry.height, &BlockHash(*hash.value())), [].as_slice())?;
            }
        }
        transaction.open_table(META)?.insert(FORMAT_KEY, 3u32.to_le_bytes().as_slice())?;
        on_progress(Migration { from: 2, done, total });
    }
    transaction.commit()?;
    Ok(())
}
