//! Every header, and the tip.

use super::damage::{at_block, read};
use super::{Check, Damage, Key, OnProgress, Problem, Stage, Steps};
use crate::chain::header_rules::{self, check_header, check_in_context, genesis_entry};
use crate::chain::state::{is_better, times_to};
use crate::chain::{BlockStatus, HeaderEntry, Inspect, Table};
use crate::hash::BlockHash;
use crate::units::{Height, Timestamp};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

impl<S: Inspect> Check<'_, S> {
    /// Checks the best chain's headers from the genesis block up, then all others against their parents.
    pub(super) fn headers(&mut self, on_progress: &mut OnProgress<'_>) -> Result<(), Box<Damage>> {
        let meta = |name| move || Damage::at(Table::Meta, Key::Named(name));
        let tip = read(self.store.tip(), meta("tip"))?.ok_or_else(|| meta("tip")().is(Problem::Missing))?;
        let first_body = read(self.store.first_body(), meta("first body"))?;
        let last = self.header(&tip)?;
        let total = read(self.store.count(Table::Headers), || Damage::at(Table::Headers, Key::Any))?;
        (self.report.height, self.report.tip, self.report.first_body) = (last.height, tip, first_body);
        if first_body > last.height {
            return Err(meta("first body")().is(Problem::Differs));
        }
        let mut steps = Steps::new(Stage::Headers, total, on_progress);
        self.best_chain_headers(&tip, last.height, &mut steps)?;
        self.side_headers(&last, &mut steps)?;
        self.report.headers = total;
        self.best_header(&last)
    }

    fn best_chain_headers(&self, tip: &BlockHash, last: Height, steps: &mut Steps<'_, '_>) -> Result<(), Box<Damage>> {
        let mut times = VecDeque::with_capacity(self.params.median_time_span + 1);
        let mut parent: Option<(BlockHash, HeaderEntry)> = None;
        for height in 0..=last.0 {
            let hash = self.hash_at(Height(height))?;
            let entry = self.header(&hash)?;
            let place = || at_block(Table::Headers, &hash, Some(Height(height)));
            if let Some((before, parent)) = &parent {
                if entry.header.previous != *before {
                    // Either the index names another block, or this block's header is another.
                    let wrong = Damage::at(Table::Heights, Key::Height(Height(height))).of(hash, Height(height));
                    let own = entry.hash() == hash;
                    return Err(if own { wrong } else { place() }.is(Problem::Differs));
                }
                self.check_entry(&hash, &entry, parent, times.make_contiguous())?;
                if entry.status != BlockStatus::Valid {
                    return Err(place().is(Problem::Differs));
                }
            } else {
                self.check_genesis(&hash, &entry)?;
            }
            times.push_front(entry.header.time);
            times.truncate(self.params.median_time_span);
            parent = Some((hash, entry));
            steps.step();
        }
        match parent {
            Some((hash, _)) if hash == *tip => Ok(()),
            _ => Err(Damage::at(Table::Meta, Key::Named("tip")).of(*tip, last).is(Problem::Differs)),
        }
    }

    /// Those beside the best chain, each against its parent, whose turn comes too: so all descend from the genesis block.
    fn side_headers(&mut self, tip: &HeaderEntry, steps: &mut Steps<'_, '_>) -> Result<(), Box<Damage>> {
        let mut found = Ok(());
        let mut side: Vec<(BlockHash, BlockHash)> = Vec::new();
        let read_all = self.store.for_each_header(&mut |hash, entry| {
            if found.is_err() {
                return;
            }
            found = self.side_header(&hash, &entry, tip).map(|beside| {
                if beside && entry.status == BlockStatus::Valid {
                    side.push((entry.header.previous, hash));
                }
                if beside {
                    steps.step();
                }
            });
        });
        found?;
        read(read_all, || Damage::at(Table::Headers, Key::Any))?;
        for (parent, hash) in side {
            self.side.entry(parent).or_default().push(hash);
        }
        Ok(())
    }

    /// Checks a header unless it is on the best chain; says whether it is not.
    fn side_header(&self, hash: &BlockHash, entry: &HeaderEntry, tip: &HeaderEntry) -> Result<bool, Box<Damage>> {
        let height = entry.height;
        let indexed = read(self.store.hash_at(height), || Damage::at(Table::Heights, Key::Height(height)))?;
        if indexed == Some(*hash) && height <= tip.height {
            return Ok(false);
        }
        let place = || at_block(Table::Headers, hash, Some(height));
        if height == Height(0) {
            return Err(place().is(Problem::Unexpected));
        }
        let parent = self.header(&entry.header.previous)?;
        let times = times_to(&parent, self.params, |hash| self.header(hash))?;
        self.check_entry(hash, entry, &parent, &times)?;
        // "The best chain is the one with the most work."
        if entry.has_body() && is_better(entry, tip) && self.follows_valid(entry)? {
            return Err(Damage::at(Table::Meta, Key::Named("tip")).of(*hash, height).is(Problem::Differs));
        }
        Ok(true)
    }

    /// Whether stored blocks lead from a block down to one that is valid, rather than to one that is not.
    fn follows_valid(&self, entry: &HeaderEntry) -> Result<bool, Box<Damage>> {
        let mut at = entry.clone();
        while at.status == BlockStatus::Stored {
            at = self.header(&at.header.previous)?;
        }
        Ok(at.status == BlockStatus::Valid)
    }

    fn check_genesis(&self, hash: &BlockHash, entry: &HeaderEntry) -> Result<(), Box<Damage>> {
        let genesis = genesis_entry(self.params.genesis().header);
        if *hash != genesis.hash() {
            return Err(Damage::at(Table::Heights, Key::Height(Height(0))).of(*hash, Height(0)).is(Problem::Differs));
        }
        if *entry != genesis {
            return Err(at_block(Table::Headers, hash, Some(Height(0))).is(Problem::Differs));
        }
        Ok(())
    }

    /// Checks a header after its parent; `times` are those of parent and ancestors, the newest first.
    fn check_entry(
        &self,
        hash: &BlockHash,
        entry: &HeaderEntry,
        parent: &HeaderEntry,
        times: &[Timestamp],
    ) -> Result<(), Box<Damage>> {
        let place = || at_block(Table::Headers, hash, Some(parent.height.next()));
        if entry.hash() != *hash {
            return Err(place().is(Problem::Differs));
        }
        let wrong = |error| place().is(Problem::Header(error));
        check_header(&entry.header, self.params).map_err(wrong)?;
        // How far ahead a time may lie was for the clock of then to say.
        check_in_context(&entry.header, parent, self.params, Timestamp(u32::MAX)).map_err(wrong)?;
        let expected = header_rules::entry(entry.header, parent, times, self.params);
        let follows = match entry.status {
            BlockStatus::Header => true,
            BlockStatus::Valid => parent.status == BlockStatus::Valid,
            BlockStatus::Stored | BlockStatus::Invalid => parent.status != BlockStatus::Header,
        };
        if !follows || *entry != (HeaderEntry { status: entry.status, ..expected }) {
            return Err(place().is(Problem::Differs));
        }
        Ok(())
    }

    /// The header with the most work is known, and counts no less than the tip.
    fn best_header(&self, tip: &HeaderEntry) -> Result<(), Box<Damage>> {
        let place = || Damage::at(Table::Meta, Key::Named("best header"));
        let Some(hash) = read(self.store.best_header(), place)? else { return Err(place().is(Problem::Missing)) };
        let known = read(self.store.header(&hash), || at_block(Table::Headers, &hash, None))?;
        match known {
            Some(entry) if entry.status != BlockStatus::Invalid && !is_better(tip, &entry) => Ok(()),
            _ => Err(place().is(Problem::Differs)),
        }
    }
}
