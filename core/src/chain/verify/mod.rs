//! Checks everything that a store holds: each header, each body, each block connected again into fresh coins, and every table
//! against what comes of that.
//!
//! Nothing is believed but the network's parameters. [`verify`] reads the store and never writes; it ends at the first damage
//! and names it. A store whose blocks are pruned is checked as far as it goes: headers and filters whole, blocks from the first
//! body on, and of the coins those that these blocks made; the report counts the others.
//!
//! The coins are rebuilt in memory: some 200 bytes each.

mod damage;
mod headers;
mod replay;
mod tables;

pub use damage::{Damage, Key, Problem};

use super::{Inspect, ScriptRunner, Table};
use crate::block::NetworkParams;
use crate::hash::BlockHash;
use crate::units::Height;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use damage::{at_block, read};

/// What is being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Headers: proof of work, difficulty, times, work.
    Headers,
    /// Which entries there are, and the bodies of blocks beside the best chain.
    Tables,
    /// In a pruned store: the filters of pruned blocks.
    Filters,
    /// In a pruned store: blocks taken back from the tip, to where bodies begin.
    Disconnect,
    /// Blocks connected again.
    Connect,
    /// The transactions of the best chain.
    Transactions,
    /// Unspent outputs.
    Coins,
}

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Headers => "headers",
            Stage::Tables => "tables",
            Stage::Filters => "filters",
            Stage::Disconnect => "blocks back",
            Stage::Connect => "blocks",
            Stage::Transactions => "transactions",
            Stage::Coins => "coins",
        }
    }
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// How much of it is done.
    pub done: u64,
    /// How much there is.
    pub total: u64,
}

/// What was checked and found right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The tip's height.
    pub height: Height,
    /// The tip.
    pub tip: BlockHash,
    /// The lowest height whose body is here.
    pub first_body: Height,
    /// Headers, of all chains.
    pub headers: u64,
    /// Blocks connected again: those of the best chain whose bodies are here, the genesis block left out.
    pub connected: u64,
    /// Blocks beside the best chain whose bodies are here.
    pub side_blocks: u64,
    /// Transactions in the blocks that were connected.
    pub transactions: u64,
    /// Unspent outputs.
    pub coins: u64,
    /// Of these, outputs made by blocks that are pruned: that they are right cannot be checked here.
    pub unchecked_coins: u64,
}

/// Gets told how far a check is.
pub type OnProgress<'a> = dyn FnMut(Progress) + 'a;

/// Checks a store. `run_scripts` runs the script checks of a block.
pub fn verify<S: Inspect>(
    store: &S,
    params: &NetworkParams,
    run_scripts: ScriptRunner,
    on_progress: &mut OnProgress<'_>,
) -> Result<Report, Box<Damage>> {
    let mut check = Check { store, params, run_scripts, report: Report::default(), side: BTreeMap::new() };
    check.headers(on_progress)?;
    check.tables(on_progress)?;
    check.replay(on_progress)?;
    Ok(check.report)
}

/// A check under way.
struct Check<'a, S> {
    store: &'a S,
    params: &'a NetworkParams,
    run_scripts: ScriptRunner,
    report: Report,
    /// Blocks beside the best chain that were connected once, by their parents.
    side: BTreeMap<BlockHash, Vec<BlockHash>>,
}

impl<S: Inspect> Check<'_, S> {
    fn header(&self, hash: &BlockHash) -> Result<super::HeaderEntry, Box<Damage>> {
        let place = || at_block(Table::Headers, hash, None);
        read(self.store.header(hash), place)?.ok_or_else(|| place().is(Problem::Missing))
    }

    fn hash_at(&self, height: Height) -> Result<BlockHash, Box<Damage>> {
        let place = || Damage::at(Table::Heights, Key::Height(height));
        read(self.store.hash_at(height), place)?.ok_or_else(|| place().is(Problem::Missing))
    }
}

/// Every so many steps progress is told.
const STEP: u64 = 256;

/// Counts the steps of a stage.
struct Steps<'a, 'b> {
    progress: Progress,
    on_progress: &'a mut OnProgress<'b>,
}

impl<'a, 'b> Steps<'a, 'b> {
    fn new(stage: Stage, total: u64, on_progress: &'a mut OnProgress<'b>) -> Self {
        let progress = Progress { stage, done: 0, total };
        on_progress(progress);
        Steps { progress, on_progress }
    }

    fn step(&mut self) {
        self.progress.done += 1;
        if self.progress.done.is_multiple_of(STEP) || self.progress.done == self.progress.total {
            (self.on_progress)(self.progress);
        }
    }
}
