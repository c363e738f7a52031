//! Which entries there are: one where there must be one, and none that nothing accounts for.

use super::damage::{at_block, read};
use super::{Check, Damage, Key, OnProgress, Problem, Stage, Steps};
use crate::chain::block_rules::check_block;
use crate::chain::{BlockStatus, HeaderEntry, Inspect, Table};
use crate::hash::BlockHash;
use crate::units::Height;
use alloc::boxed::Box;

const BY_BLOCK: [Table; 4] = [Table::Blocks, Table::Undo, Table::Filters, Table::FilterEntries];

impl<S: Inspect> Check<'_, S> {
    /// Checks the tables that are by block, and the bodies beside the best chain.
    pub(super) fn tables(&mut self, on_progress: &mut OnProgress<'_>) -> Result<(), Box<Damage>> {
        let mut total = 0;
        for table in BY_BLOCK {
            total += read(self.store.count(table), || Damage::at(table, Key::Any))?;
        }
        let mut steps = Steps::new(Stage::Tables, total, on_progress);
        let mut side_blocks = 0;
        for table in BY_BLOCK {
            let mut found = Ok(());
            let read_all = self.store.for_each_block_key(table, &mut |hash| {
                if found.is_ok() {
                    steps.step();
                    found = self.accounted_for(table, &hash).map(|beside| side_blocks += u64::from(beside));
                }
            });
            found?;
            read(read_all, || Damage::at(table, Key::Any))?;
        }
        self.report.side_blocks = side_blocks;
        self.present()?;
        self.body_index()?;
        self.heights()
    }

    /// Checks that a block may have an entry in a table. Says whether it is the body of one beside the best chain.
    fn accounted_for(&self, table: Table, hash: &BlockHash) -> Result<bool, Box<Damage>> {
        let entry = read(self.store.header(hash), || at_block(Table::Headers, hash, None))?;
        let Some(entry) = entry else { return Err(at_block(table, hash, None).is(Problem::Unexpected)) };
        let place = || at_block(table, hash, Some(entry.height));
        let kept = entry.height >= self.report.first_body;
        let allowed = match table {
            Table::Blocks => entry.status != BlockStatus::Header && kept,
            Table::Undo => entry.status == BlockStatus::Valid && kept,
            _ => entry.status == BlockStatus::Valid,
        };
        if !allowed {
            return Err(place().is(Problem::Unexpected));
        }
        if table != Table::Blocks || self.on_best_chain(hash, &entry)? {
            return Ok(false);
        }
        let block = read(self.store.block(hash), place)?.ok_or_else(|| place().is(Problem::Missing))?;
        if block.header != entry.header {
            return Err(place().is(Problem::Differs));
        }
        // One that is invalid may be so for any reason.
        if entry.status != BlockStatus::Invalid {
            check_block(&block, self.params).map_err(|error| place().is(Problem::Block(Box::new(error))))?;
        }
        Ok(true)
    }

    fn on_best_chain(&self, hash: &BlockHash, entry: &HeaderEntry) -> Result<bool, Box<Damage>> {
        let height = entry.height;
        Ok(read(self.store.hash_at(height), || Damage::at(Table::Heights, Key::Height(height)))? == Some(*hash))
    }

    /// Checks that nothing is missing of the blocks beside the best chain; connecting finds what is missing of the others.
    fn present(&self) -> Result<(), Box<Damage>> {
        let mut found = Ok(());
        let read_all = self.store.for_each_header(&mut |hash, entry| {
            if found.is_ok() {
                found = self.is_complete(&hash, &entry);
            }
        });
        found?;
        read(read_all, || Damage::at(Table::Headers, Key::Any))
    }

    fn is_complete(&self, hash: &BlockHash, entry: &HeaderEntry) -> Result<(), Box<Damage>> {
        if !entry.has_body() || self.on_best_chain(hash, entry)? {
            return Ok(());
        }
        let missing = |table| at_block(table, hash, Some(entry.height)).is(Problem::Missing);
        let kept = entry.height >= self.report.first_body;
        if kept && read(self.store.block(hash), || at_block(Table::Blocks, hash, None))?.is_none() {
            return Err(missing(Table::Blocks));
        }
        if entry.status != BlockStatus::Valid {
            return Ok(());
        }
        if kept && read(self.store.undo(hash), || at_block(Table::Undo, hash, None))?.is_none() {
            return Err(missing(Table::Undo));
        }
        if read(self.store.filter(hash), || at_block(Table::Filters, hash, None))?.is_none() {
            return Err(missing(Table::Filters));
        }
        match read(self.store.filter_entry(hash), || at_block(Table::FilterEntries, hash, None))? {
            Some(_) => Ok(()),
            None => Err(missing(Table::FilterEntries)),
        }
    }

    /// The index of bodies names each body that is here, at its height, and no other.
    fn body_index(&self) -> Result<(), Box<Damage>> {
        let any = || Damage::at(Table::Bodies, Key::Any);
        let mut found = Ok(());
        let read_all = self.store.for_each_body(&mut |height, hash| {
            if found.is_ok() {
                found = self.indexed_body(height, &hash);
            }
        });
        found?;
        read(read_all, any)?;
        // Each names one that is here: as many of them as bodies are all of them.
        if read(self.store.count(Table::Blocks), any)? == read(self.store.count(Table::Bodies), any)? {
            return Ok(());
        }
        let mut found = Ok(());
        let read_all = self.store.for_each_body(&mut |height, hash| {
            if found.is_ok() && self.store.block(&hash).is_ok_and(|block| block.is_none()) {
                found = Err(at_block(Table::Blocks, &hash, Some(height)).is(Problem::Missing));
            }
        });
        found?;
        read(read_all, any)?;
        Err(any().is(Problem::Differs))
    }

    fn indexed_body(&self, height: Height, hash: &BlockHash) -> Result<(), Box<Damage>> {
        let place = || at_block(Table::Bodies, hash, Some(height));
        let entry = read(self.store.header(hash), || at_block(Table::Headers, hash, None))?;
        let entry = entry.filter(|entry| entry.height == height).ok_or_else(|| place().is(Problem::Unexpected))?;
        // Connecting reads the others.
        let here = self.on_best_chain(hash, &entry)?
            || read(self.store.block(hash), || at_block(Table::Blocks, hash, Some(height)))?.is_some();
        if here { Ok(()) } else { Err(place().is(Problem::Unexpected)) }
    }

    /// No height above the tip has a block. (Those below were looked up one by one.)
    fn heights(&self) -> Result<(), Box<Damage>> {
        let mut found = Ok(());
        let read_all = self.store.for_each_height(&mut |height, hash| {
            if height > self.report.height && found.is_ok() {
                found = Err(Damage::at(Table::Heights, Key::Height(height)).of(hash, height).is(Problem::Unexpected));
            }
        });
        found?;
        read(read_all, || Damage::at(Table::Heights, Key::Any))
    }
}
