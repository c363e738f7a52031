//! What is wrong in a store, and where.

use crate::chain::{BlockError, HeaderError, Table};
use crate::hash::{BlockHash, FilterHeader, Txid};
use crate::transaction::OutPoint;
use crate::units::Height;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

/// Which entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// That of a block.
    Block(BlockHash),
    /// That of a height.
    Height(Height),
    /// An unspent output.
    Coin(OutPoint),
    /// A transaction.
    Transaction(Txid),
    /// A single value.
    Named(&'static str),
    /// The table as a whole.
    Any,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is not there.
    #[error("the entry is missing")]
    Missing,
    /// Nothing accounts for it.
    #[error("nothing in the chain accounts for the entry")]
    Unexpected,
    /// It says something else than the chain does.
    #[error("the entry is another than the chain makes it")]
    Differs,
    /// It cannot be read.
    #[error("the entry cannot be read: {0}")]
    Unreadable(String),
    /// A header breaks a rule.
    #[error(transparent)]
    Header(HeaderError),
    /// A block breaks a rule.
    #[error(transparent)]
    Block(Box<BlockError>),
    /// The filter headers of pruned blocks lead to another one than the first body commits to.
    #[error("the filters lead to header {found}, the block commits to {expected}")]
    Filters {
        /// What the block commits to.
        expected: FilterHeader,
        /// What the filters lead to.
        found: FilterHeader,
    },
}

/// The first damage that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The table.
    pub table: Table,
    /// The entry.
    pub key: Key,
    /// The block that it belongs to, where that is known.
    pub block: Option<BlockHash>,
    /// That block's height, where it is known.
    pub height: Option<Height>,
    /// What is wrong.
    pub problem: Problem,
}

impl Damage {
    pub(super) fn at(table: Table, key: Key) -> Self {
        let block = if let Key::Block(hash) = key { Some(hash) } else { None };
        let height = if let Key::Height(height) = key { Some(height) } else { None };
        Damage { table, key, block, height, problem: Problem::Missing }
    }

    pub(super) fn of(self, block: BlockHash, height: Height) -> Self {
        Damage { block: Some(block), height: Some(height), ..self }
    }

    pub(super) fn is(self, problem: Problem) -> Box<Self> {
        Box::new(Damage { problem, ..self })
    }
}

/// The entry of a block.
pub(super) fn at_block(table: Table, hash: &BlockHash, height: Option<Height>) -> Damage {
    Damage { height, ..Damage::at(table, Key::Block(*hash)) }
}

/// What was read; an entry that cannot be read is damaged.
pub(super) fn read<T, E: core::error::Error>(
    result: Result<T, E>,
    place: impl FnOnce() -> Damage,
) -> Result<T, Box<Damage>> {
    result.map_err(|error| place().is(Problem::Unreadable(error.to_string())))
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}", self.table)?;
        match self.key {
            Key::Coin(outpoint) => write!(f, ", output {outpoint}")?,
            Key::Transaction(txid) => write!(f, ", transaction {txid}")?,
            Key::Named(name) => write!(f, ", {name}")?,
            Key::Block(_) | Key::Height(_) | Key::Any => {}
        }
        if let Some(block) = self.block {
            write!(f, ", block {block}")?;
        }
        if let Some(height) = self.height {
            write!(f, ", height {height}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl core::error::Error for Damage {}
