//! What a pool of transactions takes, and why it refuses one.

use crate::chain::{ChainError, TransactionError};
use crate::hash::Txid;
use crate::transaction::OutPoint;
use crate::units::{Amount, Height};

/// What a pool takes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Bytes of all transactions together.
    pub max_bytes: usize,
    /// Bytes of one transaction.
    pub max_transaction_bytes: usize,
    /// The least fee in units for 1,000 bytes.
    pub min_fee_rate: u64,
    /// Seconds after which a transaction is forgotten.
    pub expiry_seconds: u32,
    /// How many transactions of the pool one may stand on.
    pub max_ancestors: usize,
    /// How many transactions of the pool may stand on one.
    pub max_descendants: usize,
    /// How many transactions one may replace, with what stands on them.
    pub max_replaced: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        PoolLimits {
            // Eight full blocks.
            max_bytes: 32_000_000,
            // A fortieth of a block: some 680 inputs, whose signatures take a core 17 ms.
            max_transaction_bytes: 100_000,
            // A plain payment of 250 bytes costs 250 units.
            min_fee_rate: 1_000,
            // Two weeks.
            expiry_seconds: 14 * 24 * 3600,
            // A settlement and its moves, with room for change that is spent again.
            max_ancestors: 25,
            // The same seen from the other end: what a block, a replacement or a full pool takes away is never a whole forest.
            max_descendants: 25,
            // Four such families.
            max_replaced: 100,
        }
    }
}

/// Why the pool refuses a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// It is here already.
    #[error("already in the pool")]
    AlreadyKnown,
    /// The next block could not take it.
    #[error(transparent)]
    Invalid(TransactionError),
    /// Its fee is too low.
    #[error("fee rate is {found} units per 1000 bytes, expected at least {min}")]
    LowFee {
        /// The least fee rate.
        min: u64,
        /// Its fee rate.
        found: u64,
    },
    /// It spends what another spends, and pays no more.
    #[error(
        "{outpoint} is spent by {other} already: to replace it, pay more than {fee} coins and {fee_rate} units per 1000 bytes"
    )]
    Conflict {
        /// The output.
        outpoint: OutPoint,
        /// Who spends it.
        other: Txid,
        /// The fees of all that would go.
        fee: Amount,
        /// The highest fee rate of those in conflict.
        fee_rate: u64,
    },
    /// It stands on one that it would replace, or on too many.
    #[error("it stands on {found} transactions of the pool, at most {max} allowed, and on none that it replaces")]
    Ancestors {
        /// The limit.
        max: usize,
        /// How many.
        found: usize,
    },
    /// Too many would stand on one.
    #[error(
        "{found} transactions of the pool would stand on {ancestor}, at most {max} allowed: wait for the next block"
    )]
    Descendants {
        /// The limit.
        max: usize,
        /// How many there would be.
        found: usize,
        /// On which.
        ancestor: Txid,
    },
    /// Too many would have to go for it.
    #[error("it would replace {found} transactions of the pool, at most {max} allowed: wait for the next block")]
    Replaced {
        /// The limit.
        max: usize,
        /// How many would go.
        found: usize,
    },
    /// It is larger than a pool takes, though a block may hold it.
    #[error("transaction has {found} bytes, pools take at most {max}: make two of it")]
    TooLarge {
        /// The limit.
        max: usize,
        /// Its size.
        found: usize,
    },
    /// It has waited too long already.
    #[error("it has waited for {waited} seconds, at most {max} allowed")]
    Expired {
        /// The limit.
        max: u32,
        /// Since it came.
        waited: u32,
    },
    /// The pool is full of transactions that pay more.
    #[error("the pool is full: fee rate {found}, expected over {min} units per 1000 bytes")]
    Full {
        /// The lowest fee rate in the pool.
        min: u64,
        /// Its fee rate.
        found: u64,
    },
    /// "Pools refuse a settlement with fewer than 10 blocks left."
    #[error("settlement valid until {valid_until}, the next block is {next}: expected {least} blocks left")]
    SettlementTooLate {
        /// Its last height.
        valid_until: Height,
        /// The next block's height.
        next: Height,
        /// The least number of blocks left.
        least: u32,
    },
}

/// Refused, or the store failed.
#[derive(Debug, thiserror::Error)]
pub enum AddError<E> {
    /// Refused.
    #[error(transparent)]
    Refused(#[from] PoolError),
    /// The chain's store failed.
    #[error(transparent)]
    Chain(ChainError<E>),
}
